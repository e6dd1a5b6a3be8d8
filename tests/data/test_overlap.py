from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlap_texts import HELD_OUT, KINDS, REWORDED, SETTINGS, UNRELATED, problems, renumbered, respaced

from piretry.data.overlap import (
    OverlapReport,
    find_overlap,
    normalised_key,
    read_pairs,
    remove_overlap,
    write_report,
)
from piretry.data.overlap.near import detection
from piretry.data.schema import Problem
from piretry.errors import PiretryError
from piretry.settings.data import Kind, OverlapSettings

EVALUATION = problems(HELD_OUT, "eval")
REST = problems(UNRELATED, "rest")


def only(*kinds: Kind, **changes: Any) -> OverlapSettings:
    """SETTINGS with some of the kinds, and changed rules: ``only("ngram", ngram={"min_share": 0.9})``."""
    plain = SETTINGS.plain()
    for kind, rules in changes.items():
        plain[kind] = {**plain[kind], **rules} if isinstance(rules, dict) else rules
    rules = {kind: plain[kind] if kind in kinds else None for kind in ("ngram", "near_duplicate", "reworded")}
    return OverlapSettings(**{**plain, **rules, "kinds": kinds, "remove": kinds})


def copy(number: int, text: str, name: str) -> Problem:
    return Problem(f"{name}-{number}", text, HELD_OUT[number][1], None, "tests", "train")


def planted() -> list[Problem]:
    """Copies of held-out problems, named by how they were changed."""
    rng = random.Random(5)
    return [
        *(copy(n, HELD_OUT[n][0], "exact") for n in range(6)),
        *(copy(n, respaced(HELD_OUT[n][0], rng), "respaced") for n in range(len(HELD_OUT))),
        *(copy(n, text, "reworded") for n, text in REWORDED.items()),
        *(copy(n, renumbered(HELD_OUT[n][0], rng), "renumbered") for n in (0, 2, 7, 8, 12, 14, 18)),
    ]


def kinds_found(report: OverlapReport) -> dict[str, set[str]]:
    """By training problem, the kinds by which it matches the held-out problem that it was copied from."""
    found: dict[str, set[str]] = defaultdict(set)
    for pair in report.pairs:
        if pair.train_id.partition("-")[2] == pair.eval_id.partition("-")[2]:
            found[pair.train_id].add(pair.kind)
    return found


def test_planted_copies_are_found_by_their_kind() -> None:
    copies = planted()
    report = find_overlap(copies + REST, EVALUATION, SETTINGS)
    found = kinds_found(report)
    by_change = defaultdict(list)
    for problem in copies:
        by_change[problem.problem_id.partition("-")[0]].append(found[problem.problem_id])
    assert all(kinds >= {"exact", "normalised", "near_duplicate", "reworded"} for kinds in by_change["exact"])
    assert all(kinds >= {"normalised", "near_duplicate", "reworded"} for kinds in by_change["respaced"])
    assert not any("exact" in kinds for kinds in by_change["respaced"])
    # What other kinds are blind to: rewordings share neither n-grams nor shingles, renumberings no answer.
    assert all(kinds == {"reworded"} for kinds in by_change["reworded"])
    assert all(kinds >= {"renumbered", "near_duplicate"} for kinds in by_change["renumbered"])
    assert not any("normalised" in kinds for kinds in by_change["renumbered"])
    # Nothing else matches anything.
    ids = {problem.problem_id for problem in copies}
    assert {pair.train_id for pair in report.pairs} == ids
    assert all(pair.train_id.partition("-")[2] == pair.eval_id.partition("-")[2] for pair in report.pairs)
    assert report.train_problems == len(copies) + len(REST)


def test_what_is_not_found() -> None:
    """The limits, so that nobody reads "no overlap" as more than it says."""
    lost = [
        # Other numbers and other words.
        copy(11, "Count the integers from $1$ to $900$ that neither $6$ nor $11$ divides.", "numbers"),
        # A rewording whose answer is written in another way.
        Problem("reworded-7", REWORDED[7], "0.343", None, "tests", "train"),
        # A translation.
        copy(
            14,
            "Ein Kegel mit Grundradius $12$ und eine Kugel mit Radius $6$ sind gleich groß. Wie hoch ist er?",
            "de",
        ),
    ]
    assert find_overlap(lost, EVALUATION, SETTINGS).pairs == ()


def test_pairs_carry_both_texts_and_are_sorted() -> None:
    report = find_overlap(planted() + REST, EVALUATION, SETTINGS)
    texts = {problem.problem_id: problem.problem for problem in [*planted(), *EVALUATION]}
    for pair in report.pairs:
        assert (pair.train_problem, pair.eval_problem) == (texts[pair.train_id], texts[pair.eval_id])
        assert 0 < pair.score <= 1
    keys = [(KINDS.index(p.kind), -p.score, p.train_id, p.eval_id) for p in report.pairs]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_counts_before_and_after_removal() -> None:
    copies = planted()
    report = find_overlap(copies + REST, EVALUATION, SETTINGS)
    before, after = report.counts(), report.counts(["exact", "normalised"])
    assert list(before) == list(KINDS)
    assert (before["exact"].pairs, before["exact"].only) == (6, 6)
    assert (before["normalised"].train_problems, before["normalised"].only) == (26, 20)
    assert before["normalised"].eval_problems == 20
    assert (after["exact"].pairs, after["normalised"].pairs) == (0, 0)
    assert after["near_duplicate"].train_problems == 7
    assert after["reworded"].only == len(REWORDED)
    left = list(remove_overlap(iter(copies + REST), report, ["exact", "normalised"]))
    assert [p for p in copies + REST if p.problem_id.partition("-")[0] not in ("exact", "respaced")] == left
    assert list(remove_overlap(copies + REST, report, KINDS)) == REST
    assert all(count.pairs == 0 for count in report.counts(KINDS).values())
    # Searching again in what is left finds what the counts say.
    again = find_overlap(left, EVALUATION, only("near_duplicate", "reworded")).counts()
    assert again["reworded"].pairs == after["reworded"].pairs
    assert again["near_duplicate"].pairs == after["near_duplicate"].pairs


def test_a_kind_that_was_not_looked_for_cannot_be_removed() -> None:
    report = find_overlap(REST, EVALUATION, only("exact"))
    with pytest.raises(PiretryError, match="'ngram' cannot be removed: it was not looked for"):
        remove_overlap(REST, report, ["exact", "ngram"])


@settings(max_examples=20, deadline=None)
@given(st.randoms())
def test_neither_order_matters(rng: random.Random) -> None:
    train, evaluation = planted() + REST, EVALUATION[:]
    expected = find_overlap(train, evaluation, SETTINGS).pairs
    rng.shuffle(train)
    rng.shuffle(evaluation)
    assert find_overlap(train, evaluation, SETTINGS).pairs == expected


def test_files_are_whole_and_the_same_in_every_process(tmp_path: Path) -> None:
    # Two interpreters with other hash seeds: sets of strings have another order in each.
    code = (
        "import sys, test_overlap as t; from pathlib import Path;"
        "r = t.find_overlap(t.planted() + t.REST, t.EVALUATION, t.SETTINGS);"
        "t.write_report(r, Path(sys.argv[1], 'pairs.parquet'), Path(sys.argv[1], 'overlap.json'))"
    )
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        environment = {"PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": seed, "PATH": ""}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], check=True, env=environment)
    for name in ("pairs.parquet", "overlap.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    report = find_overlap(planted() + REST, EVALUATION, SETTINGS)
    assert read_pairs(tmp_path / "1" / "pairs.parquet") == list(report.pairs)
    summary = json.loads((tmp_path / "1" / "overlap.json").read_text(encoding="utf-8"))
    assert summary == json.loads(json.dumps(report.summary()))
    assert summary["settings"] == SETTINGS.plain()
    assert summary["removed_train_problems"] == len(planted())
    assert summary["train_problems_left"] == len(REST)
    assert summary["before"]["exact"] == {"pairs": 6, "train_problems": 6, "eval_problems": 6, "only": 6}
    assert len(summary["examples"]["normalised"]) == 5
    assert {pair["kind"] for pair in summary["examples"]["ngram"]} == {"ngram"}
    (tmp_path / "pairs.parquet").write_bytes(b"PAR1")
    with pytest.raises(PiretryError, match=re.escape(str(tmp_path / "pairs.parquet"))):
        read_pairs(tmp_path / "pairs.parquet")


def test_an_empty_report_is_written_and_read(tmp_path: Path) -> None:
    report = find_overlap([], EVALUATION, SETTINGS)
    write_report(report, tmp_path / "pairs.parquet", tmp_path / "overlap.json")
    assert read_pairs(tmp_path / "pairs.parquet") == []
    assert find_overlap(REST, [], SETTINGS).pairs == ()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("What is $2+3$?", "WHAT   is\n\\(2 + 3\\)"),
        (r"\dfrac12 of $\left(x\right)$", r"\frac{1}{2} of (x)"),
        (r"$\frac1{20}$", r"$\tfrac{1}{20}$"),
        (r"$0\le x\leqslant 1$", "$0 ≤ x ≤ 1$"),
        (r"$3 \times 4 \cdot 5$", "$3×4·5$"),
        (r"$30^\circ$", "30°"),
        (r"\$1{,}500", "1,500"),
        (r"a two-digit number \text{of cm}", "a two digit number of cm"),
        (r"\mathrm{lcm}(a,\,b)", "lcm(a, b)"),
        ("x²", "$x^2$"),
        ("He said: “go” — now…", 'he said "go" -- now \\ldots'),
    ],
)
def test_layout_is_forgotten(left: str, right: str) -> None:
    assert normalised_key(left) == normalised_key(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("What is $2+3$?", "What is $2-3$?"),
        ("Start with 3, then +0, -8.", "Start with 3, then -0, +8."),
        ("3.5", "35"),
        ("1, 23", "12, 3"),
        ("$x = 5!$", "$x = 5$"),
        ("$x < 5$", "$x > 5$"),
        (r"$\sin x$", r"$\cos x$"),
        (r"$x \le 5$", "$x < 5$"),
        ("$10\\%$", "$10$"),
        ("the area of the square", "the area of a square"),
    ],
)
def test_content_is_kept(left: str, right: str) -> None:
    assert normalised_key(left) != normalised_key(right)


# ngram


def test_a_held_out_problem_inside_a_longer_one_is_found_by_its_ngrams() -> None:
    filler = " ".join(text for text, _ in UNRELATED)
    long = f"{filler} {HELD_OUT[12][0]} {filler[::-1]}"
    report = find_overlap([copy(12, long, "inside")], EVALUATION, SETTINGS)
    assert [(pair.kind, pair.score) for pair in report.pairs] == [("ngram", 1.0)]


def test_a_stock_phrase_counts_while_it_is_rare_and_not_when_it_is_common() -> None:
    phrase = "Enter your answer as an ordered triple of integers separated by commas and in increasing order."
    held_out = [Problem("e", f"Find the roots. {phrase}", "1,2,3", None, "s", "t")]
    rules = only("ngram", ngram={"stock_after": 3, "min_share": 0.5})
    train = [Problem(f"t{n}", f"Count {n} sheep {n} times. {phrase}", "0", None, "s", "t") for n in range(3)]
    assert len(find_overlap(train, held_out, rules).pairs) == 3
    train.append(Problem("t3", f"Weigh the cats. {phrase}", "0", None, "s", "t"))
    assert find_overlap(train, held_out, rules).pairs == ()
    # Copies of the held-out problem itself never make its words a stock phrase.
    copies = [Problem(f"c{n}", f"find the roots {phrase.upper()}", "0", None, "s", "t") for n in range(20)]
    assert len(find_overlap(copies, held_out, rules).pairs) == 20


def test_the_share_is_of_the_held_out_problems_ngrams() -> None:
    held_out = [Problem("e", " ".join(f"w{chr(97 + n)}" for n in range(20)), "1", None, "s", "t")]  # 13 8-grams
    for shared, pairs in ((14, 1), (13, 0)):  # 7 and 6 of 13
        text = " ".join(f"w{chr(97 + n)}" for n in range(shared)) + " and something else"
        report = find_overlap([Problem("t", text, "2", None, "s", "t")], held_out, only("ngram"))
        assert [round(pair.score, 3) for pair in report.pairs] == [round(7 / 13, 3)] * pairs


def test_a_problem_shorter_than_an_ngram_has_none() -> None:
    held_out = [Problem("e", "Find the roots of this one now", "1", None, "s", "t")]
    copies = [Problem("t", held_out[0].problem, "1", None, "s", "t")]
    assert find_overlap(copies, held_out, only("ngram")).pairs == ()
    assert len(find_overlap(copies, held_out, only("near_duplicate")).pairs) == 1


words = st.lists(st.sampled_from("abcdef"), min_size=0, max_size=30)


@settings(deadline=None)
@given(
    st.lists(words, max_size=4),
    st.lists(words, max_size=4),
    st.integers(1, 3),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_ngrams_agree_with_the_rule_in_plain_words(
    train: list[list[str]], held_out: list[list[str]], stock_after: int, share: float
) -> None:
    sizes = [3 if len(found) < 10 else 5 for found in held_out]

    def grams(found: list[str], size: int) -> set[tuple[str, ...]]:
        return {tuple(found[at : at + size]) for at in range(len(found) - size + 1)}

    copies = [any(found == other for other in held_out) for found in train]
    expected = {}
    for e, (other, size) in enumerate(zip(held_out, sizes, strict=True)):
        counting = {
            gram
            for gram in grams(other, size)
            if sum(gram in grams(found, size) for found, is_copy in zip(train, copies, strict=True) if not is_copy)
            <= stock_after
        }
        for t, found in enumerate(train):
            shared = len(counting & grams(found, size))
            if shared and shared >= share * len(counting):
                expected[f"t{t}", f"e{e}"] = round(shared / len(counting), 6)
    rules = only(
        "ngram",
        ngram={"size": 5, "short_size": 3, "short_below": 10, "min_share": share, "stock_after": stock_after},
    )
    report = find_overlap(
        [Problem(f"t{n}", " ".join(found), "1", None, "s", "t") for n, found in enumerate(train)],
        [Problem(f"e{n}", " ".join(found), "2", None, "s", "t") for n, found in enumerate(held_out)],
        rules,
    )
    assert {(pair.train_id, pair.eval_id): pair.score for pair in report.pairs} == expected


# near_duplicate


def test_near_duplicates_are_those_of_the_stated_similarity() -> None:
    rng = random.Random(8)
    vocabulary = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    held_out = [[rng.choice(vocabulary) for _ in range(30)] for _ in range(40)]
    train = []
    for _ in range(400):
        text = rng.choice(held_out)[:]
        for _ in range(rng.randint(0, 8)):
            text[rng.randrange(len(text))] = rng.choice(vocabulary)
        train.append(text)

    def shingles(found: list[str]) -> set[tuple[str, ...]]:
        return {tuple(found[at : at + 3]) for at in range(len(found) - 2)}

    expected = set()
    for t, left in enumerate(map(shingles, train)):
        for e, right in enumerate(map(shingles, held_out)):
            if len(left & right) / len(left | right) >= 0.5:
                expected.add((f"t{t}", f"e{e}"))
    report = find_overlap(
        [Problem(f"t{n}", " ".join(found), "1", None, "s", "t") for n, found in enumerate(train)],
        [Problem(f"e{n}", " ".join(found), "2", None, "s", "t") for n, found in enumerate(held_out)],
        only("near_duplicate"),
    )
    found = {(pair.train_id, pair.eval_id) for pair in report.pairs}
    assert 100 < len(expected) < 400  # the test sees both sides of the threshold
    assert found <= expected
    # Pairs at the threshold itself are proposed with probability 0.996, all others more surely.
    assert detection(0.5, 42, 3) == pytest.approx(1 - (1 - 0.125) ** 42)
    assert len(expected - found) <= 2


# reworded


def test_a_rewording_needs_the_answer_and_the_numbers() -> None:
    text, gold = REWORDED[12], HELD_OUT[12][1]
    rules = only("reworded")

    def found(text: str, gold: str) -> int:
        return len(find_overlap([Problem("t", text, gold, None, "s", "t")], EVALUATION, rules).pairs)

    assert found(text, gold) == 1
    assert found(text, f" ${gold}.$ ") == 1  # answers are compared like texts, without their layout
    assert found(text, "4") == 0
    fraction = Problem("t", REWORDED[7], "$12/35$", None, "s", "t")
    assert len(find_overlap([fraction], EVALUATION, rules).pairs) == 1
    assert found(text.replace("65", "66").replace("85", "86"), gold) == 0
    assert found("How many of $450$, $65$ and $85$ are prime?", gold) == 0


# limits


def test_problems_of_one_template_are_refused_with_a_hint() -> None:
    rule = "Do one step at a time from left to right, work modulo 10 and give the last digit alone as answer."
    chains = [f"Start with {n}, then +{n % 7}, -{n % 5}. {rule}" for n in range(300)]
    train = [Problem(f"t{n}", text, str(n % 10), None, "s", "t") for n, text in enumerate(chains[:250])]
    held_out = [Problem(f"e{n}", text, str(n % 10), None, "s", "t") for n, text in enumerate(chains[200:])]
    few = OverlapSettings(**{**only("near_duplicate").plain(), "max_pairs": 1000})
    with pytest.raises(PiretryError, match=r"more than overlap\.max_pairs = 1000 pairs.*one template"):
        find_overlap(train, held_out, few)
    counts = find_overlap(train, held_out, only("exact", "normalised")).counts()
    assert counts["normalised"].train_problems == counts["exact"].train_problems == 50


def test_strange_text_does_no_harm() -> None:
    strange = [
        "",
        " ",
        "$",
        "\\",
        "\\frac",
        "[asy]" * 50,
        "\x00",
        "{" * 10_000,
        "∑" * 500,
        "1" * 5000,
        "\\(" * 3000,
        "👍",
    ]
    texts = [Problem(f"t{n}", text, text, None, "s", "t") for n, text in enumerate(strange)]
    counts = Counter(pair.kind for pair in find_overlap(texts, texts, SETTINGS).pairs)
    with_content = [text for text in strange if normalised_key(text)]
    assert counts["exact"] == len(with_content) == 5


def test_progress_is_told() -> None:
    told: list[int] = []
    train = (Problem(str(n), f"What is {n}?", "1", None, "s", "t") for n in range(2500))
    find_overlap(train, EVALUATION, only("exact"), told.append)
    assert told == [1000, 2000, 2500]
