"""Can a printed score be a count? A score of n problems with s samples each is a multiple of 100/(n*s) percent.

The test is that of N. Brown and J. Heathers (The GRIM test, Social Psychological and Personality Science 8, 2017),
for accuracies: a printed number is possible when a whole count lies among the values that round to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from piretry.report.numbers import listed
from piretry.sources.figures import Figure, Rounded, figure, merged_claims
from piretry.sources.finding import Finding
from piretry.sources.model import Benchmark, Published, Row

MOST_SAMPLES = 16
_FEW = 20


def possible(text: str, problems: int, samples: int = 1) -> bool:
    """Whether a printed accuracy or gain (percent, points) is a count out of `problems` with `samples` of each.

    Differences of two such accuracies are multiples of the same step, so that one rule serves both. Both ends of the
    rounding interval count as possible: halves are rounded up by some and to even by others.
    """
    return _counts(Rounded.of(text), problems * samples) > 0


def possible_however_rounded(text: str, problems: int, samples: int = 1) -> bool:
    """The same where the number may have been rounded up, down or cut off: anything less than one unit away."""
    printed = Rounded.of(text)
    step = Fraction(100, problems * samples)
    nearest = round(printed.value / step) * step
    return abs(nearest - printed.value) < 2 * printed.half


def sample_numbers(text: str, problems: int, most: int = MOST_SAMPLES) -> list[int]:
    """The numbers of samples of each problem, up to `most`, with which the printed number is possible."""
    return [samples for samples in range(1, most + 1) if possible(text, problems, samples)]


def problem_numbers(texts: Sequence[str], most: int) -> list[int]:
    """The numbers of problems, up to `most`, of which all the printed numbers are counts, one sample of each."""
    return [problems for problems in range(1, most + 1) if all(possible(text, problems) for text in texts)]


def _counts(printed: Rounded, answers: int) -> int:
    """How many whole counts out of `answers` round to the printed percentage."""
    first = math.ceil(printed.low * answers / 100)
    last = math.floor(printed.high * answers / 100)
    return last - first + 1


def granularity(published: Published) -> list[Finding]:
    """Accuracies of single runs that one sample a problem cannot give: for each page, and for each benchmark in all.

    And, for each page of an experiment, the gains that are printed without their accuracies. Means over seeds are not
    tested here: their step is finer than what is printed (see `arithmetic` for them).
    """
    return [
        *_over_all(published),
        *_by_page(published, ("base", "after"), "score", _single),
        *_by_page(published, ("gain",), "gain", _alone),
    ]


def _over_all(published: Published) -> list[Finding]:
    """All scores of single runs on a benchmark together, each printed number once."""
    found = []
    for benchmark in published.benchmarks:
        numbers = [
            (row, part)
            for row in published.rows
            if _single(row) and published.benchmark(row.of.role) == benchmark
            for part in ("base", "after")
            if getattr(row, part) is not None
        ]
        texts = list(dict.fromkeys(str(getattr(row, part)) for row, part in numbers))
        if len({row.page for row, _ in numbers}) < 2:
            continue
        bad = [text for text in texts if not possible(text, benchmark.problems)]
        fit = problem_numbers(texts, benchmark.problems)
        rows = [row for row, part in numbers if str(getattr(row, part)) in bad]
        if bad:
            sentence = (
                f"{len(bad)} of the {len(texts)} different scores of single runs on {benchmark.name} cannot come from "
                f"one sample on each of its {benchmark.problems} problems"
                + (
                    ""
                    if fit
                    else f", and no other number of problems up to {benchmark.problems} gives all {len(texts)}"
                )
                + f". At a step of {float(Fraction(100, benchmark.problems)):.2g} points every one should."
            )
        else:
            sentence = (
                f"All {len(texts)} different scores of single runs on {benchmark.name} can come from one sample on "
                f"each of its {benchmark.problems} problems."
            )
        found.append(
            Finding(
                id=f"granularity-{benchmark.id}",
                kind="granularity",
                severity="impossible" if bad else "consistent",
                sentence=sentence,
                claims=merged_claims(rows),
                data={"scores": texts, "impossible": bad, **_fitting(fit)},
            )
        )
    return found


def _fitting(problems: Sequence[int]) -> dict[str, object]:
    """Numbers of problems that fit: how many, and which where they are few."""
    return {"problem_numbers_that_fit": len(problems), "problem_numbers": list(problems[:_FEW]) if problems else []}


def _single(row: Row) -> bool:
    """Rows of one run."""
    return not row.mean_of and (row.runs or 1) == 1


def _alone(row: Row) -> bool:
    """Rows of one run that print a gain and not both accuracies; of a round, its own gain and not the sum."""
    return _single(row) and None in (row.base, row.after) and not row.cumulative


def _by_page(published: Published, parts: tuple[str, ...], noun: str, take: Callable[[Row], bool]) -> list[Finding]:
    found = []
    for page in published.pages:
        for benchmark in published.benchmarks:
            rows = [
                row
                for row in published.rows
                if row.page == page.id and take(row) and published.benchmark(row.of.role) == benchmark
            ]
            numbers = [(row, part) for row in rows for part in parts if getattr(row, part) is not None]
            # Where a gain is only repeated nothing says how many runs are behind it.
            if numbers and (noun == "score" or page.kind == "experiment"):
                found.append(_finding(published, page.id, benchmark, numbers, noun))
    return found


def _finding(
    published: Published, page: str, benchmark: Benchmark, numbers: Sequence[tuple[Row, str]], noun: str
) -> Finding:
    problems = benchmark.problems
    texts = list(dict.fromkeys(str(getattr(row, part)) for row, part in numbers))
    bad = [text for text in texts if not possible(text, problems)]
    never = [text for text in bad if not possible_however_rounded(text, problems)]
    shown: dict[str, Figure] = {}
    for row, part in numbers:
        text = str(getattr(row, part))
        if not bad or text in bad:
            shown.setdefault(text, figure(published, row, part))
    rows = [row for row, part in numbers if not bad or str(getattr(row, part)) in bad]
    step = float(Fraction(100, problems))
    samples = [n for n in range(1, MOST_SAMPLES + 1) if all(possible(text, problems, n) for text in texts)]
    smaller = problem_numbers(texts, problems) if noun == "score" else []
    unit = "%" if noun == "score" else " pp"
    said = listed([f"{text.lstrip('+').replace('-', '−')}{unit}" for text in (bad or texts)])
    name = published.page(page).name
    roles = dict.fromkeys(row.of.role for row, _ in numbers)
    model = listed([next(m.name for m in published.models if m.role == role) for role in roles])
    if bad:
        how = (
            ""
            if len(never) < len(bad)
            else ", however it is rounded"
            if len(bad) == 1
            else ", however they are rounded"
        )
        sentence = (
            f"{said} cannot be {'a score' if noun == 'score' else 'a difference of two scores'} of one sample on each "
            f"of the {problems} problems of {benchmark.name}, which go in steps of {step:.2g} points{how}: "
            f"{len(bad)} of the {len(texts)} {noun}s of {model} on {name}. "
            f"{_samples_sentence(samples, bad)}"
        )
    else:
        sentence = (
            f"{name}: {said}, {'all' if len(texts) > 1 else 'this'} can be "
            f"{'counts' if len(texts) > 1 else 'a count'} of one sample on each of the {problems} "
            f"problems of {benchmark.name}, which go in steps of {step:.2g} points."
        )
        if smaller == [problems] and len(texts) > 1:
            sentence += f" Of all numbers of problems up to that, {problems} alone fits them."
    if benchmark.note:
        sentence += f" ({benchmark.name}: {benchmark.note}.)"
    return Finding(
        id=f"granularity-{noun}-{page}-{benchmark.id}",
        kind="granularity",
        severity="impossible" if bad else "consistent",
        sentence=sentence,
        figures=tuple(shown.values()),
        claims=merged_claims(rows),
        data={
            "page": page,
            "problems": problems,
            "step": step,
            "impossible": bad,
            "impossible_however_rounded": never,
            "possible": [text for text in texts if text not in bad],
            "samples": {text: sample_numbers(text, problems) for text in bad},
            **_fitting(smaller),
        },
    )


def _samples_sentence(samples: Sequence[int], bad: Sequence[str]) -> str:
    those = "this number is" if len(bad) == 1 else "these numbers are"
    if not samples:
        return f"Up to {MOST_SAMPLES} samples of each problem do not make all of the page's numbers possible either."
    least = samples[0]
    return (
        f"With {least} samples of each problem, or over another number of problems, {those} possible; the pages "
        "state pass@1 and no number of samples."
    )
