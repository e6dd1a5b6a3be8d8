"""The FAQ's sections and questions in its own order, each with its claims and charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from piretry.report.charts.figure import Figure
from piretry.report.figures import question_figures
from piretry.report.parts import anchors
from piretry.report.parts.claims import ClaimView, claim_view
from piretry.report.parts.retold import Answer, answer
from piretry.report.results import Results


@dataclass(frozen=True)
class Question:
    """One question of the FAQ."""

    anchor: str
    text: str
    answer: Answer
    claims: list[ClaimView]
    figures: list[Figure]


def view(results: Results) -> dict[str, Any]:
    """`sections`: (id, name, questions) in the FAQ's order."""
    sections = []
    for name, questions in results.questions.items():
        shown = []
        for number, (text, claims) in enumerate(questions.items(), start=1):
            slug = f"{anchors.slug(name)}-{number}"
            views = [claim_view(results, claim, results.inputs[f"claim:{claim['id']}"]) for claim in claims]
            shown.append(
                Question(f"q-{slug}", text, answer(results, claims), views, question_figures(results, claims, slug))
            )
        sections.append((anchors.slug(name), name, shown))
    return {"sections": sections}
