"""One claim as the page shows it; claims of the FAQ and negative controls alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from piretry.report.numbers import estimate, with_unit
from piretry.report.parts import anchors, hours
from piretry.report.parts.chain import Chain, chain_view
from piretry.report.parts.chain_graph import chain_graph
from piretry.report.parts.protocol import Summary, summaries
from piretry.report.parts.quantities import QuantityView, quantity_views, span
from piretry.report.parts.sources import Note, notes_for
from piretry.report.parts.tested import TestView, test_view
from piretry.report.parts.verdicts import Badge, badge
from piretry.report.results import Results


@dataclass(frozen=True)
class ClaimView:
    """One claim, as text."""

    id: str
    anchor: str
    says: str
    published: str
    statistic: str
    family: str
    measured: str
    measured_label: str
    badge: Badge
    reasons: list[str]
    needed: list[str]
    caveats: list[str]
    run: bool
    n: object
    seeds: list[int]
    mde: str
    other_decoding: str
    primary: str
    quantities: list[QuantityView]
    tests: list[TestView]
    variants: list[tuple[str, str, str]]
    tables: list[str]
    command: str
    target: str
    cost: str
    drawer: str
    chain: Chain
    graph: Markup
    protocol: list[Summary]
    notes: list[Note]


def claim_view(results: Results, claim: Mapping[str, Any], path: str) -> ClaimView:
    """The view of a claim whose result file is `path`."""
    declared = results.declared.get(claim["id"], {})
    chain = chain_view(results, path, claim["quantities"])
    measured = claim["measured"]
    mde = claim.get("mde")
    return ClaimView(
        id=claim["id"],
        anchor=anchors.claim(claim["id"]),
        says=claim["says"],
        published=claim.get("published") or "",
        statistic=claim.get("statistic") or "",
        family=claim.get("family") or "",
        measured=measured_text(claim),
        measured_label=measured_label(measured) if measured else "",
        badge=badge(claim["verdict"]),
        reasons=list(claim["reasons"]),
        needed=list(claim.get("needed") or ()),
        caveats=list(claim.get("caveats") or ()),
        run=claim["status"] != "not_run",
        n=claim.get("n"),
        seeds=sorted(claim.get("seeds") or ()),
        mde=with_unit(mde, claim.get("mde_unit") or "pp").lstrip("+") if mde is not None else "",
        primary=claim.get("primary") or "",
        other_decoding="sampled" if claim.get("primary") == "greedy" else "greedy",
        quantities=quantity_views(claim["quantities"], declared),
        tests=[test_view(test, claim["reading"]) for test in claim["tests"]],
        variants=_variants(claim, declared),
        tables=list(claim.get("tables") or ()),
        command=rebuild_command(results, claim["target"]),
        target=claim["target"],
        cost=hours.in_words(results, claim["id"]) if claim["status"] != "not_run" else "",
        drawer=anchors.drawer(claim["id"]),
        chain=chain,
        graph=chain_graph(chain.spots),
        protocol=summaries(results, claim["quantities"]),
        notes=notes_for(results, claim["id"]),
    )


def _variants(claim: Mapping[str, Any], declared: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Every declared other reading of the claim's cell: what it is, its cell, and its value (empty: not run here)."""
    measured = {variant["label"]: variant for variant in claim.get("variants") or ()}
    rows = []
    for variant in declared.get("variants") or ():
        series = variant["of"]["series"]
        found = measured.get(f"{variant['of']['measure']} {series}")
        rows.append((variant["says"], series, estimate(found, found["unit"]) if found else ""))
    return rows


def measured_text(claim: Mapping[str, Any]) -> str:
    """The claim's headline number with its interval; empty when nothing was measured."""
    measured = claim["measured"]
    if not measured:
        return ""
    for quantity in claim["quantities"]:
        if quantity["label"] == measured["label"] and quantity.get("kind"):  # a ratio, whose set may be unbounded
            return f"{with_unit(quantity['value'], quantity['unit'])} {span(quantity)}"
    return estimate(measured, measured["unit"])


def measured_label(measured: Mapping[str, Any]) -> str:
    """What the headline number is; for an equivalence it is the difference that decides."""
    return "the widest of the differences" if measured["measure"] == "equivalence" else str(measured["label"])


def rebuild_command(results: Results, target: str) -> str:
    """The command that builds `target` (a path from the checkout), with the scale where it is not the usual one."""
    scale = results.scale["name"]
    return f"snakemake --cores 2 {target}" + ("" if scale == "mini" else f" --config scale={scale}")
