"""A task: one job of one stage, with every path and setting resolved. Rules declare it, stages run it."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

from piretry.errors import PiretryError

# Linux takes no single argument of more than 128 KiB, and the whole command is one argument of the shell.
LONGEST = 60_000
PACKED = "zlib:"


@dataclass(frozen=True)
class Task:
    """One job of one stage.

    Args:
        stage: the stage, which is also the CLI verb and the rule.
        target: what it makes: a state's name, a claim, a table, or the scale.
        inputs: name -> path relative to the results folder of the scale (or absolute, outside it).
        outputs: name -> path relative to the results folder of the scale.
        settings: everything that decides the bytes of the outputs beside the inputs and the code.
        modules: dotted names of the modules whose code the task runs; imports are followed from there.
    """

    stage: str
    target: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The task as one line of JSON, keys sorted, for a command line; packed where it would be too long for one."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        if len(text) <= LONGEST:
            return text
        return PACKED + base64.b64encode(zlib.compress(text.encode(), 9)).decode()

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Read what `to_json` wrote."""
        try:
            if text.startswith(PACKED):
                text = zlib.decompress(base64.b64decode(text.removeprefix(PACKED))).decode()
            value = json.loads(text)
            return cls(**{**value, "modules": tuple(value["modules"])})
        except (ValueError, TypeError, KeyError, zlib.error) as error:
            raise PiretryError(
                f"--task holds no task ({error}). It is written by the workflow; leave it out to resolve the task "
                "from config.yaml."
            ) from error
