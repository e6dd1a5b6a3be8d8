"""How fast the grader is, and what 10,000 hostile completions do to it.

    python benchmarks/grading.py throughput --data ../shared/data/math500_test.jsonl --workers 2
    python benchmarks/grading.py throughput --distinct --data ../shared/data/math500_test.jsonl
    python benchmarks/grading.py hostile --number 10000 --seed 1 --workers 2 --timeout-s 1

`throughput` grades the same completions by plain sequential math-verify (parse and verify, one call after another, in
this process, on the answers that our extraction found) and by MathVerifier: cold, from its file cache in a new
verifier, and once more in the same one. Each is timed `--repeat` times in turn and the fastest counts, since other
programs may be running. The completions are rewritings and changes of reference answers; `--samples` of them are drawn
for each problem, with repetition, as rollouts repeat their answers, or without any (`--distinct`). They are labelled by
construction, so the errors of both graders are printed, too. Without `--data` the references are those of the tests.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from piretry.verifiers import GradeRequest, MathVerifier, Verdict
from piretry.verifiers.extract import extract_answer
from piretry.verifiers.second import second_opinion

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "verifiers"))
from grading_inputs import GOLDS, changes, rewritings
from hostile_inputs import hostile


def completions(golds: list[str], samples: int, seed: int) -> dict[GradeRequest, Verdict]:
    """Draw `samples` completions for each reference, about half of them right, with their verdicts."""
    rng = random.Random(seed)
    requests = {}
    for problem, gold in enumerate(golds):
        right = [gold] * 4 + [text for _, text in rewritings(gold, 4, seed)]
        wrong = [text for name, text in changes(gold, seed) if name == "digit"]
        wrong += [other for other in rng.choices(golds, k=3) if second_opinion(gold, other) is Verdict.wrong]
        for sample in range(samples):
            draw = rng.random()
            text = rng.choice(right) if draw < 0.5 else rng.choice(wrong or ["0"])
            box = f"Let us see. So the answer is \\boxed{{{text}}}." if draw < 0.95 else "I do not know."
            label = Verdict.correct if draw < 0.5 else Verdict.wrong if draw < 0.95 else Verdict.no_answer
            requests[GradeRequest(f"{problem}/{sample}", gold, box)] = label
    return requests


def plain(requests: list[GradeRequest]) -> list[Verdict]:
    """Grade with math-verify alone, one after another, as its README says, on the extracted answers."""
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    verdicts = []
    for request in requests:
        answer = extract_answer(request.completion, request.finish_reason)
        if answer is None:
            verdicts.append(Verdict.no_answer)
            continue
        equal = verify(parse(f"${request.gold}$"), parse(f"${answer}$"))
        verdicts.append(Verdict.correct if equal else Verdict.wrong)
    return verdicts


def throughput(options: argparse.Namespace) -> None:
    """Print one line for each way of grading, and the errors by construction."""
    golds = list(GOLDS)
    if options.data:
        golds = [json.loads(line)["answer"] for line in options.data.read_text(encoding="utf-8").splitlines()]
    golds = golds[: options.problems]
    labels = completions(golds, options.samples, options.seed)
    pairs = {(request.gold, extract_answer(request.completion)): request for request in labels}
    requests = list(pairs.values()) if options.distinct else list(labels)
    print(f"{len(requests)} completions of {len(golds)} problems, {len(pairs)} distinct; load {os.getloadavg()[0]:.1f}")

    import math_verify  # noqa: F401  loaded before the clock starts; our workers load it on theirs

    times: dict[str, list[tuple[float, float]]] = {}
    verdicts: dict[str, list[Verdict]] = {}

    def timed(name: str, grade: Callable[[], list[Verdict]]) -> None:
        start, used = time.perf_counter(), _processor_s()
        verdicts[name] = grade()
        times.setdefault(name, []).append((time.perf_counter() - start, _processor_s() - used))

    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "verdicts.sqlite"

        def fresh(workers: int) -> list[Verdict]:
            with MathVerifier(workers=workers, cache=cache) as verifier:  # its start and its end are timed, too
                return _verdicts(verifier, requests)

        for _ in range(options.repeat):
            timed("plain math-verify, sequential", lambda: plain(requests))
            for workers in sorted({1, options.workers}):
                cache.unlink(missing_ok=True)
                timed(f"cold, {workers} worker(s)", partial(fresh, workers))
            timed("new verifier, from the file cache", partial(fresh, options.workers))
            with MathVerifier(cache=cache) as verifier:
                verifier.grade(requests)
                timed("same verifier, from memory", partial(_verdicts, verifier, requests))
    base = min(wall for wall, _ in times["plain math-verify, sequential"])
    for name, measured in times.items():
        wall, used = min(measured)
        rest = ", ".join(f"{other:.2f}" for other, _ in measured)
        speed = f"{wall:8.2f} s  {len(requests) / wall:8.0f}/s  {base / wall:7.1f}x"
        print(f"{name:35s} {speed}  processor {used:6.2f} s   all: {rest}")
    for name in ("plain math-verify, sequential", f"cold, {options.workers} worker(s)"):
        errors = Counter(
            (str(labels[request]), str(verdict))
            for request, verdict in zip(requests, verdicts[name], strict=True)
            if labels[request] != verdict
        )
        print(f"{name}: errors (label, verdict) " + (str(dict(errors)) if errors else "none"))


def _verdicts(verifier: MathVerifier, requests: list[GradeRequest]) -> list[Verdict]:
    return [grade.verdict for grade in verifier.grade(requests)]


def _processor_s() -> float:
    """Processor seconds of this process and of all its descendants that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def hostility(options: argparse.Namespace) -> None:
    """Grade hostile completions; print verdicts by kind, time, memory and what is left behind."""
    start = time.perf_counter()
    verdicts: dict[str, Counter[str]] = {}
    graded = right = 0
    slowest = 0.0
    with MathVerifier(workers=options.workers, timeout_s=options.timeout_s) as verifier:
        source = hostile(options.number, options.seed)  # lazily: a hundred of them are a megabyte each
        while batch := list(islice(source, options.batch)):
            began = time.perf_counter()
            requests = [GradeRequest(name, "5", text) for name, text in batch]
            grades = verifier.grade([*requests, GradeRequest("check", r"\frac{1}{2}", r"\boxed{0.5}")])
            right += grades.pop().verdict is Verdict.correct
            slowest = max(slowest, time.perf_counter() - began)
            graded += len(grades)
            for grade in grades:
                verdicts.setdefault(grade.id, Counter())[grade.verdict] += 1
        started = verifier._pool.started
    seconds = time.perf_counter() - start
    print(
        f"{graded} completions in {seconds:.0f} s; slowest batch of {options.batch}: {slowest:.1f} s; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for name, counts in sorted(verdicts.items()):
        print(f"  {name:10s} " + ", ".join(f"{verdict} {number}" for verdict, number in counts.most_common()))
    print(f"a known pair after each batch: right in {right} of {-(-options.number // options.batch)}")
    for name, who in (("this process", resource.RUSAGE_SELF), ("largest child", resource.RUSAGE_CHILDREN)):
        print(f"peak memory of {name}: {resource.getrusage(who).ru_maxrss / 1024:.0f} MB")
    files = len(list(Path("/proc/self/fd").iterdir()))
    print(f"worker processes started: {started}; left: {_left()}; open files: {files}")


def _left() -> int:
    """How many descendants of this process are still there, dead or alive."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    return len(children.read_text().split()) if children.exists() else -1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("throughput")
    verb.set_defaults(run=throughput)
    verb.add_argument("--data", type=Path, help="JSON lines with the key `answer`")
    verb.add_argument("--problems", type=int, default=500)
    verb.add_argument("--samples", type=int, default=8)
    verb.add_argument("--distinct", action="store_true", help="grade each pair of reference and answer once")
    verb.add_argument("--repeat", type=int, default=3)
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--workers", type=int, default=2)
    verb = verbs.add_parser("hostile")
    verb.set_defaults(run=hostility)
    verb.add_argument("--number", type=int, default=10_000)
    verb.add_argument("--seed", type=int, default=1)
    verb.add_argument("--workers", type=int, default=2)
    verb.add_argument("--timeout-s", type=float, default=1.0)
    verb.add_argument("--batch", type=int, default=250)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
