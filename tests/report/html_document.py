"""A small reader of HTML for the tests: elements in order, with attributes, ancestors and text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass(eq=False)
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, white space folded."""
        return " ".join(self.raw.split())

    @property
    def raw(self) -> str:
        return "".join(child if isinstance(child, str) else child.raw for child in self.children)

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    def all(self, tag: str = "", klass: str = "") -> list[Element]:
        """Elements inside with this tag and class, in document order."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if tag in ("", child.tag) and (not klass or klass in child.classes):
                    found.append(child)
                found += child.all(tag, klass)
        return found

    def one(self, tag: str = "", klass: str = "") -> Element:
        found = self.all(tag, klass)
        assert len(found) == 1, f"{len(found)} elements <{tag} class={klass}>"
        return found[0]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {}, None)
        self.here = self.root
        self.mistakes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.mistakes.append(f"<{tag}> has an attribute twice: {names}")
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.here.children.append(Element(tag, {name: value or "" for name, value in attrs}, self.here))

    def handle_endtag(self, tag: str) -> None:
        if self.here.tag != tag:
            self.mistakes.append(f"</{tag}> closes <{self.here.tag}> at {self.getpos()}")
            return
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)


def parse(html: str) -> Element:
    """The document; AssertionError when elements are not closed as they were opened."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert not parser.mistakes, parser.mistakes[:5]
    assert parser.here is parser.root, f"<{parser.here.tag}> is never closed"
    return parser.root


def ancestors(element: Element) -> list[Element]:
    """The elements around `element`, nearest first."""
    found = []
    while element.parent is not None:
        element = element.parent
        found.append(element)
    return found
