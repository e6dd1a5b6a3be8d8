"""What a scale file says of its problems: the datasets, the draw for training, and what counts as overlap.

Nothing of this is fixed by the published sources but the names and sizes (10,000 problems of NuminaMath-CoT
for training, MATH-500 for evaluation): revisions, the draw and every rule of overlap are stated in the scale
file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from piretry.settings.model import Settings

Kind = Literal["exact", "normalised", "renumbered", "ngram", "near_duplicate", "reworded"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1)]


class FieldMapping(Settings):
    """Which fields of a dataset hold what, for `format: fields`."""

    problem: Name = Field(description="Field with the problem.")
    gold: Name | None = Field(
        description="Field with the final answer; null where it is the last boxed expression of the solution."
    )
    solution: Name | None = Field(description="Field with the worked solution; null where there is none.")
    problem_id: Name | None = Field(description="Field with a unique id; null makes ids from the content.")
    source: Name | None = Field(description="Field with the problem's origin; null writes the dataset's name.")

    @model_validator(mode="after")
    def _gold_somewhere(self) -> FieldMapping:
        if self.gold is None and self.solution is None:
            raise ValueError("gold and solution are both null: one of them must name the field that holds the answer")
        return self


class _Dataset(Settings):
    """What every dataset has, wherever it lies."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="The dataset's name in records and in ids made for it.",
    )
    format: Literal["numina-cot", "math-500", "minif2f", "numina-lean", "fields"] = Field(
        description="How rows become problems: NuminaMath-CoT's columns, MATH-500's columns, or those "
        "named in `fields`; for theorems miniF2F's columns (Lean 4), NuminaMath-LEAN's columns, or `fields`."
    )
    split: Name = Field(
        description="Name of the split, kept with every problem. A miniF2F file has all splits: the rows of this one "
        "are taken."
    )
    rows: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Rows that the dataset must have, a check against incomplete files; null for any number.",
    )
    fields: FieldMapping | None = Field(
        default=None, description="The names of the fields; with `format: fields` only."
    )

    @model_validator(mode="after")
    def _fields_with_their_format(self) -> _Dataset:
        if (self.format == "fields") != (self.fields is not None):
            raise ValueError(
                f"format is {self.format!r}, which {'needs' if self.format == 'fields' else 'takes no'} key `fields`"
            )
        return self


class HubDataset(_Dataset):
    """A dataset of the Hugging Face hub at a pinned commit."""

    kind: Literal["hub"] = Field(description="`hub`: fetched once into the results folder, on the submit host.")
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="Id of the dataset, e.g. AI-MO/NuminaMath-CoT.")
    revision: str = Field(
        description="Commit of the dataset, 40 hexadecimal digits. A branch such as `main` is refused: it moves."
    )
    files: tuple[Name, ...] = Field(
        min_length=1,
        description="Files of the split, as patterns inside the repository, e.g. data/train-*.parquet.",
    )

    @model_validator(mode="after")
    def _commit(self) -> HubDataset:
        if len(self.revision) != 40 or not set(self.revision) <= set("0123456789abcdef"):
            raise ValueError(
                f"revision is {self.revision!r}, but must be a commit of 40 hexadecimal digits: branches, "
                "tags and short commits can come to mean other data. The dataset's history on the hub "
                "lists the commits"
            )
        return self

    @property
    def label(self) -> str:
        """The dataset in a message."""
        return f"dataset {self.name} (hub)"


class FileDataset(_Dataset):
    """A dataset in one local file."""

    kind: Literal["file"] = Field(description="`file`: a .jsonl, .json (one list) or .parquet file.")
    path: Name = Field(description="The file; a relative path starts from where the workflow is run.")
    sha256: Sha256 | None = Field(
        default=None, description="Expected sha256 of the file; null accepts any. The found one is recorded."
    )

    @property
    def label(self) -> str:
        """The dataset in a message."""
        return f"dataset {self.name} ({self.path})"


class SubsetSettings(Settings):
    """The draw of the training problems from those that are left after overlap is removed."""

    problems: int = Field(ge=1, description="How many problems are drawn (10,000 in the sources).")
    seed: int = Field(ge=0, description="Seed of the draw. How the sources drew theirs is not stated.")


class NgramSettings(Settings):
    """Overlap by word n-grams: enough of the held-out problem's n-grams stand in the training problem."""

    size: int = Field(ge=2, description="Words of an n-gram; 13 is usual.")
    short_size: int = Field(ge=2, description="Words of an n-gram for short held-out problems; 8 is usual.")
    short_below: int = Field(ge=1, description="A held-out problem with fewer words than this is short.")
    min_share: float = Field(
        gt=0,
        le=1,
        description="Share of the held-out problem's n-grams that the training problem must contain. One "
        "shared n-gram is most often a stock phrase (`Enter your answer in the form ...`).",
    )
    stock_after: int = Field(
        ge=1,
        description="An n-gram found in more training problems than this, besides copies of the held-out "
        "problem, is a stock phrase and does not count.",
    )

    @model_validator(mode="after")
    def _sizes(self) -> NgramSettings:
        if self.short_size > self.size:
            raise ValueError(f"short_size {self.short_size} is larger than size {self.size}")
        return self


class NearDuplicateSettings(Settings):
    """Near duplicates: MinHash proposes pairs, and their exact Jaccard similarity decides."""

    shingle: int = Field(ge=1, description="Tokens (words, numbers, operators) of a shingle; 3 suits short problems.")
    threshold: float = Field(gt=0, le=1, description="Jaccard similarity of the shingle sets from which a pair counts.")
    bands: int = Field(ge=1, description="Bands of the MinHash index.")
    band_size: int = Field(
        ge=1,
        description="Hash values of a band. A pair of similarity s is proposed with probability "
        "1 - (1 - s^band_size)^bands.",
    )
    seed: int = Field(ge=1, description="Seed of the hash functions.")


class RewordedSettings(Settings):
    """Rewordings: the same answer, the same numbers or nearly, and alike in the words that are rare."""

    min_number_similarity: float = Field(
        ge=0,
        le=1,
        description="Jaccard similarity of the sets of numbers in both problems (1 where both have none).",
    )
    min_similarity: float = Field(
        gt=0,
        le=1,
        description="Jaccard similarity of tokens and pairs of neighbouring tokens, each weighted by its "
        "rarity among the held-out problems.",
    )


class OverlapSettings(Settings):
    """Which training problems count as held-out ones, and which kinds of match are removed."""

    kinds: tuple[Kind, ...] = Field(
        description="Kinds that are looked for. Problems made from one template match each other by all "
        "kinds but exact and normalised: name only these two for them."
    )
    remove: tuple[Kind, ...] = Field(
        description="Kinds whose training problems are removed; the others are counted only."
    )
    ngram: NgramSettings | None = Field(description="Rules of kind ngram; null when it is not looked for.")
    near_duplicate: NearDuplicateSettings | None = Field(
        description="Rules of kind near_duplicate; null when it is not looked for."
    )
    reworded: RewordedSettings | None = Field(description="Rules of kind reworded; null when it is not looked for.")
    max_pairs: int = Field(
        ge=1,
        description="Pairs of one kind at which the search gives up, because the rules do not suit the problems.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> OverlapSettings:
        for key, kinds in (("kinds", self.kinds), ("remove", self.remove)):
            if len(set(kinds)) != len(kinds):
                raise ValueError(f"{key} names a kind twice: {', '.join(kinds)}")
        unsought = [kind for kind in self.remove if kind not in self.kinds]
        if unsought:
            raise ValueError(f"remove names {', '.join(unsought)}, which kinds does not: it would never be found")
        for kind in ("ngram", "near_duplicate", "reworded"):
            if (kind in self.kinds) != (getattr(self, kind) is not None):
                need = "needs its rules" if kind in self.kinds else "must be null, because kinds does not name it"
                raise ValueError(f"{kind} {need}")
        return self
