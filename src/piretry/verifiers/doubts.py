r"""Second looks at math-verify's own verdict, with SymPy. Runs only inside a worker.

`surely_different` takes back a "correct" that rests on one of these (each is a case of traps.jsonl):

* constants are compared after numbers below 1e-15 are set to 0, so that 1/2^99 = 1/2^98: here by relative
  difference at 60 digits;
* decimals are compared at 6 places however small they are, so that 0.0000001 = 0.0000002: here at least 4
  significant digits must agree where one side is no terminating decimal (1/3), and 9 where both are;
* two equations without solutions are equal there (x^2 = -1 and x^2 = -2): here their difference must vanish,
  up to a constant factor, at chosen points;
* expressions with variables must agree at three positive rational points.

It answers True only on evidence; where nothing can be evaluated it says False, and math-verify's verdict
stands.

`beyond_computing` names an answer that would only run into the time limit, such as a tower of powers.

`same_equation` grants what math-verify refuses where one unknown has several values: x^2 = 4 and 2x^2 = 8.

`equal_with_imaginary_unit` grants one that math-verify refuses: it reads i as a variable, so that (1+i)^2 is
not 2i.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import sympy
from sympy import Basic, Expr, Float, I, Integer, Rational, Symbol
from sympy.core.relational import Equality, Relational
from sympy.matrices import MatrixBase

_DIGITS = 60
_EXACT = Rational(1, 10**45)  # relative difference of two constants that are evaluated to 60 digits
_ROUNDED = Rational(1, 10**4)  # the same where a decimal stands for a number that has none
_DECIMAL = Rational(1, 10**9)  # the same where both are terminating decimals
_MOST_DIGITS = 1e6  # numbers with more digits than this are not computed
_SLOW = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative)
_POINTS = (Rational(13, 7), Rational(5, 11), Rational(29, 9), Rational(8, 13), Rational(17, 5), Rational(3, 8))


def surely_different(gold: Any, answer: Any) -> bool:
    """Whether two objects that math-verify holds equal differ by the evidence of numbers."""
    try:
        return _different(gold, answer)
    except Exception:  # whatever SymPy cannot evaluate is no evidence
        return False


def plainly_different(gold: Any, answer: Any) -> bool:
    """Whether two expressions of plain arithmetic differ by the evidence of numbers.

    `surely_different` would take back a "correct" on the same evidence, so math-verify need not be asked; it would
    spend milliseconds on simplifying the difference. Sums, integrals and limits are left to it.
    """
    if not (isinstance(gold, Expr) and isinstance(answer, Expr)) or gold.has(*_SLOW) or answer.has(*_SLOW):
        return False
    return surely_different(gold, answer)


def _different(gold: Any, answer: Any) -> bool:
    if gold == answer and not gold.atoms(Float):
        return False
    if isinstance(gold, Equality) and isinstance(answer, Equality):
        return _different_equations(gold, answer)
    if isinstance(answer, Equality) and isinstance(gold, Expr):
        return _different(gold, answer.rhs)
    if isinstance(gold, Equality) and isinstance(answer, Expr):
        return _different(gold.rhs, answer)
    if isinstance(gold, Relational) or isinstance(answer, Relational):
        return False
    if isinstance(gold, MatrixBase) and isinstance(answer, MatrixBase):
        return gold.shape == answer.shape and _any_different(gold.flat(), answer.flat())
    if isinstance(gold, sympy.Interval) and isinstance(answer, sympy.Interval):
        return _any_different((gold.start, gold.end), (answer.start, answer.end))
    if isinstance(gold, sympy.Tuple) and isinstance(answer, sympy.Tuple):
        return len(gold) == len(answer) and _any_different(gold, answer)
    if isinstance(gold, sympy.FiniteSet) and isinstance(answer, sympy.FiniteSet):
        return any(all(_different(one, other) for other in answer) for one in gold)
    if isinstance(gold, Expr) and isinstance(answer, Expr):
        return _different_values(gold, answer)
    return False


def _any_different(first: Any, second: Any) -> bool:
    return any(_different(one, other) for one, other in zip(first, second, strict=True))


def _different_values(gold: Expr, answer: Expr) -> bool:
    if any(_has_percent(side) for side in (gold, answer)):
        return False  # 10% = 10 = 0.1 by math-verify's convention
    if isinstance(gold, Symbol) or isinstance(answer, Symbol):
        return False  # words are compared letter by letter: "yes" and y*e*s
    names = sorted({symbol.name for symbol in gold.free_symbols | answer.free_symbols})
    if not names:
        return _different_numbers(_exact(gold), _exact(answer), _tolerance(gold, answer))
    tolerance = _tolerance(gold, answer) if gold.atoms(Float) or answer.atoms(Float) else Rational(1, 10**20)
    return any(_different_numbers(_at(gold, names, shift), _at(answer, names, shift), tolerance) for shift in range(3))


def _has_percent(expression: Expr) -> bool:
    """Whether latex2sympy built a percentage: it multiplies by an unevaluated 1/100."""
    return any(part.args[0] == Rational(1, 100) for part in expression.atoms(sympy.UnevaluatedExpr))


def _exact(expression: Basic) -> Basic:
    """Replace every decimal by the fraction that was written: 0.1 is 1/10."""
    return expression.xreplace({number: Rational(str(number)) for number in expression.atoms(Float)})


def _tolerance(gold: Expr, answer: Expr) -> Rational:
    if not gold.atoms(Float) and not answer.atoms(Float):
        return _EXACT
    terminating = all(_terminating(_exact(side).doit()) for side in (gold, answer))
    return _DECIMAL if terminating else _ROUNDED


def _terminating(number: Basic) -> bool:
    if not isinstance(number, Rational):
        return False
    denominator = int(number.q)
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator == 1


def _at(expression: Expr, names: list[str], shift: int) -> Expr:
    """The expression with positive rationals for its symbols, by name: the two sides may differ in
    assumptions.
    """
    values = {
        symbol: _POINTS[(names.index(symbol.name) + 2 * shift) % len(_POINTS)] + Integer(names.index(symbol.name) // 6)
        for symbol in expression.free_symbols
    }
    return _exact(expression).subs(values)


def _different_numbers(first: Basic, second: Basic, tolerance: Rational) -> bool:
    """Whether two constants differ by more than `tolerance` relative to the larger one."""
    one, other = first.doit(), second.doit()
    if not (isinstance(one, Rational) and isinstance(other, Rational)):
        one, other = sympy.N(one, _DIGITS), sympy.N(other, _DIGITS)
        if not _trustworthy(one) or not _trustworthy(other):
            return False
    size = max(abs(one), abs(other))
    return bool(size > 0 and abs(one - other) > tolerance * size)


def _trustworthy(number: Basic) -> bool:
    """Whether every part of an evaluated number has its digits; a zero that was not proven has none."""
    parts = number.atoms(Float)
    return bool(number.is_number and number.is_finite) and all(part._prec > 100 for part in parts)


def _different_equations(gold: Equality, answer: Equality) -> bool:
    """Whether neither the two differences are proportional nor the first equation has a solution."""
    proportional = _proportional(gold, answer, points=3)
    return proportional is False and not sympy.solve(gold, gold.free_symbols)


def _proportional(gold: Equality, answer: Equality, points: int) -> bool | None:
    """Whether left minus right of the two has a constant ratio at `points` points; None where it has no
    value.
    """
    first, second = gold.lhs - gold.rhs, answer.lhs - answer.rhs
    names = sorted({symbol.name for symbol in first.free_symbols | second.free_symbols})
    ratios = []
    for shift in range(points):
        above = sympy.N(_at(first, names, shift), _DIGITS)
        below = sympy.N(_at(second, names, shift), _DIGITS)
        if not (_trustworthy(above) and _trustworthy(below)) or below == 0:
            return None
        ratios.append(above / below)
    return all(bool(abs(one - other) <= _EXACT * abs(one)) for one, other in pairwise(ratios))


def same_equation(gold: Any, answer: Any) -> bool:
    """Whether two equations, neither of them a solved ``x = ...``, are multiples of each other."""
    try:
        if not (isinstance(gold, Equality) and isinstance(answer, Equality)):
            return False
        if any(isinstance(side, Symbol) for side in (*gold.args, *answer.args)):
            return False  # "2x = 10" does not answer "x = 5"
        names = [{symbol.name for symbol in equation.free_symbols} for equation in (gold, answer)]
        return names[0] == names[1] != set() and _proportional(gold, answer, points=6) is True
    except Exception:  # not evaluated: math-verify's verdict stands
        return False


def equal_with_imaginary_unit(gold: Any, answer: Any) -> bool:
    """Whether two expressions without other variables are equal once i is the imaginary unit."""
    try:
        if not (isinstance(gold, Expr) and isinstance(answer, Expr)):
            return False
        units = {symbol: I for symbol in gold.free_symbols | answer.free_symbols if symbol.name in ("i", "imath")}
        if not units:
            return False
        sides = [side.subs(units) for side in (gold, answer)]
        if any(isinstance(symbol, Symbol) for side in sides for symbol in side.free_symbols):
            return False
        one, other = (sympy.N(side, _DIGITS) for side in sides)
        return bool(abs(one - other) <= _EXACT * max(abs(one), abs(other)))
    except Exception:  # not evaluated: math-verify's verdict stands
        return False


def beyond_computing(expression: Any) -> bool:
    """Whether some number in an unevaluated expression has more than a million digits, by a bound on its
    size.
    """
    try:
        _digits(expression)
    except OverflowError:
        return True
    return False


def _digits(expression: Any) -> float:
    """Return a bound on |log10| of a number (0 for what is no number); raise OverflowError beyond the limit."""
    if isinstance(expression, MatrixBase):
        return max((_digits(entry) for entry in expression.flat()), default=0.0)
    if isinstance(expression, Rational):
        digits = max(abs(int(expression.p)), int(expression.q)).bit_length() * math.log10(2)
    elif isinstance(expression, Float):
        digits = abs(math.log10(abs(float(expression)))) if 0 < abs(float(expression)) < math.inf else 400.0
    else:
        parts = [_digits(part) for part in expression.args]
        if isinstance(expression, sympy.Pow):
            digits = max(parts[0], 0.3) * _magnitude(expression.args[1], parts[1])
        elif isinstance(expression, sympy.exp):
            digits = _magnitude(expression.args[0], parts[0])
        elif isinstance(expression, sympy.factorial):
            size = _magnitude(expression.args[0], parts[0])
            digits = size * math.log10(size + 1)
        else:
            digits = sum(parts)
        if not expression.free_symbols and digits > _MOST_DIGITS:
            raise OverflowError
    return digits if digits <= _MOST_DIGITS else _MOST_DIGITS


def _magnitude(expression: Any, digits: float) -> float:
    """Return a bound on |expression| for an exponent of so many digits; small rationals exactly."""
    if isinstance(expression, Rational):
        return float(abs(expression)) if digits < 300 else math.inf
    return 10.0**digits if digits < 300 else math.inf
