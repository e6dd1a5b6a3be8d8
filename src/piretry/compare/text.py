"""A comparison as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from piretry.compare.model import IDENTICAL, ClaimDiff, Comparison, Header, SettingChange, Sides
from piretry.report.numbers import estimate, interval, number, p_text, plural, with_unit

_MOST = 4  # names written out before "and N more"
_LONGEST = 90  # characters of a setting's value


def comparison_text(found: Comparison) -> str:
    """The comparison: what was compared, every claim, what changed, and the outcome in one line."""
    lines = [*_headers(found), ""]
    for trouble in found.troubles:
        lines.append(f"! {trouble}")
    lines += ["Claims (A, B; difference B − A with 95% interval; p after Holm)", *_claims(found), ""]
    lines += [*_changes(found), "", *filter(None, [about_bases(found)]), outcome(found)]
    return "\n".join(_printable(line) for line in lines)


def outcome(found: Comparison) -> str:
    """The comparison in one sentence."""
    tested = sum(claim.p is not None for claim in found.claims)
    same = sum(claim.kind == IDENTICAL for claim in found.claims)
    counts = f"{plural(len(found.claims), 'claim')}: {tested} tested, {same} identical"
    if not found.differing:
        return f"No claim differs by more than noise ({counts})."
    names = ", ".join(claim.id for claim in found.differing)
    return f"{plural(len(found.differing), 'claim differs', 'claims differ')} by more than noise: {names} ({counts})."


def about_bases(found: Comparison) -> str:
    """What no seed repeats, where it matters: a base that is another model in the other run; else empty."""
    roles = [side.name.partition("/")[0] for side in found.changes.data if side.name.endswith("/base/model")]
    if not roles:
        return ""
    return (
        f"The base of role {listed(roles)} is not the same model in the two runs. Seeds do not repeat it: a difference "
        "in its cells may be one between these two bases."
    )


def changed_words(change: SettingChange) -> str:
    """``k: 1 -> 3``; a key that one run does not have is said to be absent there."""
    return f"{change.key}: {shown(change.a)} → {shown(change.b)}"


def shown(value: str | None) -> str:
    """A setting's value, shortened; ``(absent)`` for none."""
    if value is None:
        return "(absent)"
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more."""
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")


def _headers(found: Comparison) -> Iterator[str]:
    for name, header in (("A", found.a), ("B", found.b)):
        yield f"{name}  {_header(header)}"


def _header(header: Header) -> str:
    run = f"run {header.run[:8]}" if header.run else "no run.json"
    return (
        f"{header.folder}: scale {header.scale}, {run}, {plural(header.artifacts, 'artifact')}, "
        f"{plural(header.claims, 'claim')}, finished {header.finished or 'at an unknown time'}"
    )


def _claims(found: Comparison) -> Iterator[str]:
    for claim in found.claims:
        mark = "*" if claim.differs else " "
        yield f"{mark} {claim.id:<22} {_measured(claim)}"
        if claim.verdict_changed:
            yield f"    verdict: {claim.verdict_a} → {claim.verdict_b}"
    for control in found.controls:
        same = control.verdict_a == control.verdict_b
        told = control.verdict_a if same else f"{control.verdict_a or 'absent'} → {control.verdict_b or 'absent'}"
        yield f"  {control.id:<22} control: {told}"


def _measured(claim: ClaimDiff) -> str:
    if claim.p is None:
        values = [estimate(m, m["unit"]) for m in (claim.measured_a, claim.measured_b) if m]
        return f"{' | '.join(dict.fromkeys(values))}  [{claim.says}]".strip()
    part = min(claim.parts, key=lambda part: part.p)
    noise = "more than noise" if claim.differs else "within noise"
    which = f"{part.label}: " if len(claim.parts) > 1 else ""
    return (
        f"{which}{with_unit(part.a, part.unit)} | {with_unit(part.b, part.unit)}; {number(part.difference, 'pp')} "
        f"{interval(part.low, part.high, 'pp')}, {p_text(claim.p_holm)}, {claim.kind}: {noise}"
    )


def _changes(found: Comparison) -> Iterator[str]:
    changes = found.changes
    yield from _section("Settings", [_setting(change) for change in changes.settings])
    yield from _section("Cells and seeds", [_side(side) for side in changes.seeds])
    code = [f"{c.stage} ({plural(c.artifacts, 'artifact')}): {listed(c.modules)}" for c in changes.code]
    yield from _section("Code", [*code, *map(_side, changes.checkout)])
    for name, sides in (
        ("Data and models", changes.data),
        ("Container image", changes.images),
        ("Packages", changes.packages),
        ("Machines", changes.machines),
    ):
        yield from _section(name, [_side(side) for side in sides])
    files = [
        f"{f.stage}: {f.identical} identical, {f.different} different"
        + (f", {f.only_a} in A alone" if f.only_a else "")
        + (f", {f.only_b} in B alone" if f.only_b else "")
        for f in changes.files
    ]
    yield from _section("Artifacts", files)
    origins = [
        f"{o.stage}, same inputs but other bytes ({', '.join(o.reasons) or 'nothing in the records explains it'}): "
        f"{listed(o.targets)}"
        for o in changes.origins
    ]
    yield from _section("Where the runs part", origins, "nowhere")


def _setting(change: SettingChange) -> str:
    return f"{change.stage}: {changed_words(change)}  [{listed(change.targets)}]"


def _side(side: Sides) -> str:
    return f"{side.name}: {listed(side.a) or '(absent)'} → {listed(side.b) or '(absent)'}"


def _section(name: str, lines: Sequence[str], nothing: str = "the same") -> Iterator[str]:
    if not lines:
        yield f"{name}: {nothing}"
        return
    yield f"{name}:"
    for line in lines:
        yield f"  {line}"


def _printable(text: str) -> str:
    """Names and values are not ours: no control character reaches the terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
