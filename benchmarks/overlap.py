"""Time and memory of the overlap search at the size of NuminaMath-CoT against MATH-500.

    python benchmarks/overlap.py                                         # 860,000 x 500, invented language
    python benchmarks/overlap.py --like problems.json --eval eval.jsonl  # the phrases of real problems

The training side is generated while it is read, from a seed. Without --like it is an invented language:
20,000 words, drawn by Zipf's law in sentences of 4 to 18 words, with numbers and formulas between them and one
of 40 stock phrases at the end of every other problem. With --like it is an order-2 Markov chain over the words
of real problems (a JSON list with a field `problem`): it has their phrases, formulas and beginnings. Copies of
held-out problems are planted: the same text, other spacing, one number changed. Generating is timed alone
first, and its CPU time is taken off that of the search.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

from piretry.data.overlap import find_overlap
from piretry.data.schema import Problem
from piretry.settings.data import (
    NearDuplicateSettings,
    NgramSettings,
    OverlapSettings,
    RewordedSettings,
)

KINDS = ("exact", "normalised", "renumbered", "ngram", "near_duplicate", "reworded")
SETTINGS = OverlapSettings(
    kinds=KINDS,
    remove=KINDS,
    ngram=NgramSettings(size=13, short_size=8, short_below=26, min_share=0.5, stock_after=10),
    near_duplicate=NearDuplicateSettings(shingle=3, threshold=0.5, bands=42, band_size=3, seed=1),
    reworded=RewordedSettings(min_number_similarity=0.75, min_similarity=0.15),
    max_pairs=1_000_000,
)
Text = Callable[[random.Random], str]


def invented() -> Text:
    """Problems in an invented language with a natural distribution of words, phrases and lengths."""
    rng = random.Random(0)
    letters = ["".join(rng.choices("bcdfghklmnprstvw", k=1) + rng.choices("aeiou", k=1)) for _ in range(200)]
    words = sorted({"".join(rng.choices(letters, k=rng.randint(1, 4))) for _ in range(30_000)})[:20_000]
    rng.shuffle(words)
    weights = list(accumulate(1 / (rank + 2) for rank in range(len(words))))
    stock = [" ".join(rng.choices(words, cum_weights=weights, k=rng.randint(8, 16))) for _ in range(40)]

    def formula(draw: random.Random) -> str:
        a, b, c = (draw.randint(1, 99) for _ in range(3))
        shape = draw.choice(("{a}x^2 + {b}x = {c}", r"\frac{{{a}}}{{{b}}}", r"\sqrt{{{a}}} + {b}", "{a}", "{a}:{b}"))
        return f"${shape.format(a=a, b=b, c=c)}$"

    def text(draw: random.Random) -> str:
        sentences = []
        for _ in range(draw.choices((1, 2, 3, 4, 6), weights=(3, 4, 3, 2, 1))[0]):
            sentence = draw.choices(words, cum_weights=weights, k=draw.randint(4, 18))
            for _ in range(draw.randint(0, 2)):
                sentence.insert(draw.randint(0, len(sentence)), formula(draw))
            sentences.append(" ".join(sentence).capitalize() + ".")
        if draw.random() < 0.5:
            sentences.append(draw.choice(stock).capitalize() + ".")
        return " ".join(sentences)

    return text


def like(path: Path) -> Text:
    """Problems as an order-2 Markov chain over the words of the problems in `path` makes them."""
    follow: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in json.loads(path.read_text(encoding="utf-8")):
        words = ["", "", *re.sub(r"\[asy\].*?\[/asy\]", "", row["problem"], flags=re.S).split(), ""]
        for left, middle, right in zip(words, words[1:], words[2:], strict=False):
            follow[left, middle].append(right)

    def text(draw: random.Random) -> str:
        words, state = [], ("", "")
        while len(words) < 200 and (word := draw.choice(follow[state])):
            words.append(word)
            state = (state[1], word)
        return " ".join(words)

    return text


def problem(make: Text, seed: int, name: str) -> Problem:
    """One problem, determined by its name and the seed."""
    draw = random.Random(f"{seed} {name}")
    return Problem(name, make(draw), str(draw.randint(-20, 200)), None, "benchmark", name.partition("-")[0])


def held_out(make: Text, path: Path | None, size: int, seed: int) -> list[Problem]:
    """`size` held-out problems: generated, or those of a .jsonl file with problem and answer."""
    if path is None:
        return [problem(make, seed, f"eval-{number}") for number in range(size)]
    lines = path.read_text(encoding="utf-8").splitlines()[:size]
    rows = [json.loads(line) for line in lines]
    return [Problem(f"eval-{n}", row["problem"], row["answer"], None, "file", "eval") for n, row in enumerate(rows)]


def training(make: Text, evaluation: list[Problem], size: int, copies: int, seed: int) -> Iterator[Problem]:
    """`size` problems, generated one by one; 3 * `copies` of them are planted copies at even distances."""
    planted = {(number + 1) * size // (3 * copies + 1): number for number in range(3 * copies)}
    for number in range(size):
        if number not in planted:
            yield problem(make, seed, f"train-{number}")
            continue
        which = planted[number]
        origin = evaluation[which % len(evaluation)]
        kind = ("same", "spaced", "number")[which % 3]
        text = {
            "same": origin.problem,
            "spaced": origin.problem.replace(" ", "  ").replace("$", " $ "),
            "number": re.sub(r"\d+", lambda match: str(int(match[0]) + 1), origin.problem, count=1),
        }[kind]
        yield Problem(f"planted-{kind}-{number}", text, origin.gold, None, "benchmark", "train")


def main() -> None:
    """Generate, search, and print one line per figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--train", type=int, default=860_000)
    parser.add_argument("--held-out", type=int, default=500)
    parser.add_argument("--copies", type=int, default=100, help="planted copies of each sort")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--like", type=Path, help="a JSON list with a field `problem` to imitate")
    parser.add_argument("--eval", type=Path, help="a .jsonl file with problem and answer as held-out side")
    options = parser.parse_args()

    make = like(options.like) if options.like else invented()
    evaluation = held_out(make, options.eval, options.held_out, options.seed)

    def train() -> Iterator[Problem]:
        return training(make, evaluation, options.train, options.copies, options.seed)

    start = time.process_time()
    characters = sum(len(problem.problem) for problem in train())
    generating = time.process_time() - start
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, wall = time.process_time(), time.perf_counter()
    report = find_overlap(train(), evaluation, SETTINGS)
    searching = time.process_time() - start - generating
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    mean = characters / report.train_problems
    print(f"training problems   {report.train_problems}, {mean:.0f} characters each")
    print(f"held-out problems   {report.eval_problems}")
    print(f"generating alone    {generating:.0f} s of CPU time")
    each = 1e6 * searching / report.train_problems
    print(f"search              {searching:.0f} s of CPU time, {each:.0f} µs a problem; one process")
    print(f"both by the clock   {wall:.0f} s")
    print(f"peak memory         {after / 1024:.0f} MB (before the search {before / 1024:.0f} MB)")
    for sort in ("same", "spaced", "number"):
        found = {pair.train_id for pair in report.pairs if pair.train_id.startswith(f"planted-{sort}")}
        kinds = Counter(pair.kind for pair in report.pairs if pair.train_id.startswith(f"planted-{sort}"))
        print(f"planted {sort:<11} {len(found)} of {options.copies} found; pairs by kind {dict(kinds)}")
    others = Counter(pair.kind for pair in report.pairs if not pair.train_id.startswith("planted"))
    print(f"other pairs         {dict(others)}")


if __name__ == "__main__":
    main()
