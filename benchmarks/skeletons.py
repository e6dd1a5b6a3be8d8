"""What sub-goals do to the prover of a finished run: to the teacher that sees them, and to the students.

    python benchmarks/skeletons.py results/mini

The first table samples the untrained prover on the held-out theorems with the sub-goals of their known proofs in its
prompt, and without, as `piretry evaluate` does: a student cannot be taught more than its teacher knows. The second
reads the evaluations of every cell of the prover: verdicts, and how its proofs are written. Needs the Lean kernel that
the run used; one thread, some minutes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from piretry.completions import CompletionRow, read_completions
from piretry.data.schema import read_problems
from piretry.dialogue import opening
from piretry.engines.base import Request, SamplingParams, load_engine, request_seed
from piretry.grid import paths
from piretry.grid.names import State
from piretry.grid.project import load_project
from piretry.grid.tasks import BUILDERS
from piretry.lean_prompts import LeanPrompts, skeleton_opening, skeletons
from piretry.sampling import load_verifier
from piretry.verifiers import GradeRequest


def teacher(root: Path, state: State, samples: int, settings: dict[str, Any]) -> None:
    """Print the accuracy of `state` with and without the sub-goals, on the theorems that have some."""
    problems = read_problems(root / "data/theorems-eval.parquet")
    known = skeletons(problems)
    asked = [problem for problem in problems if problem.problem_id in known]
    prompts = LeanPrompts(settings["prompts"], settings["error_characters"])
    engine = load_engine(settings["engine"], root / paths.model(state), settings["chat"]["template_options"])
    told = f"{state.name}: {len(asked)} of {len(problems)} held-out theorems have sub-goals;"
    golds = {f"{problem.problem_id}/{n}": problem.gold for problem in asked for n in range(samples)}
    with load_verifier(settings["verifier"]) as verifier:
        for name in ("without", "with"):
            requests = [
                Request(
                    f"{problem.problem_id}/{n}",
                    skeleton_opening(settings["chat"], problem.problem, prompts, known[problem.problem_id])
                    if name == "with"
                    else opening(settings["chat"], problem.problem),
                    request_seed(state.name, 0, "sub-goals", problem.problem_id, 0, n),
                )
                for problem in asked
                for n in range(samples)
            ]
            batches = engine.generate(requests, SamplingParams(**settings["sampling"]))
            done = [completion for batch in batches for completion in batch]
            grades = verifier.grade([GradeRequest(c.key, golds[c.key], c.text, c.finish_reason) for c in done])
            right = mean(grade.verdict == "correct" for grade in grades)
            print(f"{told} {name} them {right:.1%} of {len(done)} samples are proofs; {style([c.text for c in done])}")


def style(proofs: Sequence[str]) -> str:
    """How proofs are written: the share with `have`, and statements of facts on the way a proof."""
    return (
        f"{mean('have ' in proof for proof in proofs):.0%} with `have`, {mean(map(facts, proofs)):.2f} of them a proof"
    )


def facts(proof: str) -> int:
    """How many facts a proof states on its way."""
    return proof.count("have ")


def cells(root: Path) -> None:
    """Print, for every evaluation of the prover, the verdicts and the style of its sampled proofs."""
    tables: dict[str, list[CompletionRow]] = {}
    for path in sorted((root / "prover").rglob("eval.parquet")):
        series = str(path.parent.parent.relative_to(root))
        tables.setdefault(series, []).extend(row for row in read_completions(path) if row.decoding == "sampled")
    for series, rows in tables.items():
        verdicts = Counter(row.verdict for row in rows)
        told = ", ".join(f"{verdict} {count / len(rows):.1%}" for verdict, count in verdicts.most_common())
        tokens = mean(row.completion_tokens for row in rows)
        print(f"{series}: {told}; {style([row.completion for row in rows])}, {tokens:.0f} tokens a proof")
        for wanted in (True, False):
            part = [row for row in rows if ("have " in row.completion) == wanted]
            if part:
                right = mean(row.correct for row in part)
                print(f"    {'with' if wanted else 'without'} `have`: {right:.1%} of {len(part)} are proofs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of a scale whose prover's cells are made")
    parser.add_argument("--home", type=Path, default=Path(), help="folder with config.yaml (default: here)")
    parser.add_argument("--samples", type=int, default=4, help="samples of a theorem (default: 4)")
    parser.add_argument("--seeds", type=int, default=1, help="base states to look at (default: 1)")
    options = parser.parse_args()
    project = load_project(options.home, {"scale": options.results.name})
    cells(options.results)
    for path in sorted((options.results / "prover/base").glob("s*"))[: options.seeds]:
        state = State.parse(str(path.relative_to(options.results)))
        settings = BUILDERS["skeleton"](project, state.name).settings
        teacher(options.results, state, options.samples, settings)


if __name__ == "__main__":
    main()
