// Adds only comfort: the page is complete without it.
(() => {
  "use strict";

  // A button beside each command copies it.
  const copy = async (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  for (const box of document.querySelectorAll(".command")) {
    const text = box.querySelector("code").textContent;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy the command " + text);
    button.addEventListener("click", async () => {
      await copy(text);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    box.append(button);
  }

  // Whatever a link leads to is unfolded. Browsers do it by themselves for a target inside closed details, not for
  // details that are the target.
  const unfold = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  // Only a table that is wider than its place is a stop for the keyboard.
  const fits = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroller").forEach((node) => fits.observe(node));

  // The claims of chosen verdicts only.
  const table = document.querySelector(".all-claims");
  const marked = [...document.querySelectorAll("[data-verdict]")];
  const verdicts = [...new Set([...table.querySelectorAll("[data-verdict]")].map((row) => row.dataset.verdict))];
  if (verdicts.length > 1) {
    const bar = document.createElement("div");
    bar.className = "filter";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Show the claims of one verdict");
    const choose = (chosen) => {
      for (const button of bar.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(button.dataset.choice === chosen));
      }
      for (const node of marked) {
        const control = node.closest("#controls");
        node.hidden = !control && chosen !== "" && node.dataset.verdict !== chosen;
      }
      for (const question of document.querySelectorAll(".question")) {
        question.hidden = !question.querySelector(".claim:not([hidden])");
      }
    };
    for (const name of ["", ...verdicts]) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.choice = name;
      button.textContent = name === "" ? "All claims" : name;
      button.addEventListener("click", () => choose(name));
      bar.append(button);
    }
    table.closest(".scroller").before(bar);
    choose("");
  }
})();
