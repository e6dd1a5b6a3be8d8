"""Verdict rules: estimates in, verdicts out; fixed before any run, in words in docs/statistics.md.

Every test of a claim yields two p values. `p_pass` is against "what is claimed does not hold", `p_fail`
against "what is claimed holds". A claim with several tests passes when all pass (`p_pass`: the largest, an
intersection-union test) and fails when any fails (`p_fail`: the smallest times their number). Within a
family of claims Holm's correction is applied to all `p_pass` and, separately, to all `p_fail`: at most
alpha is the chance that the family holds any claim confirmed wrongly, and at most alpha that it holds any
refuted wrongly. What is neither is `inconclusive`.

Estimates are fractions of 1. What a claim states (published value, tolerance, margin) comes in the claim's
unit and is converted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from piretry.errors import PiretryError
from piretry.stats.equivalence import outside_p, tost
from piretry.stats.estimate import Estimate
from piretry.stats.multiple import Required, holm
from piretry.stats.power import complete, problems_needed, seeds_needed
from piretry.stats.ratio import RatioEstimate


class Reading(StrEnum):
    """What a scale can say: `paper` judges the published figure, `direction` only the sign of the effect."""

    PAPER = "paper"
    DIRECTION = "direction"


class Outcome(StrEnum):
    """Result of a test or claim before it is put in the words of a reading."""

    PASS = "pass"
    FAIL = "fail"
    OPEN = "open"


VERDICTS = {
    Reading.PAPER: {
        Outcome.PASS: "reproduced", Outcome.FAIL: "not reproduced", Outcome.OPEN: "inconclusive",
    },
    Reading.DIRECTION: {
        Outcome.PASS: "same direction", Outcome.FAIL: "opposite direction", Outcome.OPEN: "inconclusive",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """How a fraction is written: multiplied by `factor`, followed by `name`."""

    name: str
    factor: float

    def signed(self, fraction: float) -> str:
        """With sign and unit: +8.8 pp."""
        return f"{fraction * self.factor:+.1f} {self.name}"

    def interval(self, estimate: Estimate) -> str:
        """Estimate and interval: +8.8 pp [+5.2, +12.4] at 95%, 3 seeds x 500 problems."""
        low, high = estimate.low * self.factor, estimate.high * self.factor
        seeds = f"{estimate.n_seeds} seed{'' if estimate.n_seeds == 1 else 's'}"
        return (
            f"{self.signed(estimate.value)} [{low:+.1f}, {high:+.1f}] "
            f"({100 * estimate.level:g}% interval, {seeds} x {estimate.n_problems} problems)"
        )


PP = Unit("pp", 100.0)
PERCENT = Unit("%", 100.0)
PER_1000 = Unit("per 1,000", 1000.0)


@dataclass(frozen=True)
class ValueEvidence:
    """A measured gain (`signed`) or accuracy (not `signed`) against a published value, both in `unit`."""

    label: str
    estimate: Estimate
    published: float
    tolerance: float
    unit: Unit = PP
    signed: bool = True


@dataclass(frozen=True)
class SignEvidence:
    """A measured difference that is claimed to be greater (`sign` +1) or smaller (-1) than 0.

    `published` (in `unit`), where there is a figure, is what `needed` asks a larger run to see; else the
    measured one.
    """

    label: str
    estimate: Estimate
    sign: int = 1
    unit: Unit = PP
    published: float | None = None


@dataclass(frozen=True)
class AboveEvidence:
    """A measured value that is claimed to lie above a threshold (in `unit`), whatever the reading."""

    label: str
    estimate: Estimate
    threshold: float
    unit: Unit


@dataclass(frozen=True)
class RatioEvidence:
    """A measured ratio of gains against a published one, within a factor.

    `difference` is the estimate of numerator - denominator.
    """

    label: str
    ratio: RatioEstimate
    difference: Estimate
    published: float
    factor: float


@dataclass(frozen=True)
class EquivalenceEvidence:
    """Measured differences of all pairs (label -> estimate) that are claimed to lie within +-`margin`."""

    label: str
    pairs: Mapping[str, Estimate]
    margin: float
    unit: Unit = PP


@dataclass(frozen=True)
class CountEvidence:
    """A count against the one that is claimed; `at_most` makes the claim "no more than"."""

    label: str
    measured: int
    expected: int
    at_most: bool = False


Evidence = ValueEvidence | SignEvidence | AboveEvidence | RatioEvidence | EquivalenceEvidence | CountEvidence


@dataclass(frozen=True)
class Goal:
    """An effect (fraction) that a larger run would have to see, with the estimate whose variances say how large."""

    estimate: Estimate
    effect: float
    unit: Unit


@dataclass(frozen=True)
class Finding:
    """One test of a claim before correction: p values, the conditions that are not tests, and the sentences.

    `p_pass` or `p_fail` is None when no test decides that side; `met` says whether the other conditions for
    passing hold and `ruled_out` whether the claim is refuted without any test. `applies` is False for a
    test that says nothing at this reading. `measured` is the result in words; `passes`, `fails` and
    `undecided` say what follows. `mde`: the smallest effect (fraction) that the run could have seen at
    `alpha`, or the smallest margin that it could have established. `goal`: what a larger run would have to
    see to decide it.
    """

    label: str
    p_pass: float | None
    p_fail: float | None
    met: bool
    ruled_out: bool
    applies: bool
    measured: str
    passes: str
    fails: str
    undecided: str
    mde: float | None = None
    goal: Goal | None = None
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The verdict on a claim, with its reasons.

    `p_pass` and `p_fail` are the claim's own, `..._adjusted` those after Holm over its family. `mde`: the
    largest of its tests' smallest visible effects (fraction), at the family's strictest level alpha /
    `family_size`. `needed`: what would decide the open tests of an inconclusive claim. `caveats`: notes of
    the estimates, each once.
    """

    verdict: str
    outcome: Outcome
    reading: Reading
    reasons: tuple[str, ...]
    p_pass: float | None
    p_fail: float | None
    p_pass_adjusted: float | None
    p_fail_adjusted: float | None
    alpha: float
    family_size: int
    mde: float | None
    needed: tuple[str, ...]
    caveats: tuple[str, ...]
    findings: tuple[Finding, ...] = field(repr=False)

    @property
    def reason(self) -> str:
        """The reasons as one text."""
        return " ".join(self.reasons)


def judge_family(
    claims: Mapping[str, Sequence[Evidence]], reading: Reading | str, alpha: float = 0.05
) -> dict[str, Decision]:
    """Judge all claims of one family together; keys are claim ids, values the evidence of all their tests.

    A claim whose evidence is not there yet stays out of the mapping and is not counted in the correction.
    """
    kind = Reading(reading)
    size = max(sum(any(_tested(item, kind) for item in items) for items in claims.values()), 1)
    strictest = alpha / size
    found = {name: tuple(assess(item, kind, strictest) for item in items) for name, items in claims.items()}
    joined = {name: _join(findings) for name, findings in found.items()}
    passes = dict(zip(joined, holm([both[0] for both in joined.values()]), strict=True))
    fails = dict(zip(joined, holm([both[1] for both in joined.values()]), strict=True))
    return {name: _decide(found[name], kind, alpha, size, joined[name], (passes[name], fails[name])) for name in claims}


def judge(evidence: Sequence[Evidence], reading: Reading | str, alpha: float = 0.05) -> Decision:
    """Judge one claim that is a family of its own."""
    return judge_family({"claim": evidence}, reading, alpha)["claim"]


def _tested(evidence: Evidence, reading: Reading) -> bool:
    """Whether a statistical test decides it, so that it counts in the family's correction."""
    if isinstance(evidence, ValueEvidence):
        return evidence.signed or reading is Reading.PAPER
    return not isinstance(evidence, CountEvidence)


def assess(evidence: Evidence, reading: Reading, alpha: float = 0.05) -> Finding:
    """One test's p values and sentences; `alpha` is the level for its smallest visible effect."""
    match evidence:
        case ValueEvidence():
            return _value(evidence, reading, alpha)
        case SignEvidence():
            return _sign(evidence, alpha)
        case AboveEvidence():
            return _above(evidence, alpha)
        case RatioEvidence():
            return _ratio(evidence, reading, alpha)
        case EquivalenceEvidence():
            return _equivalence(evidence, alpha)
        case CountEvidence():
            return _count(evidence)


def _value(evidence: ValueEvidence, reading: Reading, alpha: float) -> Finding:
    unit, estimate = evidence.unit, evidence.estimate
    _check_positive(evidence.label, "tolerance", evidence.tolerance)
    published, tolerance = evidence.published / unit.factor, evidence.tolerance / unit.factor
    if evidence.signed and published == 0:
        raise PiretryError(
            f"{evidence.label}: a published gain of 0 has no sign to reproduce. "
            "Declare an equivalence test with a margin instead."
        )
    if reading is Reading.DIRECTION:
        if evidence.signed:
            sign = 1 if published > 0 else -1
            return _sign(SignEvidence(evidence.label, estimate, sign, unit), alpha)
        text = f"{evidence.label} is {unit.interval(estimate)}; this scale does not judge the published value."
        return Finding(evidence.label, None, None, True, False, False, text, "", "", "")
    low, high = published - tolerance, published + tolerance
    p_pass = None
    if evidence.signed:
        required = Required(evidence.label, estimate, 1 if published > 0 else -1)
        p_pass = required.p_right
        low, high = (max(low, 0.0), high) if published > 0 else (low, min(high, 0.0))
    close = abs(estimate.value - published) <= tolerance
    precise = estimate.half_width <= tolerance
    size = f"{evidence.tolerance:g} {unit.name}"
    missing = [] if close else [f"the estimate is further than {size} from the published value"]
    if not precise:
        missing.append(f"the interval's half width, {estimate.half_width * unit.factor:.1f}, exceeds {size}")
    if p_pass is not None and p_pass >= alpha:
        missing.append(f"the sign is not established (p = {_p(p_pass)}; {_visible(estimate, alpha, unit)})")
    whole = low <= estimate.low and estimate.high <= high
    within = f"the {'whole interval' if whole else 'estimate'} lies within {size} of the published value"
    return Finding(
        evidence.label, p_pass, outside_p(estimate, low, high), close and precise, False, True,
        f"{evidence.label} is {unit.interval(estimate)}; published {unit.signed(published)}.",
        f"{within}{' and the effect has the published sign' if evidence.signed else ''}",
        f"the true value lies outside [{low * unit.factor:+.1f}, {high * unit.factor:+.1f}] {unit.name}",
        " and ".join(missing), estimate.mde_at(alpha),
        Goal(estimate, published if evidence.signed else tolerance, unit), estimate.notes,
    )  # fmt: skip


def _sign(evidence: SignEvidence, alpha: float) -> Finding:
    if evidence.sign not in (1, -1):
        raise PiretryError(f"{evidence.label}: a claimed sign is 1 or -1, not {evidence.sign}.")
    unit, estimate = evidence.unit, evidence.estimate
    required = Required(evidence.label, estimate, evidence.sign)
    expected = estimate.value if evidence.published is None else evidence.published / unit.factor
    more, less = ("greater", "smaller") if evidence.sign > 0 else ("smaller", "greater")
    return Finding(
        evidence.label, required.p_right, required.p_wrong, True, False, True,
        f"{evidence.label} is {unit.interval(estimate)}.",
        f"it is {more} than 0", f"it is {less} than 0",
        f"its sign is not established (p = {_p(required.p_right)}; {_visible(estimate, alpha, unit)})",
        estimate.mde_at(alpha), Goal(estimate, expected, unit), estimate.notes,
    )  # fmt: skip


def _above(evidence: AboveEvidence, alpha: float) -> Finding:
    unit, estimate = evidence.unit, evidence.estimate
    threshold = evidence.threshold / unit.factor
    p_above = min(1.0, 2.0 * estimate.p_greater(threshold))
    limit = f"{evidence.threshold:g} {unit.name}"
    return Finding(
        evidence.label, p_above, min(1.0, 2.0 * estimate.p_less(threshold)), True, False, True,
        f"{evidence.label} is {unit.interval(estimate)}; the threshold is {limit}.",
        f"it is above {limit}", f"it is below {limit}",
        f"it cannot be told from {limit} (p = {_p(p_above)}; {_visible(estimate, alpha, unit)})",
        estimate.mde_at(alpha), Goal(estimate, estimate.value - threshold, unit), estimate.notes,
    )  # fmt: skip


def _ratio(evidence: RatioEvidence, reading: Reading, alpha: float) -> Finding:
    if not (evidence.published > 0 and evidence.factor > 1):
        raise PiretryError(
            f"{evidence.label}: a ratio claim needs a published ratio above 0 and a factor above 1, not "
            f"{evidence.published} and {evidence.factor}."
        )
    measured = _ratio_words(evidence)
    if reading is Reading.DIRECTION:
        sign = 1 if evidence.published > 1 else -1
        finding = _sign(SignEvidence("the difference of the two", evidence.difference, sign), alpha)
        return replace(finding, label=evidence.label, measured=f"{measured} {_capital(finding.measured)}")
    ratio = evidence.ratio
    low, high = evidence.published / evidence.factor, evidence.published * evidence.factor
    # numerator > low * denominator and numerator < high * denominator together imply a denominator above 0
    inside = min(1.0, 2.0 * max(ratio.p_greater(low), ratio.p_less(high)))
    outside = min(1.0, 2.0 * min(ratio.p_less(low), ratio.p_greater(high)))
    band = f"[{low:.1f}, {high:.1f}]"
    return Finding(
        evidence.label, inside, outside, True, False, True, measured,
        f"it lies within {band}, a factor {evidence.factor:g} of the published {evidence.published:g}",
        f"it lies outside {band} or the smaller gain is not above 0",
        f"its set lies neither inside nor outside {band}, a factor {evidence.factor:g} of the published "
        f"{evidence.published:g} ({_visible(evidence.difference, alpha, PP)} between the two gains)",
        evidence.difference.mde_at(alpha), None, ratio.notes,
    )  # fmt: skip


def _ratio_words(evidence: RatioEvidence) -> str:
    ratio = evidence.ratio
    value = "undefined" if ratio.value is None else f"{ratio.value:.1f}"
    if ratio.kind == "interval":
        found = f"[{ratio.low:.1f}, {ratio.high:.1f}]"
    elif ratio.kind == "rays":
        found = f"below {ratio.pieces[0][1]:.1f} or above {ratio.pieces[1][0]:.1f}, unbounded"
    else:
        found = "any value, unbounded"
    return (
        f"{evidence.label} is {value} ({PP.signed(ratio.numerator)} against {PP.signed(ratio.denominator)}; "
        f"{100 * ratio.level:g}% Fieller set: {found})."
    )


def _equivalence(evidence: EquivalenceEvidence, alpha: float) -> Finding:
    _check_positive(evidence.label, "margin", evidence.margin)
    if not evidence.pairs:
        raise PiretryError(f"{evidence.label}: an equivalence claim needs at least two cells to compare.")
    unit = evidence.unit
    margin = evidence.margin / unit.factor
    tests = {name: tost(estimate, margin, alpha) for name, estimate in evidence.pairs.items()}
    widest = max(tests, key=lambda name: tests[name].p_value)
    furthest = min(tests, key=lambda name: tests[name].p_outside)
    smallest = max(test.smallest_margin for test in tests.values())
    size = f"{evidence.margin:g} {unit.name}"
    return Finding(
        evidence.label,
        max(test.p_value for test in tests.values()),
        min(1.0, len(tests) * min(test.p_outside for test in tests.values())),
        True, False, True,
        f"{evidence.label}: of {len(tests)} pair{'s' if len(tests) > 1 else ''} the least certain is "
        f"{widest}, "
        f"{unit.interval(evidence.pairs[widest])}.",
        f"every pair lies within +-{size}",
        f"a pair differs by more than {size}, {furthest}",
        f"not every pair is shown to lie within +-{size} and none to differ by more (p = "
        f"{_p(tests[widest].p_value)} for equivalence; the smallest margin that this run could have "
        f"established is {smallest * unit.factor:.1f} {unit.name})",
        smallest, None, tuple(dict.fromkeys(note for pair in evidence.pairs.values() for note in pair.notes)),
    )  # fmt: skip


def _count(evidence: CountEvidence) -> Finding:
    holds = evidence.measured <= evidence.expected if evidence.at_most else evidence.measured == evidence.expected
    relation = "at most " if evidence.at_most else ""
    return Finding(
        evidence.label, None, None, holds, not holds, True,
        f"{evidence.label}: {evidence.measured:,} counted, {relation}{evidence.expected:,} claimed.",
        "the counts agree", "the counts differ", "",
    )  # fmt: skip


def _join(findings: Sequence[Finding]) -> tuple[float | None, float | None]:
    """A claim's own p values from those of its tests."""
    heard = [finding for finding in findings if finding.applies]
    passes = [finding.p_pass for finding in heard if finding.p_pass is not None]
    fails = [finding.p_fail for finding in heard if finding.p_fail is not None]
    return max(passes, default=None), min(1.0, len(fails) * min(fails)) if fails else None


def _decide(
    findings: tuple[Finding, ...],
    reading: Reading,
    alpha: float,
    family_size: int,
    own: tuple[float | None, float | None],
    adjusted: tuple[float | None, float | None],
) -> Decision:
    heard = [finding for finding in findings if finding.applies]
    refuted = any(f.ruled_out for f in heard) or (adjusted[1] is not None and adjusted[1] < alpha)
    confirmed = bool(heard) and all(f.met for f in heard) and (adjusted[0] is None or adjusted[0] < alpha)
    outcome = Outcome.FAIL if refuted else Outcome.PASS if confirmed else Outcome.OPEN
    reasons = [_capital(finding.measured) for finding in findings]
    needed: tuple[str, ...] = ()
    if outcome is Outcome.FAIL:
        reasons.append(_refuted(heard, own[1], adjusted[1]))
    elif outcome is Outcome.PASS:
        passed = "; ".join(_subject(f, f.passes, heard) for f in heard)
        reasons.append(f"{_capital(passed)}{_p_words(own[0], adjusted[0])}.")
    else:
        reasons += _undecided(heard, own[0], adjusted[0], alpha)
        strictest = alpha / family_size
        texts = {f.label: _needed(f.goal, strictest) for f in heard if f.goal and _is_open(f, strictest)}
        needed = tuple(f"{label}: {text}" for label, text in texts.items() if text)
    visible = [finding.mde for finding in heard if finding.mde is not None]
    return Decision(
        VERDICTS[reading][outcome], outcome, reading, tuple(reasons), *own, *adjusted,
        alpha, family_size, max(visible, default=None), needed,
        tuple(dict.fromkeys(note for finding in findings for note in finding.caveats)), findings,
    )  # fmt: skip


def _refuted(heard: Sequence[Finding], own: float | None, adjusted: float | None) -> str:
    ruled_out = [finding for finding in heard if finding.ruled_out]
    if ruled_out:
        return f"{_capital('; '.join(_subject(f, f.fails, heard) for f in ruled_out))}."
    worst = min((f for f in heard if f.p_fail is not None), key=lambda f: f.p_fail or 0.0)
    return f"{_capital(_subject(worst, worst.fails, heard))}{_p_words(own, adjusted)}."


def _undecided(heard: Sequence[Finding], own: float | None, adjusted: float | None, alpha: float) -> list[str]:
    if not heard:
        return ["No test of this claim says anything at this scale."]
    still_open = [finding for finding in heard if _is_open(finding, alpha)]
    if not still_open:
        return [f"It holds by itself and not after the correction for its family{_p_words(own, adjusted)}."]
    return [f"{_capital(_subject(finding, finding.undecided, heard))}." for finding in still_open]


def _is_open(finding: Finding, alpha: float) -> bool:
    return not finding.met or (finding.p_pass is not None and finding.p_pass >= alpha)


def _subject(finding: Finding, text: str, heard: Sequence[Finding]) -> str:
    """The text, with the test's label in front when the claim has several tests."""
    return f"{finding.label}: {text}" if len(heard) > 1 else text


def _needed(goal: Goal, alpha: float) -> str:
    """What would show an effect of this size, from the variances that this run measured."""
    estimate, effect = goal.estimate, goal.effect
    if effect == 0 or estimate.sparse:
        return ""
    parts = complete(estimate.components)
    assumed = " (assuming a seed SD of 0.9 pp)" if estimate.components.seed is None else ""
    seeds = seeds_needed(effect, parts, estimate.n_problems, alpha, seed_df=estimate.seed_df)
    if seeds is not None and seeds <= max(estimate.n_seeds, 2):
        return ""
    with_seeds = max(estimate.n_seeds, 3)
    problems = problems_needed(effect, parts, with_seeds, alpha, seed_df=estimate.seed_df)
    options = []
    if seeds is not None:
        options.append(f"{seeds} seeds on these {estimate.n_problems} problems")
    if problems is not None:
        options.append(f"{problems:,} problems with {with_seeds} seeds")
    wanted = f"to see {goal.unit.signed(effect)} with 80% power{assumed}"
    return f"{wanted}: {' or '.join(options) or 'no number of seeds or problems suffices'}"


def _visible(estimate: Estimate, alpha: float, unit: Unit) -> str:
    return f"this run could have seen {estimate.mde_at(alpha) * unit.factor:.1f} {unit.name}"


def _p_words(own: float | None, adjusted: float | None) -> str:
    if own is None or adjusted is None:
        return ""
    return f" (p = {_p(own)})" if own == adjusted else f" (p = {_p(own)}, {_p(adjusted)} after Holm's correction)"


def _p(value: float) -> str:
    return f"{value:.1e}" if value < 1e-4 else f"{value:.4f}" if value < 0.01 else f"{value:.3f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _check_positive(label: str, name: str, value: float) -> None:
    if not value > 0:
        raise PiretryError(f"{label}: the {name} must be greater than 0, not {value}. Set it in claims.yaml.")
