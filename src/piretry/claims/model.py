"""What report/claims.yaml says of each claim: published figure, quantities, tests, declared before any run.

A claim is a conjunction of *tests*. A test looks at *quantities*: a gain, an accuracy, a yield of retries, each of
one series (an arm, or the base of a role). The verdict rules are in :mod:`piretry.claims.rules` and, in words and
formula, in docs/statistics.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from piretry.grid.names import PROMPTS, State
from piretry.settings.model import Settings

Reading = Literal["both", "paper", "direction"]
# The section under which the judge files negative controls, which are no claims.
CONTROLS = "Controls"


class Quantity(Settings):
    """One measurable number of one series."""

    measure: Literal["gain", "accuracy", "yield", "diversity", "disagreement"] = Field(
        description="`gain`: accuracy minus that of the role's base, percentage points. `accuracy`: percent. "
        "`yield`: problems that fail first and succeed on a retry, per 1,000 problems. `diversity`: distinct solutions "
        "among `size` correct samples of a problem, percent. `disagreement`: sampled completions on which the verifier "
        "and its second opinion (for proofs, the heuristic verifier) differ, percent."
    )
    series: str = Field(description="An arm (`small/retry-full/k3/bare/r1`) or a base (`large/base`).")
    prompt: Literal["bare", "gold", "gibberish", "wrong", "error"] | None = Field(
        default=None, description="yield only: the retry prompt."
    )
    k: int | None = Field(default=None, ge=1, description="yield only: retries allowed.")
    size: int | None = Field(default=None, ge=2, description="diversity only: correct samples that are compared.")

    @model_validator(mode="after")
    def _consistent(self) -> Quantity:
        state = State.of(self.series, 0)
        if self.measure == "yield" and (self.prompt is None or self.k is None):
            raise ValueError(f"a yield needs 'prompt' (one of {', '.join(PROMPTS)}) and 'k'")
        if self.measure != "yield" and (self.prompt is not None or self.k is not None):
            raise ValueError("'prompt' and 'k' go with measure: yield only")
        if (self.measure == "diversity") != (self.size is not None):
            raise ValueError("'size', the number of correct samples compared, goes with measure: diversity")
        if self.measure == "gain" and state.is_base:
            raise ValueError(f"{self.series} is a base: it has no gain, name a cell")
        return self

    @property
    def label(self) -> str:
        """A short name that is unique within a claim, e.g. ``gain small/retry-full/k3/bare/r1``."""
        tail = f" {self.prompt} k{self.k}" if self.measure == "yield" else ""
        return f"{self.measure} {self.series}{tail}"


class ValueTest(Settings):
    """Is the published value met? Direction reading: does the effect have the published sign?"""

    test: Literal["value"]
    of: Quantity = Field(description="The quantity.")
    published: float = Field(description="The published figure, in the quantity's unit.")
    tolerance: float = Field(gt=0, description="Largest distance that still counts as reproduced.")
    reading: Reading = Field(default="both", description="Scales that apply this test.")


class SignTest(Settings):
    """Is one quantity greater than another?"""

    test: Literal["sign"]
    greater: Quantity = Field(description="The quantity claimed to be greater.")
    smaller: Quantity = Field(description="The quantity claimed to be smaller.")
    reading: Reading = Field(default="both", description="Scales that apply this test.")

    @model_validator(mode="after")
    def _same_measure(self) -> SignTest:
        if self.greater.measure != self.smaller.measure:
            raise ValueError(f"cannot compare {self.greater.label} with {self.smaller.label}: different measures")
        return self


class RatioTest(Settings):
    """Is one gain a published multiple of another? Direction reading: is it greater at all?"""

    test: Literal["ratio"]
    numerator: Quantity = Field(description="The gain on top.")
    denominator: Quantity = Field(description="The gain below.")
    published: float = Field(gt=0, description="The published ratio.")
    factor: float = Field(gt=1, description="Ratios between published/factor and published*factor count as reproduced.")
    reading: Reading = Field(default="both", description="Scales that apply this test.")


class EquivalenceTest(Settings):
    """Are all pairs of these quantities the same within a margin?"""

    test: Literal["equivalence"]
    of: list[Quantity] = Field(min_length=2, description="The quantities; all pairs are tested.")
    margin: float = Field(gt=0, description="Largest difference that counts as the same, declared beforehand.")
    reading: Reading = Field(default="both", description="Scales that apply this test.")


class AboveTest(Settings):
    """Is a quantity greater than a threshold that was declared before any run?"""

    test: Literal["above"]
    of: Quantity = Field(description="The quantity.")
    threshold: float = Field(description="The threshold, in the quantity's unit.")
    reading: Reading = Field(default="both", description="Scales that apply this test.")


class TrendTest(Settings):
    """Does the share of retained retries whose success does not repeat rise with the retry index?"""

    test: Literal["trend"]
    series: str = Field(description="The state whose retries are repeated, e.g. `small/base`.")
    prompt: Literal["bare", "gold", "gibberish", "wrong", "error"] = Field(description="The retry prompt.")
    k: int = Field(ge=2, description="Retry indices 1 to this number.")
    reading: Reading = Field(default="both", description="Scales that apply this test.")


class CountTest(Settings):
    """Is a counted number exactly the published one?"""

    test: Literal["count"]
    of: Literal["train_problems", "overlap"] = Field(
        description="`train_problems`: problems trained on. `overlap`: training problems that match a held-out one, "
        "before removal, by any of the kinds in `kinds`."
    )
    published: int = Field(ge=0, description="The published count.")
    direction: int | Literal["declared"] | None = Field(
        default=None,
        description="Direction reading: the count expected on this scale; `declared` is the size that the scale file "
        "declares; null keeps the published count.",
    )
    kinds: list[str] | None = Field(default=None, description="overlap only: kinds of match that count.")
    reading: Reading = Field(default="both", description="Scales that apply this test.")


Test = Annotated[
    ValueTest | SignTest | RatioTest | EquivalenceTest | AboveTest | TrendTest | CountTest, Field(discriminator="test")
]


class Variant(Settings):
    """Another reading of a claim's cell, measured beside it where the scale has the cell; it decides no verdict."""

    says: str = Field(description="What is read differently, and where the sources say so.")
    of: Quantity = Field(description="The quantity under that reading.")


class Claim(Settings):
    """One checkable sentence of the FAQ."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Name of the claim and of its result file.")
    section: str = Field(description="Section of the FAQ.")
    question: str = Field(description="The FAQ's question.")
    says: str = Field(description="The claim in one sentence.")
    published: str = Field(description="The figure as the FAQ prints it.")
    statistic: str = Field(description="Name of the statistic, for people.")
    family: str = Field(description="Claims of one family share Holm's correction.")
    tests: list[Test] = Field(default=[], description="All must pass for the claim to be reproduced.")
    variants: list[Variant] = Field(
        default=[],
        description="Readings on which the sources contradict themselves; scales list such cells in `variants`.",
    )
    not_run: str | None = Field(default=None, description="Why no cell of this claim can be run yet; null when it can.")

    @model_validator(mode="after")
    def _tested(self) -> Claim:
        if bool(self.tests) == bool(self.not_run):
            raise ValueError(f"claim {self.id!r} needs either tests or a reason under not_run")
        return self

    def tests_for(self, reading: str) -> list[Test]:
        """The tests that a scale with this reading (`paper` or `direction`) applies."""
        return [test for test in self.tests if test.reading in ("both", reading)]


class Control(Settings):
    """A negative control: a comparison that must show no effect."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Name of the control and of its result file.")
    says: str = Field(description="What is compared and what must come out.")
    series: str = Field(description="The series whose seeds are compared with each other.")
    kind: Literal["seeds", "null"] = Field(
        description="`seeds` (A/A): one cell trained with two seeds. `null`: one untrained base evaluated twice."
    )
    margin: float = Field(gt=0, description="Differences up to this count as the same, percentage points.")


class ClaimsFile(Settings):
    """The whole of report/claims.yaml."""

    source: str = Field(description="The document that makes the claims.")
    claims: list[Claim] = Field(min_length=1, description="The claims, in the FAQ's order.")
    controls: list[Control] = Field(description="Negative controls.")
    tables: dict[str, list[str]] = Field(description="Tables of the report: name -> claims in it.")

    @model_validator(mode="after")
    def _names(self) -> ClaimsFile:
        known = [claim.id for claim in self.claims] + [control.id for control in self.controls]
        twice = sorted({name for name in known if known.count(name) > 1})
        if twice:
            raise ValueError(f"claims or controls defined twice: {', '.join(twice)}")
        for table, members in self.tables.items():
            unknown = [name for name in members if name not in known]
            if unknown:
                raise ValueError(f"table {table!r} lists unknown claims: {', '.join(unknown)}")
        return self

    def claim(self, name: str) -> Claim:
        """The claim called `name`; KeyError when there is none."""
        return {claim.id: claim for claim in self.claims}[name]

    @property
    def ids(self) -> list[str]:
        """The claims' names, in the FAQ's order."""
        return [claim.id for claim in self.claims]

    def family_of(self, claim: Claim) -> list[Claim]:
        """All claims that share Holm's correction with `claim`, itself included."""
        return [other for other in self.claims if other.family == claim.family]


def quantities(test: Test) -> list[Quantity]:
    """Every quantity that `test` looks at."""
    if isinstance(test, ValueTest | AboveTest):
        return [test.of]
    if isinstance(test, SignTest):
        return [test.greater, test.smaller]
    if isinstance(test, RatioTest):
        return [test.numerator, test.denominator]
    if isinstance(test, EquivalenceTest):
        return list(test.of)
    return []


def claim_series(claim: Claim) -> list[str]:
    """The series that a claim's tests are measured on."""
    found = [quantity.series for test in claim.tests for quantity in quantities(test)]
    return found + [test.series for test in claim.tests if isinstance(test, TrendTest)]
