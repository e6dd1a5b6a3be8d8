"""A theorem: named hypotheses and a goal; its statement, its normal form and the split that the normal form decides."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from piretry.data.theorems.formula import PROPOSITIONS, TERMS, Formula, lean, polish, symmetric, variables

Split = Literal["pretrain", "train", "eval"]
# Another value would move theorems between splits: part of what the splits are, so no setting.
_SPLIT_SALT = "piretry.theorems/1"


@dataclass(frozen=True, slots=True)
class Theorem:
    """Hypotheses, each with its name, and a goal. Names are all different, and so are the hypotheses."""

    hypotheses: tuple[tuple[str, Formula], ...]
    goal: Formula

    @property
    def statement(self) -> str:
        """The theorem's first line up to the goal: ``theorem t (p q : Prop) (hipq : p → q) (hp : p) : q``."""
        used = {name for formula in self._formulas for name in variables(formula)}
        binders = [
            f"({' '.join(name for name in names if name in used)} : {sort})"
            for names, sort in ((PROPOSITIONS, "Prop"), (TERMS, "Nat"))
            if used.intersection(names)
        ]
        binders += [f"({name} : {lean(formula)})" for name, formula in self.hypotheses]
        return f"theorem t {' '.join(binders)} : {lean(self.goal)}"

    @property
    def normal_form(self) -> str:
        """The theorem up to the names of its variables and hypotheses, the order of the hypotheses, and the order of
        the arguments of And, Or and Eq: equal for two theorems exactly when these are all they differ in.

        It is the least of the texts that renaming the variables can give.
        """
        used = {name for formula in self._formulas for name in variables(formula)}
        propositions = [name for name in PROPOSITIONS if name in used]
        terms = [name for name in TERMS if name in used]
        return min(
            self._text({**dict(zip(propositions, order, strict=True)), **dict(zip(terms, other, strict=True))})
            for order in permutations(PROPOSITIONS[: len(propositions)])
            for other in permutations(TERMS[: len(terms)])
        )

    @property
    def _formulas(self) -> tuple[Formula, ...]:
        return (*(formula for _, formula in self.hypotheses), self.goal)

    def _text(self, renamed: dict[str, str]) -> str:
        hypotheses = sorted(symmetric(formula, renamed.__getitem__) for _, formula in self.hypotheses)
        return f"{','.join(hypotheses)}|{symmetric(self.goal, renamed.__getitem__)}"


def typed_name(formula: Formula) -> str:
    """The name that tells the type: `h` and the Polish form."""
    return f"h{polish(formula)}"


def split_of(normal_form: str, train_share: float, eval_share: float) -> Split:
    """The split of all theorems with this normal form: its hash is a uniform number in [0, 1), which the shares cut."""
    digest = hashlib.sha256(f"{_SPLIT_SALT}/{normal_form}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < eval_share:
        return "eval"
    return "train" if position < eval_share + train_share else "pretrain"
