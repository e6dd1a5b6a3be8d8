"""The Engine interface: requests with a seed each in, completions out, batch by batch."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypedDict, cast


class Message(TypedDict):
    """One turn of a dialogue."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One completion to generate.

    `key` names it within its job. `seed` drives its sampling alone, so that the completion depends neither on
    which requests share its batch nor on whether the job was resumed (see :func:`request_seed`).
    """

    key: str
    messages: tuple[Message, ...]
    seed: int


@dataclass(frozen=True)
class SamplingParams:
    """Every sampling field. `temperature` 0 is greedy; `top_k` 0 keeps every token."""

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int

    def greedy(self) -> SamplingParams:
        """The same length limit, decoded greedily."""
        return SamplingParams(temperature=0.0, top_p=1.0, top_k=0, max_tokens=self.max_tokens)


@dataclass(frozen=True)
class Completion:
    """What the model answered to one request. `finish_reason` is `stop` or `length`; counts are in tokens."""

    key: str
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    prompt_digest: str


class Engine(Protocol):
    """Generates completions of chat dialogues.

    An engine may also have `close()`, which gives its memory back, and `shares_prefixes`, which is true where requests
    of several tables are better generated in one call than table by table.
    """

    def generate(self, requests: Sequence[Request], params: SamplingParams) -> Iterator[list[Completion]]:
        """Yield finished completions batch by batch, each request's once, in any order."""
        ...


def request_seed(*parts: object) -> int:
    """A seed in [0, 2**31) from what identifies a request: state, problem, attempt, sample, run seed.

    An engine's own seed defaults to the same value in every process, so that a retry job would repeat the
    failure it is retrying; a seed a request cannot.
    """
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def load_engine(
    settings: dict[str, object], model: Path, template_options: dict[str, object], start: Path | None = None
) -> Engine:
    """The engine named by `settings['backend']`, with the model in folder `model` loaded.

    `start` is the folder that a LoRA-trained model was trained from, for an engine that can serve adapters.
    """
    module = importlib.import_module(f"piretry.engines.{settings['backend']}_engine")
    further = {} if start is None else {"start": start}
    return cast("Engine", module.load(settings, model, template_options, **further))
