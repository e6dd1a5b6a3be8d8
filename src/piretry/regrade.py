"""`piretry regrade`: grade a state's stored completions again, without a model.

The table is replaced through a publication of its own, so that its record says that it was regraded, and a rerun of the
workflow rebuilds what depends on it. Retries are not sampled anew: a retry whose verdict turns from correct to wrong
ends its problem's chain where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from piretry.completions import read_completions, write_completions
from piretry.data.schema import read_problems
from piretry.errors import PiretryError
from piretry.grid.names import PROVER
from piretry.provenance.record import Publication
from piretry.verifiers.base import GradeRequest
from piretry.verifiers.math import MathVerifier


def regrade_tables(root: Path, files: Sequence[Path], problems: Path) -> str:
    """Grade the completions in `files` (under the results folder `root`) against `problems`; a line for each file."""
    golds = {problem.problem_id: problem.gold for problem in read_problems(problems)}
    lines = []
    if proofs := [path for path in files if path.is_relative_to(root / PROVER)]:
        raise PiretryError(
            f"{proofs[0]} holds proofs, which Lean checks and this command does not: delete the file and run the "
            "workflow again to have them checked anew."
        )
    with MathVerifier(workers=2) as verifier:
        for path in files:
            rows = read_completions(path)
            unknown = sorted({row.problem_id for row in rows} - set(golds))
            if unknown:
                raise PiretryError(
                    f"{path} has completions of {len(unknown)} problems that {problems} lacks ({unknown[0]} is the "
                    "first): give data/train.parquet for attempts and retries, data/eval.parquet for evaluations."
                )
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
                )
                for row, graded in zip(rows, grades, strict=True)
            ]
            changes = Counter(
                f"{old.verdict} -> {new.verdict}"
                for old, new in zip(rows, regraded, strict=True)
                if old.verdict != new.verdict
            )
            with Publication(
                root=root,
                stage="regrade",
                target=str(path.relative_to(root)),
                inputs={"problems": problems},
                outputs={"completions": path},
                modules=("piretry.regrade",),
                facts={"verdicts_changed": dict(changes)},
            ) as publication:
                write_completions(publication.temporary("completions"), regraded)
            told = ", ".join(f"{change}: {count}" for change, count in sorted(changes.items())) or "no verdict changed"
            lines.append(f"{path}: {len(rows)} completions, {told}")
    return "\n".join(lines)
