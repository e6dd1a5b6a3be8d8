"""Retry prompts: literal templates, and how the answers that they show are filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from piretry.errors import PiretryError, nearest

# What a template may show: the problem's gold answer, and the gold answer of another problem.
PLACEHOLDERS = ("gold", "wrong")
_KNOWN = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
# A braced word that is no argument of a LaTeX command (`\text{if}`, `\frac{a}{b}`) is taken for a placeholder.
_BRACED_WORD = re.compile(r"(?<![A-Za-z}])\{([A-Za-z_][A-Za-z0-9_]*)\}")


def fill(template: str, *, gold: str, wrong_answer: str) -> str:
    """`template` with {gold} and {wrong} replaced.

    Answers are LaTeX and full of braces, so `str.format` would not do; both are filled in one pass, so that an
    answer that happens to contain a placeholder's name stays as it is.
    """
    answers = {"gold": gold, "wrong": wrong_answer}
    return _KNOWN.sub(lambda match: answers[match[1]], template)


def placeholders(template: str) -> frozenset[str]:
    """The placeholders that `template` shows."""
    return frozenset(_KNOWN.findall(template))


@dataclass(frozen=True)
class RetryPrompts:
    """The retry prompts of a scale, name -> template (`bare`, `gold`, `gibberish`, `wrong` in the sources).

    Raises PiretryError when a template is blank, shows a placeholder that does not exist, or when the prompt
    `gold` or `wrong` does not show the answer that it is named after.
    """

    templates: Mapping[str, str]

    def __post_init__(self) -> None:
        for name, template in self.templates.items():
            _check(name, template)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, sorted, so that draws from them do not depend on the order of a file."""
        return tuple(sorted(self.templates))

    def render(self, name: str, gold: str, wrong_answer: str) -> str:
        """The text of prompt `name`.

        Args:
            name: a key of `templates`.
            gold: the gold answer of the problem that is retried.
            wrong_answer: the gold answer of another problem; it should differ from `gold`.
        """
        if name not in self.templates:
            raise PiretryError(f"There is no retry prompt {name!r}.{nearest(name, self.templates)}")
        return fill(self.templates[name], gold=gold, wrong_answer=wrong_answer)

    def hinted(self, name: str, gold: str, wrong_answer: str) -> str | None:
        """The answer that prompt `name` claims to be correct, or None where it shows no answer."""
        shown = placeholders(self.templates[name])
        if "gold" in shown:
            return gold
        return wrong_answer if "wrong" in shown else None


def _check(name: str, template: str) -> None:
    where = f"retry.prompts.{name} in the scale file"
    if not template.strip():
        raise PiretryError(f"{where} is empty: it must hold the literal text of the retry prompt.")
    for word in _BRACED_WORD.findall(template):
        if word not in PLACEHOLDERS:
            raise PiretryError(
                f"{where} shows {{{word}}}, which is not a placeholder: {template!r}.{nearest(word, PLACEHOLDERS)}"
            )
    if name in PLACEHOLDERS and name not in placeholders(template):
        raise PiretryError(
            f"{where} does not show {{{name}}}: {template!r}. Put {{{name}}} where the answer belongs; a prompt "
            "without it would be the bare prompt under another name."
        )
