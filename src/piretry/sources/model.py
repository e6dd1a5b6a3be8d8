"""What report/published.yaml holds: figures, settings and statements of the sources, each with page and place.

Numbers are kept as they are printed, as text: the number of decimals is part of what was published.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from piretry.errors import nearest
from piretry.settings.model import Settings

NOT_STATED = "not stated"
_NUMBER = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+|[+-]?\d+(?:\.\d+)?")


def _printed(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a number as it is printed, without unit, for example '48.3', '+10.1' or '3,200'")
    return text


Printed = Annotated[str, AfterValidator(_printed)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
# Fields of a key that name one experimental condition. What a page leaves open is null, and fits everything.
FIELDS = (
    "role",
    "method",
    "tuning",
    "k",
    "prompt",
    "round",
    "samples",
    "learning_rate",
    "verifier",
    "filter",
    "iterations",
)


class Page(Settings):
    """One page of the sources."""

    id: Id = Field(description="Name of the page in this file.")
    file: str = Field(description="The page's address below the site.")
    kind: Literal["faq", "overview", "experiment"] = Field(
        description="`experiment`: says how a figure was measured. `overview`: repeats figures of others. `faq`: the "
        "document whose claims are reproduced."
    )
    read: Literal["whole", "part"] = Field(
        description="Whether the stored copy was read to its end. What is called `not stated` was looked for there."
    )

    @property
    def name(self) -> str:
        """The page in a sentence."""
        return self.file.removeprefix("experiments/")


class Benchmark(Settings):
    """A held-out set, as its publishers have it."""

    id: Id = Field(description="Name of the benchmark.")
    name: str = Field(description="Its name in sentences.")
    problems: int = Field(ge=1, description="Problems in the part that is evaluated.")
    splits: list[str] = Field(min_length=1, description="The parts that it has.")
    note: str = Field(default="", description="What has to be known to read `problems`.")


class Model(Settings):
    """A model of the sources."""

    role: str = Field(description="Its role here.")
    name: str = Field(description="Its name in the sources.")
    billions: float = Field(gt=0, description="Billions of parameters.")
    benchmark: Id = Field(description="The benchmark that it is scored on.")


class Key(Settings):
    """One experimental condition, as far as a page states it."""

    role: str | None = Field(default=None, description="small, medium, large or prover.")
    method: str | None = Field(default=None, description="retry, resample, rejection, cross, skeleton, none.")
    tuning: Literal["full", "lora"] | None = Field(default=None, description="How the model is trained.")
    k: int | None = Field(default=None, description="Retries allowed for a problem.")
    prompt: str | None = Field(default=None, description="The retry prompt.")
    round: int | None = Field(default=None, description="Round of the iteration.")
    samples: int | None = Field(default=None, description="Fresh samples of a problem, where there is no retry.")
    learning_rate: float | None = Field(default=None, description="Learning rate.")
    verifier: str | None = Field(default=None, description="What decides that an answer is right.")
    filter: str | None = Field(default=None, description="Which completions are trained on.")
    iterations: int | None = Field(default=None, description="Repetitions within one run.")

    def fits(self, other: Key) -> bool:
        """Whether both can be the same condition: no field is stated differently."""
        return not self.conflicts(other)

    def conflicts(self, other: Key) -> list[str]:
        """The fields that both state, and state differently."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in FIELDS)
        return [name for name, mine, theirs in pairs if None not in (mine, theirs) and mine != theirs]

    def stated(self) -> dict[str, Any]:
        """The fields that the page states."""
        return {name: getattr(self, name) for name in FIELDS if getattr(self, name) is not None}


class Entry(Settings):
    """What stands somewhere on a page."""

    id: Id = Field(description="Name of the entry.")
    page: Id = Field(description="The page.")
    at: str = Field(description="Where on the page.")
    claims: list[str] = Field(default=[], description="Claims of claims.yaml that rest on it.")


class Row(Entry):
    """One line of results: a run, or a mean over runs, with the numbers that the page prints for it."""

    of: Key = Field(description="The condition, as far as the page states it.")
    seed: int | None = Field(default=None, description="The run's seed; null for means and where it is not stated.")
    mean_of: list[Id] = Field(default=[], description="The rows that this one is the mean of, where they are printed.")
    runs: int | None = Field(default=None, ge=1, description="Runs behind the row where the page says how many.")
    base: Printed | None = Field(default=None, description="Accuracy of the untrained model, percent.")
    after: Printed | None = Field(default=None, description="Accuracy after training, percent.")
    gain: Printed | None = Field(default=None, description="Difference, percentage points.")
    against: Literal["base", "round before"] = Field(default="base", description="What the gain is counted from.")
    cumulative: list[Id] = Field(default=[], description="Rows whose gains add up to this one's.")
    plus_minus: Printed | None = Field(default=None, description="The number after ±.")
    plus_minus_is: str | None = Field(default=None, description="What the page says that number is; null: nothing.")

    @model_validator(mode="after")
    def _something(self) -> Row:
        if self.base is None and self.after is None and self.gain is None:
            raise ValueError(f"row {self.id!r} prints nothing: give base, after or gain")
        if self.plus_minus_is is not None and self.plus_minus is None:
            raise ValueError(f"row {self.id!r} says what ± is, but has no plus_minus")
        return self


class Count(Entry):
    """Two numbers of one page that belong together: a share and how many that is."""

    of: Key = Field(description="The condition.")
    retry_success: Printed | None = Field(default=None, description="Retries that succeed, percent (approximate).")
    correct_retries: Printed | None = Field(default=None, description="Successful retries (approximate).")


class Other(Entry):
    """A printed number that is neither an accuracy nor a gain."""

    of: Key = Field(description="The condition.")
    what: str = Field(description="What it measures, as the page calls it.")
    value: Printed = Field(description="The number.")


class Ratio(Entry):
    """A published multiple of one gain by another."""

    times: Printed = Field(description="The multiple as printed.")
    numerator: Id | None = Field(default=None, description="Row that the page itself puts on top; null: none is named.")
    denominator: Id | None = Field(default=None, description="Row that the page itself puts below.")


class Statement(Entry):
    """A sentence of the sources that the audit checks, in our own words.

    `overlap`: the intervals of all `rows` meet. `cause`: what differs between the two conditions of `rows` is
    `factor` alone. `signal`: what helps is that the retry prompt says the answer was wrong. `disjoint`: no training
    problem is a held-out one. `unquantified`: an effect of the condition `of` is claimed, of which a page should have a
    figure. `smaller`: of two `rows` of `others` the first is the smaller. `denial`: the opposite of statement `denies`.
    """

    kind: Literal["overlap", "cause", "signal", "disjoint", "unquantified", "smaller", "denial"] = Field(
        description="Which check it gets."
    )
    says: str = Field(description="The statement in our own words.")
    rows: list[Id] = Field(default=[], description="Rows that it is about.")
    factor: list[str] = Field(default=[], description="cause: fields or settings that are meant to differ.")
    of: Key | None = Field(default=None, description="unquantified: the condition.")
    denies: Id | None = Field(default=None, description="denial: the statement that it contradicts.")


# How many rows statements of these kinds are about.
_ROWS = {"overlap": range(2, 99), "cause": (2,), "signal": range(1, 99), "smaller": (2,)}

Value = bool | int | float | str


class Scope(Settings):
    """The conditions that a stated setting is for; null is all of them."""

    role: list[str] | None = Field(default=None, description="Roles.")
    method: list[str] | None = Field(default=None, description="Methods.")
    tuning: list[str] | None = Field(default=None, description="`full`, `lora`.")
    prompt: list[str] | None = Field(default=None, description="Retry prompts.")
    k: list[int] | None = Field(default=None, description="Retries allowed.")
    round: list[int] | None = Field(default=None, description="Rounds.")

    def covers(self, key: Key) -> bool:
        """Whether a condition is surely among these."""
        limits = {name: getattr(self, name) for name in Scope.model_fields}
        return all(getattr(key, name) in allowed for name, allowed in limits.items() if allowed is not None)


class Stated(Settings):
    """One value of a setting, where a page states it."""

    value: Value = Field(description="The value.")
    page: Id = Field(description="The page.")
    at: str = Field(description="Where on the page.")
    scope: Scope = Field(default=Scope(), description="What it is stated for.")


class Protocol(Settings):
    """One setting: what the pages state of it. No entry: not stated."""

    setting: str = Field(pattern=r"^[a-z][a-z_]*$", description="The setting, as `cell_settings` calls it.")
    label: str = Field(description="The setting in words.")
    compare: Literal["number", "text", "contains"] = Field(
        default="text",
        description="How a run's value is compared: as numbers, as text (case, spaces and final full stops aside), or "
        "whether the run's value contains every word of the published one.",
    )
    scope: Scope = Field(default=Scope(), description="The conditions that have this setting at all.")
    stated: list[Stated] = Field(default=[], description="The values.")


class Published(Settings):
    """The whole of report/published.yaml."""

    name: str = Field(description="What the sources are called.")
    site: str = Field(description="Where they are.")
    pages: list[Page] = Field(min_length=1, description="The pages that were read.")
    benchmarks: list[Benchmark] = Field(default=[], description="The held-out sets.")
    models: list[Model] = Field(default=[], description="The models.")
    rows: list[Row] = Field(default=[], description="Published results.")
    counts: list[Count] = Field(default=[], description="Published shares and counts of retries.")
    others: list[Other] = Field(default=[], description="Published numbers of other kinds.")
    ratios: list[Ratio] = Field(default=[], description="Published multiples.")
    statements: list[Statement] = Field(default=[], description="Sentences that are checked.")
    protocol: list[Protocol] = Field(default=[], description="Published settings.")

    @model_validator(mode="after")
    def _consistent(self) -> Published:
        entries = self.entries
        groups = {
            "pages": [page.id for page in self.pages],
            "benchmarks": [benchmark.id for benchmark in self.benchmarks],
            "models": [model.role for model in self.models],
            "rows, counts, others, ratios and statements": [entry.id for entry in entries],
            "protocol": [setting.setting for setting in self.protocol],
        }
        for group, names in groups.items():
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"defined twice in {group}: {', '.join(twice)}")
        pages, rows = groups["pages"], [row.id for row in self.rows]
        for entry in entries:
            _known(f"{entry.id!r} stands on page", entry.page, pages, "pages")
        for setting in self.protocol:
            for stated in setting.stated:
                _known(f"setting {setting.setting!r} is stated on page", stated.page, pages, "pages")
        for model in self.models:
            _known(f"model {model.role!r} is scored on", model.benchmark, groups["benchmarks"], "benchmarks")
        for row in self.rows:
            for name in (*row.mean_of, *row.cumulative):
                _known(f"row {row.id!r} refers to row", name, rows, "rows")
        for ratio in self.ratios:
            for name in filter(None, (ratio.numerator, ratio.denominator)):
                _known(f"ratio {ratio.id!r} refers to row", name, rows, "rows")
        others, statements = [other.id for other in self.others], [statement.id for statement in self.statements]
        for statement in self.statements:
            known, where = (others, "others") if statement.kind == "smaller" else (rows, "rows")
            for name in statement.rows:
                _known(f"statement {statement.id!r} refers to row", name, known, where)
            if statement.kind == "denial" or statement.denies is not None:
                _known(f"statement {statement.id!r} denies", statement.denies or "", statements, "statements")
            if statement.kind in _ROWS and len(statement.rows) not in _ROWS[statement.kind]:
                raise ValueError(f"statement {statement.id!r} of kind {statement.kind} has {len(statement.rows)} rows")
        return self

    @property
    def entries(self) -> list[Entry]:
        """Rows, counts, other numbers, ratios and statements."""
        return [*self.rows, *self.counts, *self.others, *self.ratios, *self.statements]

    def page(self, name: str) -> Page:
        """The page called `name`."""
        return next(page for page in self.pages if page.id == name)

    def row(self, name: str) -> Row:
        """The row called `name`."""
        return next(row for row in self.rows if row.id == name)

    def benchmark(self, role: str | None) -> Benchmark | None:
        """The benchmark that models of `role` are scored on; None where the file does not say."""
        name = next((model.benchmark for model in self.models if model.role == role), None)
        return next((benchmark for benchmark in self.benchmarks if benchmark.id == name), None)


def _known(what: str, name: str, choices: list[str], where: str) -> None:
    if name not in choices:
        raise ValueError(f"{what} {name!r}, which is not among the {where}.{nearest(name, choices)}")


def decimals(text: str) -> int:
    """How many decimals a printed number has."""
    return len(text.partition(".")[2])


def exact(text: str) -> Decimal:
    """A printed number, exactly."""
    return Decimal(text.replace(",", ""))
