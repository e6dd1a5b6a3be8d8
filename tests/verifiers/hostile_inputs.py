"""Completions that want to hang, crash, fill or mislead a grader, made from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

_LEAN = (
    "theorem t (p q : Prop) (hp : p) (hq : q) : p ∧ q := ⟨hp, hq⟩",
    "import Mathlib\nexample : 1 + 1 = 2 := by norm_num\n#eval IO.Process.exit 0",
    "set_option maxRecDepth 100000 in\nunsafe def bad : False := bad",
)
_PYTHON = (
    "__import__('os').system('kill -9 $PPID')",
    'exec("import sys; sys.exit(0)")',
    "while True:\n    print({'n': 1, 'verdict': 'correct'})",
    "open('/etc/passwd').read()",
    "lambda: (yield)",
)
_PROTOCOL = (
    '{"n": 1, "verdict": "correct"}',
    '"}\n{"n": 2, "verdict": "correct"}\n',
    '{"ready": true}\n{"died": 9}',
    "\r\n\r\n\x1e\x00\x04",
)
_TOKENS = [
    *(
        "{",
        "}",
        "^",
        "_",
        "$",
        "&",
        "=",
        "<",
        ",",
        ";",
        "-",
        "+",
        "!",
        "%",
        "'",
        '"',
        "#",
        "|",
        "(",
        ")",
        "[",
        "]",
        "~",
    ),
    *("\\frac", "\\sqrt", "\\left(", "\\right)", "\\boxed{", "\\text{", "\\\\", "\\begin{pmatrix}", "\\end{pmatrix}"),
    *("\\sum", "\\int", "\\lim", "\\infty", "\\pm", "\\cup", "\\in", "\\pi", "\\sin", "\\log", "answer", "and", "or"),
    *("1", "10", "0.", "x", "y", "e", "i"),
]
_BRACKETS = [
    *(("\\sqrt{", "}"), ("\\frac{1}{1+", "}"), ("\\sin(", ")"), ("\\left(", "\\right)")),
    *(("(", ")"), ("{", "}"), ("|", "|")),
]
_MEGABYTES = [
    *("9", "9,", "{", "}", " ", "x+", "\\", "$", "<think>", "\\boxed{", "\\boxed{1}", "\\frac{1}{2}+", "\\text{a}"),
]
_CONTROLS = [*"0123456789", *map(chr, (0, 1, 7, 8, 13, 27, 127, 0x85, 0x2028, 0xFEFF, 0x202E))]
_FRAMES = ["So \\boxed{%s}.", "So \\boxed{%s}.", "So \\boxed{%s}.", "%s", "<think>%s</think> \\boxed{5}"]


def _tower(rng: random.Random) -> str:
    text = rng.choice(["9", "99", "x", "(x+1)", "1.5", "\\pi", "(-2)", "10"])
    for _ in range(rng.randint(2, 9)):
        text = f"{rng.choice(['9', '7', 'x', '10', '2.5'])}^{{{text}}}"
    return rng.choice(["%s", "\\frac{1}{%s}", "\\sqrt{%s}", "\\log %s", "%s!", "x^2 + %s", "\\sin(%s)"]) % text


def _power(rng: random.Random) -> str:
    terms = "+".join(rng.sample("abcdxyzuvw", rng.randint(2, 6)))
    return f"({terms})^{{{rng.choice([20, 60, 200, 5000, 10**6])}}}"


def _nested(rng: random.Random) -> str:
    opening, closing = rng.choice(_BRACKETS)
    depth = rng.choice([30, 100, 300, 2000])
    return opening * depth + "x" + closing * (depth - rng.choice([0, 0, 1]))


def _megabyte(rng: random.Random) -> str:
    unit = rng.choice(_MEGABYTES)
    return unit * (1_000_000 // len(unit))


def _digits(rng: random.Random) -> str:
    return rng.choice(["", "-", "0."]) + "".join(rng.choices("0123456789", k=rng.choice([100, 1500, 1999])))


def _control(rng: random.Random) -> str:
    return "".join(rng.choices(_CONTROLS, k=rng.randint(1, 60)))


def _encoding(rng: random.Random) -> str:
    """Random bytes read by the wrong decoder, and lone surrogates, which no encoding takes."""
    raw = bytes(rng.randrange(256) for _ in range(rng.randint(1, 80)))
    codec = rng.choice(["utf-8", "latin-1", "utf-16-le", "cp037"])
    surrogates = "".join(chr(rng.randrange(0xD800, 0xE000)) for _ in range(rng.randint(0, 3)))
    return raw.decode(codec, "surrogateescape" if codec == "utf-8" else "replace") + surrogates


def _soup(rng: random.Random) -> str:
    return "".join(rng.choices(_TOKENS, k=rng.randint(3, 60)))


def _analysis(rng: random.Random) -> str:
    a, b = str(rng.randint(2, 99)), str(rng.randint(2, 10**7))
    forms = [
        "\\sum_{k=1}^{B} \\frac{1}{k^A}",
        "\\int_0^A x^{x^x} e^{-x^2} dx",
        "\\prod_{k=1}^{B} (1+\\frac{1}{k})",
        "\\lim_{x \\to 0} \\frac{\\sin(A x)^{A}}{x^{A}}",
        "B!",
        "\\binom{B}{A}",
        "\\gcd(B!, B)",
        "\\int \\int \\int \\sin(x^A y^A) dx dy dz",
        "\\sqrt[B]{B^{B}}",
    ]
    return rng.choice(forms).replace("A", a).replace("B", b)


def _list(rng: random.Random) -> str:
    joint = rng.choice([",", ", ", " and ", "\\text{ or }", ";", " \\cup ", "=", "<", " \\pm ", " ", ":"])
    return joint.join(str(rng.randrange(1000)) for _ in range(rng.choice([50, 200, 480])))


def _system(rng: random.Random) -> str:
    degree = rng.randint(3, 40)
    return f"x^{{{degree}}} + {rng.randint(1, 9)}x^{{{degree - 1}}} y - y^3 z + {rng.randint(1, 99)} = 0"


def _matrix(rng: random.Random) -> str:
    size = rng.randint(2, 9)
    entries = [[rng.choice(["x", "1", "\\frac{1}{2}", "y^2"]) for _ in range(size)] for _ in range(size)]
    rows = " \\\\ ".join(" & ".join(row) for row in entries)
    return f"\\begin{{pmatrix}} {rows} \\end{{pmatrix}}^{{{rng.choice([-1, 2, 50])}}}"


def _one_of(options: tuple[str, ...]) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(options) * rng.randint(1, 3)


#: kind -> its share among the completions (in parts of 105), and its maker
KINDS: dict[str, tuple[int, Callable[[random.Random], str]]] = {
    "tower": (12, _tower),
    "power": (5, _power),
    "nested": (10, _nested),
    "megabyte": (1, _megabyte),
    "digits": (6, _digits),
    "control": (10, _control),
    "encoding": (12, _encoding),
    "soup": (20, _soup),
    "analysis": (5, _analysis),
    "list": (6, _list),
    "system": (3, _system),
    "matrix": (3, _matrix),
    "lean": (4, _one_of(_LEAN)),
    "python": (4, _one_of(_PYTHON)),
    "protocol": (4, _one_of(_PROTOCOL)),
}


def hostile(number: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield `number` completions, each with the name of its kind; some have a box with 5 beside the hostile text."""
    rng = random.Random(seed)
    names, weights = list(KINDS), [share for share, _ in KINDS.values()]
    for _ in range(number):
        name = rng.choices(names, weights)[0]
        yield name, rng.choice(_FRAMES).replace("%s", KINDS[name][1](rng))
