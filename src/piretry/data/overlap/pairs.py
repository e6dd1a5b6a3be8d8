"""What a search for overlap finds: pairs of training and held-out problems, counts by kind, their files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import pyarrow as pa

from piretry.data.overlap.near import detection
from piretry.data.schema import Problem, table_rows, whole_file, write_table
from piretry.errors import PiretryError, nearest
from piretry.settings.data import Kind, OverlapSettings

KINDS: tuple[Kind, ...] = get_args(Kind)  # from the strictest to the loosest
PAIR_SCHEMA = pa.schema(
    [
        pa.field("train_id", pa.string(), nullable=False),
        pa.field("eval_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("train_problem", pa.string(), nullable=False),
        pa.field("eval_problem", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class OverlapPair:
    """A training problem that matches a held-out one; the fields are the columns of PAIR_SCHEMA.

    `score` is in (0, 1]: the share of the held-out problem's n-grams for ngram, the Jaccard similarity for
    near_duplicate, the weighted one for reworded, 1 for the other kinds. The texts are there to be read.
    """

    train_id: str
    eval_id: str
    kind: Kind
    score: float
    train_problem: str
    eval_problem: str


@dataclass(frozen=True)
class KindCount:
    """Matches of one kind; `only` counts training problems that no stricter kind (earlier in KINDS) has."""

    pairs: int
    train_problems: int
    eval_problems: int
    only: int


@dataclass(frozen=True)
class OverlapReport:
    """Every matched pair, each once for every kind that it matches by, strictest kind and highest score
    first.
    """

    pairs: tuple[OverlapPair, ...]
    train_problems: int
    eval_problems: int
    settings: OverlapSettings

    def counts(self, removed: Iterable[Kind] = ()) -> dict[Kind, KindCount]:
        """Matches by kind, for every kind that was looked for, once the training problems of `removed` are
        gone.
        """
        gone = self.train_ids(removed)
        left = [pair for pair in self.pairs if pair.train_id not in gone]
        seen: set[str] = set()
        found: dict[Kind, KindCount] = {}
        for kind in (kind for kind in KINDS if kind in self.settings.kinds):
            pairs = [pair for pair in left if pair.kind == kind]
            train = {pair.train_id for pair in pairs}
            found[kind] = KindCount(len(pairs), len(train), len({pair.eval_id for pair in pairs}), len(train - seen))
            seen |= train
        return found

    def train_ids(self, kinds: Iterable[Kind]) -> set[str]:
        """Ids of the training problems that match by any of `kinds`."""
        wanted = _sought(kinds, self.settings)
        return {pair.train_id for pair in self.pairs if pair.kind in wanted}

    def summary(self, examples: int = 5) -> dict[str, object]:
        """The report as JSON-ready values: sizes, rules, counts before and after removal, and examples of
        each kind.

        Examples are spread evenly over the scores of a kind, so that its weakest matches can be judged too.
        """
        remove, near = self.settings.remove, self.settings.near_duplicate
        removed = len(self.train_ids(remove))
        return {
            "train_problems": self.train_problems,
            "eval_problems": self.eval_problems,
            "settings": self.settings.plain(),
            "minhash_detection": near
            and round(detection(near.threshold, near.bands, near.band_size), 6),  # at the threshold
            "before": {kind: asdict(count) for kind, count in self.counts().items()},
            "removed_kinds": list(remove),
            "removed_train_problems": removed,
            "train_problems_left": self.train_problems - removed,
            "after": {kind: asdict(count) for kind, count in self.counts(remove).items()},
            "examples": {
                kind: [asdict(pair) for pair in _spread([p for p in self.pairs if p.kind == kind], examples)]
                for kind in self.settings.kinds
            },
        }


def remove_overlap(train: Iterable[Problem], report: OverlapReport, kinds: Iterable[Kind]) -> Iterator[Problem]:
    """`train` without the problems that match a held-out one by any of `kinds`, in the same order.

    Raises PiretryError when a kind was not looked for: its absence from the report would say nothing.
    """
    gone = report.train_ids(kinds)
    return (problem for problem in train if problem.problem_id not in gone)


def write_report(report: OverlapReport, pairs: Path, summary: Path) -> None:
    """Write all pairs as parquet and the summary as JSON; both are byte-deterministic."""
    write_table(pairs, PAIR_SCHEMA, report.pairs)
    with whole_file(summary) as partial:
        partial.write_text(json.dumps(report.summary(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_pairs(path: Path) -> list[OverlapPair]:
    """The pairs of a file that `write_report` wrote; PiretryError where it is absent or damaged."""
    return [OverlapPair(*row) for row in table_rows(path, PAIR_SCHEMA, "table of overlapping pairs")]


def _sought(kinds: Iterable[Kind], settings: OverlapSettings) -> set[Kind]:
    wanted = set(kinds)
    for kind in sorted(wanted - set(settings.kinds)):
        raise PiretryError(
            f"Overlap of kind {kind!r} cannot be removed: it was not looked "
            f"for.{nearest(kind, settings.kinds)} Add it to overlap.kinds in the scale file."
        )
    return wanted


def _spread(pairs: Sequence[OverlapPair], number: int) -> list[OverlapPair]:
    """At most `number` of `pairs`, at equal distances, the first and the last among them."""
    if len(pairs) <= number:
        return list(pairs)
    return [pairs[round(step * (len(pairs) - 1) / (number - 1))] for step in range(number)]
