"""`piretry regrade`: grade a state's stored completions again, answers and proofs alike, without a model.

The verifier is the one that the table's record names, in the version installed now. The table is replaced through a
publication of its own, so that its record says that it was regraded, and a rerun of the workflow rebuilds what depends
on it. Retries are not sampled anew: a retry whose verdict turns from correct to wrong ends its problem's chain where it
was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from piretry.completions import read_completions, write_completions
from piretry.data.schema import read_problems
from piretry.errors import PiretryError
from piretry.provenance.model import Record
from piretry.provenance.record import Publication, read_record, record_path
from piretry.sampling import load_verifier
from piretry.verifiers.base import GradeRequest


def regrade_tables(root: Path, files: Sequence[Path], problems: Path) -> str:
    """Grade the completions in `files` (under the results folder `root`) against `problems`; a line for each file."""
    golds = {problem.problem_id: problem.gold for problem in read_problems(problems)}
    return "\n".join(_regrade(root, path, problems, golds) for path in files)


def _regrade(root: Path, path: Path, problems: Path, golds: dict[str, str]) -> str:
    rows = read_completions(path)
    unknown = sorted({row.problem_id for row in rows} - set(golds))
    if unknown:
        raise PiretryError(
            f"{path} has completions of {len(unknown)} problems that {problems} lacks ({unknown[0]} is the first): "
            "give data/train.parquet for attempts and retries (of a prover data/theorems.parquet), data/eval.parquet "
            "for evaluations (of a prover data/theorems-eval.parquet)."
        )
    record = read_record(record_path(path))
    with load_verifier(_verifier_settings(root, path, record)) as verifier:
        grades = verifier.grade(
            [GradeRequest(str(n), golds[r.problem_id], r.completion, r.finish_reason) for n, r in enumerate(rows)]
        )
    regraded = [
        replace(
            row,
            answer=graded.answer,
            verdict=str(graded.verdict),
            second_opinion=str(graded.second_opinion),
            verifier=graded.verifier,
            message=graded.message,
        )
        for row, graded in zip(rows, grades, strict=True)
    ]
    changes = Counter(
        f"{old.verdict} -> {new.verdict}" for old, new in zip(rows, regraded, strict=True) if old.verdict != new.verdict
    )
    # What the completions were sampled from stays among the inputs, so that the way down to the model is not cut.
    sources = {entry.role: root / entry.path for entry in record.inputs if entry.inside}
    with Publication(
        root=root,
        stage="regrade",
        target=str(path.relative_to(root)),
        inputs={**{role: source for role, source in sources.items() if source.exists()}, "problems": problems},
        outputs={"completions": path},
        modules=("piretry.regrade",),
        settings=record.settings,
        facts={"verdicts_changed": dict(changes)},
    ) as publication:
        write_completions(publication.temporary("completions"), regraded)
    told = ", ".join(f"{change}: {count}" for change, count in sorted(changes.items())) or "no verdict changed"
    return f"{path}: {len(rows)} completions, {told}"


def _verifier_settings(root: Path, path: Path, record: Record) -> dict[str, Any]:
    """The settings of the verifier that graded a table, which for a gathered one stand in its shards' records."""
    records = [record, *(read_record(record_path(root / entry.path)) for entry in record.inputs if entry.record)]
    for settings in (each.settings for each in records):
        if isinstance(verifier := settings.get("verifier"), dict):
            return verifier
    raise PiretryError(
        f"{record_path(path)} names no verifier, so the completions in {path} cannot be graded as they were: delete "
        "both and run the workflow again."
    )
