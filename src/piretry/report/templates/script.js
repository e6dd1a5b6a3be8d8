// Adds only comfort: the page is complete without it.
(() => {
  "use strict";

  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // A button beside each command copies it.
  const copy = async (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const area = make("textarea", { value: text });
    (document.querySelector("dialog[open]") || document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  const addCopy = (box) => {
    if (box.querySelector("button")) return;
    const text = box.querySelector("code").textContent;
    const button = make("button", { type: "button", textContent: "Copy" });
    button.setAttribute("aria-label", "Copy the command " + text);
    button.addEventListener("click", async () => {
      await copy(text);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    box.append(button);
  };
  document.querySelectorAll(".command").forEach(addCopy);

  // Whatever a link leads to is unfolded. Browsers do it by themselves for a target inside closed details, not for
  // details that are the target.
  const byHash = (hash) => {
    try {
      return hash.length > 1 ? document.getElementById(decodeURIComponent(hash.slice(1))) : null;
    } catch {
      return null;
    }
  };
  const unfold = () => {
    const target = byHash(location.hash);
    if (!target) return;
    for (let node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
      if (node.hidden) node.hidden = false;
    }
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  // The drawer: provenance, records and settings are shown at the side. They are on the page once; the drawer borrows
  // them and puts them back.
  const title = make("p", { id: "side-title", className: "side-title" });
  const back = make("button", { type: "button", textContent: "Back" });
  const close = make("button", { type: "button", textContent: "Close" });
  const content = make("div", { className: "side-content" });
  const drawer = make("dialog", { className: "side" }, make("div", { className: "side-bar" }, title, back, close), content);
  drawer.setAttribute("aria-labelledby", "side-title");
  document.body.append(drawer);
  let place = null;
  let shown = null;
  let way = [];
  const putBack = () => {
    if (place) place.replaceWith(shown);
    place = shown = null;
  };
  const show = (id) => {
    const found = document.getElementById(id);
    const node = found.closest(".target");
    if (node !== shown) {
      putBack();
      place = document.createComment("");
      node.replaceWith(place);
      shown = node;
      content.append(node);
      node.querySelectorAll(".again").forEach(addCopy);
      const summary = place.parentElement.querySelector("summary");
      title.textContent = node.dataset.title || (summary.querySelector("code:not(.hash)") || summary).textContent;
    }
    back.hidden = way.length < 2;
    if (!drawer.open) drawer.showModal();
    content.querySelectorAll(".here").forEach((other) => other.classList.remove("here"));
    content.scrollTop = 0;
    if (found !== node) {
      found.classList.add("here");
      found.scrollIntoView({ block: "center" });
    }
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const found = byHash(link.hash);
    if (!found || !found.closest(".target")) {
      if (drawer.open) drawer.close();
      return;
    }
    event.preventDefault();
    way.push(found.id);
    show(found.id);
    close.focus();
  });
  back.addEventListener("click", () => {
    way.pop();
    show(way[way.length - 1]);
  });
  close.addEventListener("click", () => drawer.close());
  drawer.addEventListener("click", (event) => { if (event.target === drawer) drawer.close(); });
  drawer.addEventListener("close", () => {
    putBack();
    way = [];
  });

  // Only what is larger than its place is a stop for the keyboard.
  const fits = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight + 1) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroller, .turns .text").forEach((node) => fits.observe(node));

  // Fields above a list that hide what was not asked for.
  const searchField = (label, changed) => {
    const field = make("input", { type: "search" });
    field.addEventListener("input", changed);
    return [make("label", { className: "field" }, label + " ", field), field];
  };
  const wordsOf = (field) => field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = new WeakMap();
  const holds = (node, words, parts = "", more = "") => {
    if (!words.length) return true;
    if (!texts.has(node)) {
      const from = parts ? [...node.querySelectorAll(parts)] : [node];
      texts.set(node, [...from.map((part) => part.textContent), more].join(" ").toLowerCase());
    }
    return words.every((word) => texts.get(node).includes(word));
  };

  // Claims by verdict and by words.
  const table = document.querySelector("#summary .all-claims");
  if (table) {
    const rows = [...table.querySelectorAll("[data-verdict]")];
    const claims = [...document.querySelectorAll(".faq .claim")];
    const bar = make("div", { className: "filter" });
    const said = make("span", { className: "said" });
    said.setAttribute("role", "status");
    let chosen = "";
    const apply = () => {
      const words = wordsOf(field);
      let amount = 0;
      for (const row of rows) {
        const claim = byHash(row.querySelector("a").hash);
        const fitting = (!chosen || row.dataset.verdict === chosen) && (holds(row, words) || holds(claim, words, ":scope > *:not(footer)"));
        row.hidden = claim.hidden = !fitting;
        amount += fitting;
      }
      for (const body of table.tBodies) body.hidden = !body.querySelector("[data-verdict]:not([hidden])");
      for (const question of document.querySelectorAll(".question")) {
        question.hidden = !question.querySelector(".claim:not([hidden])");
      }
      for (const section of document.querySelectorAll(".faq")) {
        section.hidden = !section.querySelector(".question:not([hidden])");
      }
      for (const button of bar.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(button.dataset.choice === chosen));
      }
      said.textContent = chosen || words.length ? `${amount} of ${claims.length} claims` : "";
    };
    const [label, field] = searchField("Search claims", apply);
    for (const name of ["", ...new Set(rows.map((row) => row.dataset.verdict))]) {
      const button = make("button", { type: "button", textContent: name || "All claims" });
      button.dataset.choice = name;
      button.addEventListener("click", () => { chosen = name; apply(); });
      bar.append(button);
    }
    bar.append(label, said);
    table.closest(".scroller").before(bar);
    apply();
  }

  // Dialogues by cell and by words.
  const examples = document.querySelector("#examples");
  const groups = [...document.querySelectorAll(".dialogues")];
  if (groups.length) {
    const bar = make("div", { className: "filter" });
    const said = make("span", { className: "said" });
    said.setAttribute("role", "status");
    const cell = make("select");
    for (const name of ["", ...examples.dataset.cells.split(" ")]) {
      cell.append(make("option", { value: name, textContent: name || "all cells" }));
    }
    const first = groups.map((group) => group.open);
    const apply = () => {
      const words = wordsOf(field);
      const asked = words.length > 0 || cell.value !== "";
      let amount = 0;
      groups.forEach((group, index) => {
        const own = group.dataset.cells.split(" ");
        let here = 0;
        for (const example of group.querySelectorAll(".example")) {
          const fitting = (!cell.value || own.includes(cell.value)) && holds(example, words, "", group.dataset.cells);
          example.hidden = !fitting;
          here += fitting;
        }
        group.hidden = here === 0;
        group.open = asked ? here > 0 : first[index];
        amount += here;
      });
      said.textContent = asked ? `${amount} dialogues` : "";
    };
    const [label, field] = searchField("Search problem, cell or text", apply);
    cell.addEventListener("change", apply);
    bar.append(label, make("label", { className: "field" }, "Cell ", cell), said);
    groups[0].before(bar);
  }

  // On paper nothing can be unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    if (drawer.open) drawer.close();
    folded = [...document.querySelectorAll("details:not([open])")].filter((node) => !node.closest(".many"));
    folded.forEach((node) => { node.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((node) => { node.open = false; }));
})();
