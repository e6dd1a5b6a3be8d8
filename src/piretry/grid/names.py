"""The words of the grid: Arm, State, and the one spelling that each has in paths, claims and commands.

An *arm* is a cell without its seed (``small/retry-full/k3/bare/r1``): what a claim names. A *state* is a
model at a point of its life: the base of a role, or the result of a cell, always with a seed
(``small/base/s42``, ``small/retry-full/k3/bare/r1/s42``). The name of a state is also its folder under
``results/{scale}/``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from piretry.errors import PiretryError, nearest

ROLES = ("small", "medium", "large", "prover")
PROVER = "prover"  # the role whose problems are theorems, checked by Lean; those of the others are mathematics
METHODS = ("retry", "rejection", "resample", "cross", "skeleton", "skeleton_sft")
MATH_PROMPTS = ("bare", "gold", "gibberish", "wrong")
PROVER_PROMPTS = ("bare", "error")  # `error` shows what the type checker said
PROMPTS = (*MATH_PROMPTS, *(prompt for prompt in PROVER_PROMPTS if prompt not in MATH_PROMPTS))
NO_PROMPT = "none"  # stands where a method shows the model no retry prompt
PROMPTED_METHODS = ("retry", "cross")
PROVER_METHODS = ("skeleton", "skeleton_sft")  # need the `have` statements of a known proof
DISTILLED = "skeleton"  # trained by distillation, without training examples

# Snakemake's wildcards are constrained by the same expression that parses a name.
ARM_PATTERN = (
    rf"(?:{'|'.join(ROLES)})/(?:{'|'.join(METHODS)})-[a-z][a-z0-9_]*/k\d+/(?:{'|'.join((*PROMPTS, NO_PROMPT))})/r\d+"
)
BASE_PATTERN = rf"(?:{'|'.join(ROLES)})/base"
STATE_PATTERN = rf"(?:{BASE_PATTERN}|{ARM_PATTERN})/s\d+"
# The cells that are distilled, and those that are fine-tuned on selected examples: which rule makes a model.
DISTILLED_PATTERN = rf"(?=[a-z]+/{DISTILLED}-){STATE_PATTERN}"
TUNED_PATTERN = rf"(?![a-z]+/{DISTILLED}-){STATE_PATTERN}"

# Completions tables and the stage that samples each; the rest of a name is its prompt and writer.
TABLE_STAGES = {
    "attempts": "attempt",
    "resamples": "resample",
    "retries": "retry",
    "repeats": "repeat",
    "skeletons": "skeleton",
    "eval": "evaluate",
}
TABLE_PATTERN = (
    rf"attempts|resamples|skeletons|eval|repeats-(?:{'|'.join(PROMPTS)})"
    rf"|retries-(?:{'|'.join(PROMPTS)})(?:\.by-(?:{'|'.join(ROLES)}))?"
)


@dataclass(frozen=True, order=True)
class Arm:
    """A cell of the experiment without its seed. `k` counts retries (or extra attempts), `round` starts at 1."""

    role: str
    method: str
    tuning: str
    k: int
    prompt: str
    round: int

    def __post_init__(self) -> None:
        _choose("role", self.role, ROLES)
        _choose("method", self.method, METHODS)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.tuning):
            raise PiretryError(
                f"The tuning {self.tuning!r} is not a name: use lower-case letters, digits and underscores, "
                "as under 'training.tunings' in the scale file."
            )
        for key in ("k", "round"):
            if getattr(self, key) < 1:
                raise PiretryError(f"{key}={getattr(self, key)} is not possible: {key} counts from 1.")
        if self.method in PROVER_METHODS and self.role != PROVER:
            raise PiretryError(
                f"Method {self.method!r} shows the sub-goals of a known proof, which problems of role {self.role!r} do "
                f"not have: it is for role {PROVER!r} alone."
            )
        if self.method == DISTILLED and self.k != 1:
            raise PiretryError(f"Method {self.method!r} samples no retries, but k={self.k}: write k=1.")
        if self.method in PROMPTED_METHODS:
            _choose(f"prompt (method {self.method!r} shows one)", self.prompt, PROMPTS)
            if self.prompt not in prompts_of(self.role):
                raise PiretryError(
                    f"Role {self.role!r} has no retry prompt {self.prompt!r}, which is for "
                    f"{'mathematics' if self.role == PROVER else f'role {PROVER!r}'}: choose one of "
                    f"{', '.join(prompts_of(self.role))}."
                )
        elif self.prompt != NO_PROMPT:
            raise PiretryError(
                f"Method {self.method!r} shows no retry prompt, but the prompt is {self.prompt!r}: write {NO_PROMPT!r}."
            )

    @property
    def name(self) -> str:
        """The arm's spelling, e.g. ``small/retry-full/k3/bare/r1``."""
        return f"{self.role}/{self.method}-{self.tuning}/k{self.k}/{self.prompt}/r{self.round}"

    @classmethod
    def parse(cls, name: str) -> Arm:
        """Return the arm called `name`; raise PiretryError with the expected form when it is not one."""
        match = re.fullmatch(
            r"([^/]+)/([^/-]+)-([^/]+)/k(\d+)/([^/]+)/r(\d+)",
            name,
        )
        if match is None:
            raise PiretryError(
                f"{name!r} is not the name of a cell. Expected role/method-tuning/kK/prompt/rROUND, "
                "for example small/retry-full/k3/bare/r1."
            )
        role, method, tuning, k, prompt, round_ = match.groups()
        return cls(role, method, tuning, int(k), prompt, int(round_))

    def before(self) -> Arm | None:
        """The same arm one round earlier; None in round 1."""
        return replace(self, round=self.round - 1) if self.round > 1 else None


@dataclass(frozen=True)
class State:
    """A model at a point of its life: the untrained base of `role` (arm is None) or what a cell trained.

    The seed of a base counts its sampling runs: its weights are the same for every seed.
    """

    role: str
    seed: int
    arm: Arm | None = None

    @property
    def name(self) -> str:
        """The state's spelling, which is also its folder under ``results/{scale}/``."""
        return f"{self.role}/base/s{self.seed}" if self.arm is None else f"{self.arm.name}/s{self.seed}"

    @property
    def series(self) -> str:
        """The name without the seed: what a claim calls this state."""
        return f"{self.role}/base" if self.arm is None else self.arm.name

    @property
    def is_base(self) -> bool:
        """Whether this is an untrained base."""
        return self.arm is None

    @classmethod
    def parse(cls, name: str) -> State:
        """Return the state called `name`, e.g. ``small/base/s42``."""
        series, slash, seed = name.rpartition("/s")
        if not slash or not seed.isdecimal():
            raise PiretryError(
                f"{name!r} is not the name of a state: it must end with its seed, for example small/base/s42."
            )
        return cls.of(series, int(seed))

    @classmethod
    def of(cls, series: str, seed: int) -> State:
        """Return the state of `series` (``small/base`` or an arm's name) at `seed`."""
        role, _, rest = series.partition("/")
        if rest == "base":
            _choose("role", role, ROLES)
            return cls(role, seed)
        arm = Arm.parse(series)
        return cls(arm.role, seed, arm)

    def sampled_from(self) -> State:
        """The state whose attempts this cell learns from: the base in round 1, else the round before."""
        if self.arm is None:
            raise PiretryError(f"{self.name} is a base: it learns from no attempts.")
        return State(self.role, self.seed, self.arm.before())


def prompts_of(role: str) -> tuple[str, ...]:
    """The retry prompts that there are for the problems of `role`."""
    return PROVER_PROMPTS if role == PROVER else MATH_PROMPTS


def _choose(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise PiretryError(f"Unknown {what}: {value!r}.{nearest(value, choices)}")
