"""What a comparison of two runs says: plain frozen values, shared by the terminal, JSON and the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

ALPHA = 0.05
LEVEL = 1 - ALPHA

# How a claim was compared.
IDENTICAL = "identical"  # the same bytes on both sides: no test
PAIRED = "paired"  # the same problems: differences problem by problem
UNPAIRED = "unpaired"  # other problems: two independent estimates
EXACT = "exact"  # a count, or the same bytes measured otherwise: no sampling error
NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Header:
    """Which run this is: its folder as it was given, scale, id, and how much of it was read."""

    folder: str
    scale: str
    run: str | None
    started: str | None
    finished: str | None
    artifacts: int
    claims: int


@dataclass(frozen=True)
class Part:
    """One number in both runs and the difference B - A with its interval, all in `unit`; `p` is two-sided."""

    label: str
    unit: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    n_problems: int
    seeds: tuple[tuple[int, int], ...]
    method: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ClaimDiff:
    """A claim in both runs.

    `kind` is one of the words above. `p` is that of the claim (Bonferroni over its parts), `p_holm` after Holm's
    correction over all numbers compared, both None without a test. `differs` says whether it differs by more than
    noise; `says` is the sentence on it. `only` is "A" or "B" for a claim that the other run does not have.
    """

    id: str
    section: str
    claim: str
    published: str
    only: str | None
    verdict_a: str | None
    verdict_b: str | None
    measured_a: dict[str, Any] | None
    measured_b: dict[str, Any] | None
    kind: str
    parts: tuple[Part, ...]
    p: float | None
    p_holm: float | None
    differs: bool
    says: str

    @property
    def verdict_changed(self) -> bool:
        """Whether both runs have a verdict and it is not the same."""
        return self.only is None and self.verdict_a != self.verdict_b


@dataclass(frozen=True)
class ControlDiff:
    """A negative control's verdict in both runs; None where a run has no such control."""

    id: str
    verdict_a: str | None
    verdict_b: str | None


@dataclass(frozen=True)
class SettingChange:
    """One setting of one stage, with its values as JSON (None: the key is not there) and where it changed."""

    stage: str
    key: str
    a: str | None
    b: str | None
    targets: tuple[str, ...]


@dataclass(frozen=True)
class CodeChange:
    """The modules of a stage's code that changed, and how many artifacts each version made."""

    stage: str
    modules: tuple[str, ...]
    artifacts: int


@dataclass(frozen=True)
class Sides:
    """What both runs say under one name (a package, a model, the commit ...), each value with its count."""

    name: str
    a: tuple[str, ...]
    b: tuple[str, ...]


@dataclass(frozen=True)
class StageFiles:
    """The artifacts of a stage: how many are the same bytes in both runs, differ, or are in one run alone."""

    stage: str
    identical: int
    different: int
    only_a: int
    only_b: int


@dataclass(frozen=True)
class Origin:
    """Artifacts whose inputs are the same bytes in both runs and that differ all the same, with what may explain it."""

    stage: str
    reasons: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """Everything beside the values that is not the same in the two runs; empty tuples where nothing changed."""

    settings: tuple[SettingChange, ...]
    seeds: tuple[Sides, ...]
    code: tuple[CodeChange, ...]
    checkout: tuple[Sides, ...]
    data: tuple[Sides, ...]
    images: tuple[Sides, ...]
    packages: tuple[Sides, ...]
    machines: tuple[Sides, ...]
    files: tuple[StageFiles, ...]
    origins: tuple[Origin, ...]


@dataclass(frozen=True)
class Comparison:
    """Two runs compared. `troubles` are sentences on files that are not what their records say."""

    a: Header
    b: Header
    claims: tuple[ClaimDiff, ...]
    controls: tuple[ControlDiff, ...]
    changes: Changes
    troubles: tuple[str, ...]

    @property
    def differing(self) -> tuple[ClaimDiff, ...]:
        """The claims that differ by more than noise."""
        return tuple(claim for claim in self.claims if claim.differs)

    @property
    def status(self) -> int:
        """The exit status: 1 when a claim differs by more than noise, else 0."""
        return 1 if self.differing else 0

    def plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"schema": 1, "alpha": ALPHA, "differs": bool(self.differing), **asdict(self)}
