"""How a problem is asked and an answer is sampled, for mathematics and, with settings of their own, for theorems."""

from __future__ import annotations

from pydantic import Field

from piretry.settings.mini import Positive
from piretry.settings.model import Settings


class SamplingSettings(Settings):
    """Every sampling field, stated, because engines and checkpoints differ in their defaults."""

    temperature: float = Field(ge=0, description="0 is greedy decoding.")
    top_p: float = Field(gt=0, le=1, description="Nucleus mass; 1 keeps every token.")
    top_k: int = Field(ge=0, description="Tokens kept; 0 keeps every token.")
    max_tokens: Positive = Field(description="A completion cut off here counts as no_answer.")


class ChatSettings(Settings):
    """How a problem becomes a prompt."""

    system: str | None = Field(description="System turn, or null for none. Not stated by the sources.")
    instruction: str = Field(
        description="Appended to each problem, e.g. how to box the answer. Not stated by the sources."
    )
    template_options: dict[str, bool | str] = Field(
        description="Keyword arguments of the chat template, e.g. enable_thinking. Not stated by the sources."
    )
