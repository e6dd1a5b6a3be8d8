"""What every engine does in the same way: dialogues to prompt tokens, generated tokens to a completion.

Engines differ in how they generate; which tokens they see, where a completion ends, what is counted and which text is
kept must not differ, so it is here once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piretry.engines.base import Completion, Request


@dataclass(frozen=True)
class Prompt:
    """The exact text of a dialogue, generation prompt included, and its tokens."""

    text: str
    tokens: list[int]

    @property
    def digest(self) -> str:
        """SHA-256 of the text, 16 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def load_tokenizer(model: Path) -> Any:
    """The tokenizer in folder `model`, padding on the left, without remote code."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model, padding_side="left", trust_remote_code=False)


def render(tokenizer: Any, request: Request, template_options: Mapping[str, Any]) -> str:
    """The prompt text of `request` by the tokenizer's chat template."""
    return tokenizer.apply_chat_template(
        list(request.messages), add_generation_prompt=True, tokenize=False, **template_options
    )


def prompts_of(tokenizer: Any, requests: Sequence[Request], template_options: Mapping[str, Any]) -> list[Prompt]:
    """The prompts of `requests`, in order.

    The template writes the special tokens itself: the tokenizer must not put another one before them.
    """
    texts = [render(tokenizer, request, template_options) for request in requests]
    tokens = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return [Prompt(text, ids) for text, ids in zip(texts, tokens, strict=True)]


def completion_of(request: Request, prompt: Prompt, tokens: Sequence[int], tokenizer: Any) -> Completion:
    """The completion that the generated `tokens` are.

    It ends before the first end token of the tokenizer; whatever follows is padding. The end token counts as generated
    but is not part of the text. Without one the completion was cut off: its `finish_reason` is `length`.
    """
    ids = list(tokens)
    ended = tokenizer.eos_token_id in ids
    kept = ids[: ids.index(tokenizer.eos_token_id)] if ended else ids
    return Completion(
        key=request.key,
        text=tokenizer.decode(kept, skip_special_tokens=True),
        finish_reason="stop" if ended else "length",
        prompt_tokens=len(prompt.tokens),
        completion_tokens=len(kept) + ended,
        prompt_digest=prompt.digest,
    )
