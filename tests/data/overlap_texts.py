"""Texts for the tests of overlap, written for them: held-out problems, rewordings by hand, unrelated problems.

A problem stands on one line, however long it is.
"""
# ruff: noqa: E501

from __future__ import annotations

import random
import re

from piretry.data.schema import Problem
from piretry.settings.data import NearDuplicateSettings, NgramSettings, OverlapSettings, RewordedSettings

KINDS = ("exact", "normalised", "renumbered", "ngram", "near_duplicate", "reworded")
SETTINGS = OverlapSettings(
    kinds=KINDS,
    remove=KINDS,
    ngram=NgramSettings(size=13, short_size=8, short_below=26, min_share=0.5, stock_after=10),
    near_duplicate=NearDuplicateSettings(shingle=3, threshold=0.5, bands=42, band_size=3, seed=1),
    reworded=RewordedSettings(min_number_similarity=0.75, min_similarity=0.15),
    max_pairs=10_000,
)

# (problem, answer)
HELD_OUT = [
    (r"A baker sells $48$ rolls in the morning and $\frac{3}{4}$ as many in the afternoon. How many rolls does she sell in all?", "84"),
    (r"Let $g(t) = t^3 - 6t + 2$. Find the sum of all values of $t$ in the interval $[-4, 4]$ at which $g$ has a local extremum.", "0"),
    (r"The sides of a triangle have lengths $13$, $20$ and $21$. What is the length of the altitude to the side of length $21$?", "12"),
    (r"In how many ways can the letters of the word LANTERN be arranged so that the two N's are not next to each other?", "1800"),
    (r"What is the largest prime factor of $2^{12} - 1$?", "13"),
    (r"A line with slope $-\frac{2}{5}$ passes through the point $(10, 7)$. Where does it meet the $x$-axis? Enter your answer as an ordered pair.", "(27.5,0)"),
    (r"Find all complex numbers $w$ with $w^2 = 5 - 12i$. Enter all solutions, separated by commas.", "3-2i,-3+2i"),
    (r"A box holds $6$ green and $9$ yellow marbles. Two marbles are drawn at random without replacement. What is the probability that both are yellow? Express your answer as a common fraction.", r"\frac{12}{35}"),
    (r"The third term of an arithmetic sequence is $17$ and the ninth term is $53$. What is the hundredth term?", "599"),
    (r"If $\log_4 (x + 5) = \frac{5}{2}$, what is $x$?", "27"),
    (r"A clock shows twenty minutes past eight. What is the measure, in degrees, of the smaller angle between its hands?", "130"),
    (r"How many positive integers less than $700$ are divisible by neither $4$ nor $7$?", "450"),
    (r"Two trains leave stations that are $450$ km apart at the same time and travel towards each other at $65$ km/h and $85$ km/h. After how many hours do they meet?", "3"),
    (r"Let $a$ and $b$ be the roots of $3x^2 - 7x + 1 = 0$. Compute $\frac{a}{b} + \frac{b}{a}$.", r"\frac{43}{3}"),
    (r"A sphere of radius $6$ has the same volume as a cone with base radius $12$. What is the height of the cone?", "6"),
    (r"Convert the number $2102_3$ to base $10$.", "65"),
    (r"What is the remainder when $7^{2019}$ is divided by $100$?", "43"),
    (r"The vectors $\mathbf{u} = (2, k, -1)$ and $\mathbf{v} = (k, 3, 10)$ are orthogonal. Find $k$.", "2"),
    (r"A rectangular garden is $8$ m longer than it is wide and has an area of $345$ square metres. Find its perimeter.", "76"),
    (r"Solve the system $x + 2y = 11$, $3x - y = 5$ for $(x, y)$.", "(3,4)"),
]  # fmt: skip

# Rewordings of HELD_OUT problems by their number: another sentence, the same content, the same answer.
REWORDED = {
    0: r"In the morning $48$ rolls are sold by a baker; in the afternoon she sells $\frac{3}{4}$ of that number. What is the total number of rolls sold?",
    2: r"Consider a triangle with side lengths $13$, $20$ and $21$. Compute the height that stands on the side $21$.",
    7: r"From $6$ green and $9$ yellow marbles in a box we pick two without putting any back. How likely is it that we get two yellow ones? Give a common fraction.",
    12: r"The distance between two stations is $450$ km. From each, a train sets out towards the other, one at $65$ km/h and one at $85$ km/h, at the same moment. How many hours pass until the trains meet?",
    14: r"Find the height of a cone whose base has radius $12$ and whose volume equals that of a sphere of radius $6$.",
    18: r"The area of a garden in the form of a rectangle is $345$ square metres, and its length exceeds its width by $8$ m. What is the perimeter of the garden?",
}  # fmt: skip

# Unrelated to every held-out problem, though some share its phrases.
UNRELATED = [
    (r"Simplify $\sqrt{72} - \sqrt{18}$.", r"3\sqrt{2}"),
    (r"A fair coin is tossed five times. What is the probability of exactly two heads? Express your answer as a common fraction.", r"\frac{5}{16}"),
    (r"Find the equation of the circle with centre $(2, -3)$ that touches the $y$-axis.", r"(x-2)^2+(y+3)^2=4"),
    (r"How many diagonals does a convex polygon with $15$ sides have?", "90"),
    (r"The point $P$ lies on the parabola $y = x^2$. Find the least distance from $P$ to $(0, 3)$. Enter your answer as an ordered pair.", r"\frac{\sqrt{11}}{2}"),
    (r"What is the units digit of $3^{41}$?", "3"),
    (r"A tank is filled by one pipe in $4$ hours and by another in $12$ hours. After how many hours do both fill it together?", "3"),
    (r"Find the area of the region bounded by $y = x^2$ and $y = 4$.", r"\frac{32}{3}"),
    (r"Compute $\tan 75^\circ$.", r"2+\sqrt{3}"),
    (r"Evaluate $\sum_{n=1}^{20} (2n - 1)$.", "400"),
    (r"The mean of six numbers is $12$. When a seventh is added the mean becomes $13$. What is the seventh number?", "19"),
    (r"For what positive value of $c$ does the line $y = 2x + c$ touch the circle $x^2 + y^2 = 5$?", "5"),
]  # fmt: skip

_NUMBER = re.compile(r"(?<![\^_\d.{])\d+(?!\d*\})|(?<=frac\{)\d+|(?<=\}\{)\d+")
_FIGURE = re.compile(r"(\[asy\].*?\[/asy\])", re.DOTALL)


def problems(texts: list[tuple[str, str]], prefix: str) -> list[Problem]:
    return [Problem(f"{prefix}-{n}", text, gold, None, "tests", "test") for n, (text, gold) in enumerate(texts)]


def respaced(text: str, rng: random.Random) -> str:
    """The same problem typed by somebody else: spaces, line breaks, delimiters and spellings of TeX differ."""

    def outside(part: str) -> str:
        part = part.replace(r"\frac", r"\dfrac").replace(r"\le ", r"\leq ").replace(r"\ge ", r"\geq ")
        part = re.sub(r"(?<!\\)\$([^$]+)(?<!\\)\$", lambda m: r"\( " + m[1] + r" \)", part)
        part = re.sub(r"\s*([=+<>])\s*", lambda m: rng.choice([" {} ", "{}", r"\,{}\, "]).format(m[1]), part)
        part = re.sub(" ", lambda m: rng.choice([" ", "  ", "\n", " "]), part)
        return re.sub(r"\.(?=\s|$)", lambda m: rng.choice([".", " .", ""]), part)

    changed = "".join(part if n % 2 else outside(part) for n, part in enumerate(_FIGURE.split(text)))
    return changed.upper() if "\\" not in changed else changed


# Wordings that mean the same in a problem, for `rephrased`.
_SAME = [
    ("What is the value of", "Compute"),
    ("What is", "Determine"),
    ("Find", "Determine"),
    ("Compute", "Work out"),
    ("Evaluate", "Work out"),
    ("How many", "Count how many"),
    ("positive integers", "natural numbers"),
    ("positive integer", "natural number"),
    ("Express your answer as a common fraction", "Give a fraction in lowest terms"),
    ("Enter your answer", "Write the answer"),
    ("such that", "for which"),
    ("Let", "Suppose that"),
    ("If ", "Given that "),
    ("is equal to", "equals"),
    ("each", "every single"),
    ("probability", "chance"),
    ("randomly", "at random"),
    ("there are", "we have"),
]


def rephrased(text: str) -> str:
    """The same problem with other set phrases, and its last sentence first."""
    for phrase, other in _SAME:
        text = text.replace(phrase, other).replace(phrase.lower(), other.lower())
    sentences = re.split(r"(?<=[.?$])\s+(?=[A-Z])", text)
    return " ".join([sentences[-1], *sentences[:-1]])


def renumbered(text: str, rng: random.Random) -> str:
    """The same problem with other numbers: each grows by 1 to 9, but for exponents and the source of figures."""
    parts = _FIGURE.split(text)
    return "".join(
        part if n % 2 else _NUMBER.sub(lambda m: str(int(m[0]) + rng.randint(1, 9)), part)
        for n, part in enumerate(parts)
    )


def numbers_in(text: str) -> int:
    """How many numbers `renumbered` would change."""
    return len(_NUMBER.findall(_FIGURE.sub("", text)))
