"""overlap: matches between the pool and the held-out problems, and the training set drawn from what is left.

Also counted: what a draw of the same seed from the whole pool would have contained, because that is what a claim of
zero overlap is about. Run alone: ``piretry overlap``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from piretry.data.overlap import OverlapReport, find_overlap, remove_overlap
from piretry.data.overlap.pairs import PAIR_SCHEMA
from piretry.data.schema import fingerprint, iter_problems, read_problems, write_problems, write_table
from piretry.data.subset import Subset, draw_subset, take
from piretry.sampling import load_math_verifier
from piretry.settings.data import OverlapSettings, SubsetSettings

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the training set, the matched pairs and the summary with counts by kind."""
    settings = OverlapSettings.model_validate(job.settings["overlap"])
    subset = SubsetSettings.model_validate(job.settings["subset"])
    pool, evaluation = job.input("pool"), read_problems(job.input("eval"))
    report = find_overlap(iter_problems(pool), evaluation, settings)
    with load_math_verifier(job.settings["verifier"]) as verifier:
        whole = draw_subset(iter_problems(pool), subset.problems, subset.seed, verifier.gold_parses)
        clean = draw_subset(
            remove_overlap(iter_problems(pool), report, settings.remove),
            subset.problems,
            subset.seed,
            verifier.gold_parses,
        )
    train = take(iter_problems(pool), clean)
    write_problems(job.output("train"), train)
    write_table(job.output("pairs"), PAIR_SCHEMA, report.pairs)
    summary = {
        **report.summary(),
        "as_drawn": _matched(report, whole),
        "trained_on": {**_matched(report, clean), "fingerprint": fingerprint(train)},
        "draw": {
            **subset.plain(),
            "pool_after_removal": clean.pool,
            "duplicates": clean.duplicates,
            "conflicting_golds": clean.conflicting,
            "golds_examined": clean.examined,
            "golds_unparseable": clean.gold_unparseable,
        },
    }
    job.output("summary").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    job.count(train_problems=len(train), removed=len(report.train_ids(settings.remove)))
    job.note(datasets={"train": {"id": "training set", "revision": None, "fingerprint": fingerprint(train)}})


def _matched(report: OverlapReport, drawn: Subset) -> dict[str, object]:
    """Size of a draw and how many of its problems match a held-out one, by kind and by any kind."""
    ids = set(drawn.problem_ids)
    by_kind = {kind: sorted(report.train_ids([kind]) & ids) for kind in report.settings.kinds}
    return {
        "problems": len(ids),
        "matched": {kind: len(found) for kind, found in by_kind.items()},
        "matched_ids": by_kind,
    }
