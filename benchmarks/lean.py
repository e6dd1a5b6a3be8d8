"""The Lean verifier on the library-less kernel: how fast, how safe, and how far a heuristic is from it.

    python benchmarks/lean.py throughput --number 400 --workers 2
    python benchmarks/lean.py table
    python benchmarks/lean.py fuzz --number 10000 --seed 1 --workers 2
    python benchmarks/lean.py hang --timeout-s 5
    python benchmarks/lean.py minif2f --data ../shared/data/minif2f_lean4.jsonl

All need the kernel (make lean), but for `minif2f`, which checks text alone.

`throughput` checks the same right and mutated proofs with one process for each proof, one after another and in the
pool, and with many proofs in a process; small proofs one at a time are dominated by the start of Lean. `table` prints
the labelled cases by kind. `fuzz` grades mutated proofs, confirms every acceptance by a process of its own that shares
no code with the verifier, checks a sample of the refusals the same way, and prints the disagreement table of the
heuristic verifier. `hang` puts a proof whose check never ends among others.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from piretry.verifiers import GradeRequest, Verdict
from piretry.verifiers.heuristic import disagreement
from piretry.verifiers.lean import LeanVerifier, kernel_toolchain, parse_statement
from piretry.verifiers.lean.cases import endless_term, load_cases
from piretry.verifiers.lean.sheet import Entry, sheet
from piretry.verifiers.lean.verifier import compile_library

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "verifiers" / "lean"))
from lean_inputs import confirm, mutated, theorem


def requests_of(pairs: list[tuple[str, str]]) -> list[GradeRequest]:
    return [GradeRequest(str(number), gold, proof) for number, (gold, proof) in enumerate(pairs)]


def throughput(options: argparse.Namespace) -> None:
    """Print checks per second and memory for each way of checking the same proofs."""
    pairs = [theorem(options.seed + number) for number in range(options.number // 2)]
    pairs += mutated(options.number - len(pairs), options.seed)
    few = pairs[:: max(1, len(pairs) // options.single)]
    print(f"{len(pairs)} proofs, {len(few)} of them one at a time; load {os.getloadavg()[0]:.1f}")
    base = None
    verdicts: dict[str, Verdict] = {}
    ways = [("one process a proof, 1 worker", few, 1, 1), (f"one process a proof, {options.workers} workers", few, 1,
            options.workers), ("100 a process, 1 worker", pairs, 100, 1),
            (f"100 a process, {options.workers} workers", pairs, 100, options.workers)]  # fmt: skip
    for name, chosen, batch, workers in ways:
        with LeanVerifier(kernel_toolchain(), workers=workers, batch=batch, timeout_s=30) as verifier:
            verifier.statements_elaborate([gold for gold, _ in chosen])  # the same for all: not timed
            started = verifier.pool.started
            start = time.perf_counter()
            grades = verifier.grade(requests_of(chosen))
            seconds = time.perf_counter() - start
            rate = len(chosen) / seconds
            base = base or rate
            print(
                f"{name:34s} {seconds:7.2f} s  {rate:7.1f} checks/s  {rate / base:6.1f}x  "
                f"{verifier.pool.started - started} processes  {verifier.pool.peak_mb:.0f} MB"
            )
        for (gold, proof), grade in zip(chosen, grades, strict=True):
            if verdicts.setdefault(gold + proof, grade.verdict) != grade.verdict:
                print(f"  DIFFERS: {verdicts[gold + proof]} and {grade.verdict} on {proof!r}")


def table(options: argparse.Namespace) -> None:
    """Print the verdicts on the labelled cases by kind, and every difference from the labels."""
    cases = load_cases()
    counts: dict[str, Counter[str]] = {}
    false_accepts = differences = 0
    for proofs in ("term", "file"):
        chosen = [case for case in cases if case.proofs == proofs]
        with LeanVerifier(kernel_toolchain(), proofs, workers=options.workers, timeout_s=options.timeout_s) as verifier:
            grades = verifier.grade([case.request for case in chosen])
        for case, grade in zip(chosen, grades, strict=True):
            counts.setdefault(case.kind, Counter())[grade.verdict] += 1
            false_accepts += grade.verdict is Verdict.correct and case.label is not Verdict.correct
            if grade.verdict is not case.label:
                differences += 1
                print(f"DIFFERS: {case.request.id}: label {case.label}, verdict {grade.verdict}: {grade.message}")
    for kind, verdicts in counts.items():
        print(f"{kind:24s} " + ", ".join(f"{verdict} {number}" for verdict, number in verdicts.most_common()))
    print(f"{len(cases)} cases, {false_accepts} false acceptances, {differences} other than their label")


def fuzz(options: argparse.Namespace) -> None:
    """Grade mutated proofs in batches; confirm acceptances, and a share of the refusals, one at a time."""
    pairs = mutated(options.number, options.seed)
    toolchain = kernel_toolchain()
    counts: Counter[str] = Counter()
    opinions: list[tuple[Verdict, Verdict]] = []
    confirmed = refuted = checked = mended = 0
    start = time.perf_counter()
    scratch = tempfile.TemporaryDirectory()
    library = Path(scratch.name)
    compile_library(toolchain, library)
    with scratch, LeanVerifier(toolchain, workers=options.workers, timeout_s=options.timeout_s) as verifier:
        for first in range(0, len(pairs), 500):
            part = pairs[first : first + 500]
            grades = verifier.grade(requests_of(part))
            for (gold, proof), grade in zip(part, grades, strict=True):
                counts[grade.verdict] += 1
                opinions.append((grade.second_opinion, grade.verdict))
                if grade.verdict is Verdict.correct:
                    ok = confirm(toolchain, library, gold, proof)
                    confirmed += ok
                    refuted += not ok
                    if not ok:
                        print(f"NOT CONFIRMED: {gold} := {proof!r}")
                elif grade.verdict is Verdict.wrong and len(opinions) % options.every == 0:
                    checked += 1
                    if confirm(toolchain, library, gold, proof):
                        mended += 1
                        print(f"REFUSED, BUT LEAN ALONE ACCEPTS: {gold} := {proof!r}: {grade.message}")
            print(f"{len(opinions)} graded, {confirmed} confirmed, {time.perf_counter() - start:.0f} s", flush=True)
        print(f"processes {verifier.pool.started}, peak {verifier.pool.peak_mb:.0f} MB; {verifier.version}")
    print(f"{len(pairs)} mutated proofs: {dict(counts)}")
    print(f"{confirmed} acceptances confirmed by a single check, {refuted} refuted")
    print(f"{checked} refusals checked alone, {mended} of them accepted there")
    found = disagreement(opinions)
    print(
        f"heuristic: both accept {found.both}, heuristic only {found.heuristic_only}, checker only "
        f"{found.checker_only}, neither {found.neither}, undecided {found.undecided}"
    )
    rates = (found.false_accept_rate, found.false_reject_rate, found.precision, found.kappa)
    print("false accept rate, false reject rate, precision, kappa: " + ", ".join(f"{value:.3f}" for value in rates))
    for row in found.rows():
        print(f"  heuristic {row['heuristic']:18s} checker {row['checker']:18s} {row['proofs']}")


def hang(options: argparse.Namespace) -> None:
    """Check a proof that never ends among right ones; print when which verdict was there and what is left."""
    pairs = [theorem(number) for number in range(options.number)]
    endless = ("theorem t (p : Prop) (h : p) : p", endless_term())
    pairs.insert(len(pairs) // 2, endless)
    with LeanVerifier(kernel_toolchain(), workers=options.workers, timeout_s=options.timeout_s) as verifier:
        verifier.statements_elaborate([gold for gold, _ in pairs])
        for name, chosen in (("without it", [pair for pair in pairs if pair != endless]), ("with it", pairs)):
            verifier._known = {key: value for key, value in verifier._known.items() if not key[1]}
            start = time.perf_counter()
            grades = verifier.grade(requests_of(chosen))
            counts = Counter(str(grade.verdict) for grade in grades)
            print(f"{name}: {time.perf_counter() - start:.2f} s, {dict(counts)}")
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    print(f"limit {options.timeout_s} s; processes left: {len(children)}")


def minif2f(options: argparse.Namespace) -> None:
    """Make a check file of every statement; print how many hold their statement unchanged."""
    rows = [json.loads(line) for line in options.data.read_text(encoding="utf-8").splitlines()]
    whole = 0
    for row in rows:
        gold = row["header"] + row["formal_statement"]
        statement = parse_statement(gold)
        if statement is None:
            print(f"{row['name']}: not read")
            continue
        text = sheet([Entry(statement.header, statement.signature, "by\n  sorry")]).text
        kept = statement.signature in text and statement.header in text and statement.name == row["name"]
        original = row["formal_statement"].partition(row["name"])[2].rpartition(":=")[0].rstrip()
        whole += kept and original == statement.signature
    print(f"{whole} of {len(rows)} statements survive into a check file, character by character")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for name, verb in (("throughput", throughput), ("table", table), ("fuzz", fuzz), ("hang", hang)):
        added = verbs.add_parser(name)
        added.set_defaults(run=verb)
        added.add_argument("--number", type=int, default=10_000 if verb is fuzz else 400)
        added.add_argument("--seed", type=int, default=1)
        added.add_argument("--workers", type=int, default=2)
        added.add_argument("--timeout-s", type=float, default=30.0 if verb is fuzz else 5.0)
        added.add_argument("--single", type=int, default=40, help="proofs that are checked one at a time, too")
        added.add_argument("--every", type=int, default=20, help="every so many of the refusals are checked alone")
    added = verbs.add_parser("minif2f")
    added.set_defaults(run=minif2f)
    added.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
