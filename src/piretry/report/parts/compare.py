"""Two runs side by side: a section of a page, and a page of its own."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from piretry.compare.model import (
    EXACT,
    IDENTICAL,
    NOT_COMPARED,
    ClaimDiff,
    Comparison,
    Header,
    Part,
    SettingChange,
    Sides,
)
from piretry.compare.text import about_bases, outcome, shown
from piretry.errors import PiretryError
from piretry.report.numbers import estimate as estimate_text
from piretry.report.numbers import (
    interval,
    listed,
    moment,
    number,
    p_text,
    plural,
    prose,
    sentence,
    short,
)
from piretry.report.parts.verdicts import Badge

_WORDS = {
    "identical": Badge("identical", "=", "none"),
    "noise": Badge("within noise", "≈", "agree"),
    "differs": Badge("more than noise", "≠", "disagree"),
    "not compared": Badge("not compared", "–", "none"),
}
_TARGETS = 200  # names of cells written out for one change: the JSON has all


def compare_view(found: Comparison) -> dict[str, Any]:
    """What the section shows, in the words and numbers of the page."""
    changes = found.changes
    return {
        "runs": [_run(name, header) for name, header in (("A", found.a), ("B", found.b))],
        "outcome": outcome(found),
        "bases": about_bases(found),
        "differs": bool(found.differing),
        "troubles": list(found.troubles),
        "groups": _groups(found.claims),
        "controls": [
            (control.id, control.verdict_a or "absent", control.verdict_b or "absent") for control in found.controls
        ],
        "settings": [_setting(change) for change in changes.settings],
        "sides": [(title, [_side(side) for side in sides]) for title, sides in _titled(found) if sides],
        "same": _same(found),
        "code": [(change.stage, change.artifacts, change.modules) for change in changes.code],
        "files": changes.files,
        "origins": [
            (origin.stage, listed(origin.reasons) or "nothing in the records", origin.targets[:_TARGETS])
            for origin in changes.origins
        ],
    }


def compare_page(found: Comparison) -> str:
    """The section as one HTML document that loads nothing."""
    from piretry.report.page import environment

    template = environment().get_template("compare_page.html.j2")
    return str(template.render(title="Two runs compared", view=compare_view(found)))


def write_page(found: Comparison, path: Path) -> None:
    """Write the page of a comparison to `path`, whole or not at all; PiretryError where that cannot be done."""
    draft = path.with_name(f".tmp-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(compare_page(found), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise PiretryError(f"--html {path}: the page cannot be written there ({error.strerror}).") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _titled(found: Comparison) -> list[tuple[str, tuple[Sides, ...]]]:
    changes = found.changes
    return [
        ("Cells and seeds", changes.seeds),
        ("Commit", changes.checkout),
        ("Data and models", changes.data),
        ("Container image", changes.images),
        ("Packages", changes.packages),
        ("Machines", changes.machines),
    ]


def _same(found: Comparison) -> str:
    """One sentence on all that did not change; empty when everything did."""
    told = [("Settings", found.changes.settings), ("Code", found.changes.code), *_titled(found)]
    names = [title if index == 0 else title.lower() for index, title in enumerate(t for t, what in told if not what)]
    return f"{listed(names)}: the same in both runs." if names else ""


def _run(name: str, header: Header) -> dict[str, str]:
    times = [header.started and moment(header.started), header.finished and moment(header.finished)]
    return {
        "name": name,
        "folder": header.folder,
        "scale": header.scale,
        "run": short(header.run) if header.run else "no run.json",
        "when": " to ".join(time for time in times if time) or "unknown",
        "size": f"{plural(header.artifacts, 'artifact')}, {plural(header.claims, 'claim')}",
    }


def _groups(claims: tuple[ClaimDiff, ...]) -> list[tuple[str, list[dict[str, Any]]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for claim in claims:
        groups.setdefault(claim.section, []).append(_row(claim))
    return list(groups.items())


def _row(claim: ClaimDiff) -> dict[str, Any]:
    part = min(claim.parts, key=lambda part: part.p) if claim.parts else None
    return {
        "id": claim.id,
        "claim": claim.claim,
        "badge": _badge(claim),
        "a": _measured(claim.measured_a),
        "b": _measured(claim.measured_b),
        "verdicts": (claim.verdict_a, claim.verdict_b),
        "changed": claim.verdict_changed,
        # A difference of whatever unit has a sign, as percentage points have.
        "difference": "" if part is None else f"{number(part.difference, 'pp')} {part.unit}",
        "interval": "" if part is None else interval(part.low, part.high, "pp"),
        "says": prose(_says(claim, part)),
        "notes": [] if part is None else [sentence(prose(note)) for note in part.notes],
    }


def _badge(claim: ClaimDiff) -> Badge:
    if claim.differs:
        return _WORDS["differs"]
    return _WORDS[claim.kind if claim.kind in (IDENTICAL, NOT_COMPARED) else "noise"]


def _says(claim: ClaimDiff, part: Part | None) -> str:
    if part is None or claim.kind == EXACT:
        return sentence(claim.says)
    seeds = f", {plural(len(part.seeds), 'pair')} of seeds" if part.seeds else ""
    which = f" The part that differs most: {part.label}." if len(claim.parts) > 1 else ""
    problems = plural(part.n_problems, "problem")
    return f"{sentence(claim.says)} {problems}{seeds}; {p_text(claim.p_holm)} after Holm; {part.method}.{which}"


def _measured(measured: dict[str, Any] | None) -> str:
    return "–" if measured is None else estimate_text(measured, measured["unit"])


def _setting(change: SettingChange) -> dict[str, Any]:
    return {
        "stage": change.stage,
        "key": change.key,
        "a": shown(change.a),
        "b": shown(change.b),
        "where": change.targets[:_TARGETS],
        "count": len(change.targets),
    }


def _side(side: Sides) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return side.name, side.a or ("absent",), side.b or ("absent",)
