"""The settings of a cell beside the published protocol: for each setting the published value or "not stated".

`cell_settings` reads what the provenance records of a cell hold; `protocol_rows` puts it beside report/published.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from piretry.errors import PiretryError
from piretry.grid.names import State
from piretry.provenance.model import Record
from piretry.sources.model import NOT_STATED, Key, Protocol, Published, Stated
from piretry.sources.read import FILE, from_settings, read_published

Status = Literal["same", "different", "not stated"]


@dataclass(frozen=True)
class ProtocolRow:
    """One setting: what is published, on which page, and what this run has. All text but `setting` is for people."""

    setting: str
    label: str
    published: str
    page: str
    here: str
    status: Status


def protocol_rows(
    arm: str, settings: Mapping[str, Any], published: Published | Mapping[str, Any] | None = None
) -> list[ProtocolRow]:
    """The settings of the cell `arm` beside the published ones, in the order of published.yaml.

    Args:
        arm: a series, e.g. ``small/retry-full/k1/bare/r1`` or ``small/base``.
        settings: what `cell_settings` returns. Settings that it lacks have no row.
        published: the published figures, or what a task's settings carry of them; None reads report/published.yaml of
            the working directory.

    Where pages contradict each other, `published` names every value with its page, and `same` means that the run has
    one of them.
    """
    source = _source(published)
    key = key_of(arm, settings)
    prompts = settings.get("retry_prompts") or {}
    if isinstance(prompts, Mapping) and key.prompt in prompts:
        settings = {**settings, "retry_prompt": prompts[key.prompt]}
    rows = []
    for entry in source.protocol:
        if entry.setting not in settings or not entry.scope.covers(key):
            continue
        here = settings[entry.setting]
        found = [stated for stated in entry.stated if stated.scope.covers(key)]
        rows.append(
            ProtocolRow(
                entry.setting,
                entry.label,
                _published(source, found),
                ", ".join(dict.fromkeys(source.page(stated.page).name for stated in found)),
                value_text(here),
                _status(entry, found, here),
            )
        )
    return rows


def key_of(arm: str, settings: Mapping[str, Any]) -> Key:
    """The condition that a series stands for; the kind of a named tuning is read from `settings`."""
    state = State.of(arm, 0)
    if state.arm is None:
        return Key(role=state.role, method="none")
    found = state.arm
    kind: Literal["full", "lora"] = "full" if found.tuning.startswith("full") else "lora"
    if settings.get("tuning") in ("full", "lora"):
        kind = settings["tuning"]
    prompt = None if found.prompt == "none" else found.prompt
    prompted = found.method in ("retry", "cross")
    return Key(
        role=found.role,
        method=found.method,
        tuning=kind,
        k=found.k if prompted else None,
        samples=None if prompted else found.k,
        prompt=prompt,
        round=found.round,
    )


def cell_settings(records: Iterable[Record]) -> dict[str, Any]:
    """The settings of one cell from the records below its evaluation (all its seeds may be given), as a flat mapping.

    Where records of several rounds are given, those of the last round count: the model that is trained last, the
    attempts and retries that it learns from. A value in which the seeds differ becomes a list.
    """
    known = list(records)
    found: dict[str, list[Any]] = {}
    for stage, read in _READERS.items():
        for record in _last_round([record for record in known if record.stage == stage]):
            for name, value in read(record).items():
                if value not in found.setdefault(name, []):
                    found[name].append(value)
    flat = {name: values[0] if len(values) == 1 else values for name, values in found.items()}
    seeds = sorted({record.settings["seed"] for record in known if record.stage == "evaluate"})
    return {**flat, "seeds": seeds} if seeds else flat


def _source(published: Published | Mapping[str, Any] | None) -> Published:
    if published is None:
        return _default(Path("report") / FILE)
    return published if isinstance(published, Published) else from_settings(published)


@lru_cache(maxsize=1)
def _default(path: Path) -> Published:
    if not path.is_file():
        raise PiretryError(
            f"{path} does not exist in the working directory. Give `protocol_rows` the published figures, or call it "
            "from the folder of the checkout."
        )
    return read_published(path)


def _last_round(records: Sequence[Record]) -> list[Record]:
    def round_of(record: Record) -> int:
        # The model of a base has no seed in its state's name, so that `State.parse` would refuse it.
        found = re.search(r"/r(\d+)/s\d+$", record.state or "")
        return int(found[1]) if found else 0

    last = max((round_of(record) for record in records), default=0)
    return [record for record in records if round_of(record) == last]


def _training(record: Record) -> dict[str, Any]:
    names = {
        "kind": "tuning",
        "learning_rate": "learning_rate",
        "steps": "steps",
        "batch_size": "batch_size",
        "schedule": "schedule",
        "warmup_steps": "warmup_steps",
        "weight_decay": "weight_decay",
        "max_grad_norm": "max_grad_norm",
        "max_length": "max_length",
        "packing": "packing",
    }
    lora = ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets")
    own = {ours: record.settings[theirs] for theirs, ours in names.items()}
    own |= {name: record.settings[name] for name in lora if record.settings[name] is not None}
    start = next((entry.path for entry in record.inputs if entry.role == "model"), None)
    if start is not None:
        own["start_from"] = "the untrained base" if "/base/" in f"/{start}" else "the model of the round before"
    if "distill" in record.settings:
        own["distill_direction"] = record.settings["distill"]["direction"] + " KL"
    return own


def _asking(record: Record) -> dict[str, Any]:
    chat = record.settings["chat"]
    thinking = chat["template_options"].get("enable_thinking")
    return {
        "system": chat["system"] or "none",
        "instruction": chat["instruction"] or "none",
        "thinking": "as the template has it" if thinking is None else bool(thinking),
    }


def _sampling(prefix: str, record: Record) -> dict[str, Any]:
    sampling = record.settings["sampling"]
    return {f"{prefix}_{name}": sampling[name] for name in ("temperature", "top_p", "top_k", "max_tokens")}


def _attempt(record: Record) -> dict[str, Any]:
    return {**_asking(record), **_sampling("attempt", record), "first_attempts": 1}


def _retry(record: Record) -> dict[str, Any]:
    writer = State.parse(record.settings["writer"]).role
    return {
        "retry_prompts": {name: asked["template"] for name, asked in record.settings["prompts"].items()},
        "retry_temperature": record.settings["sampling"]["temperature"],
        "retry_writer": "the model itself" if writer == State.parse(record.settings["state"]).role else writer,
        "history": record.settings["history"],
    }


def _select(record: Record) -> dict[str, Any]:
    own = {name: record.settings[name] for name in ("include_correct_first", "cap_per_problem", "k")}
    if record.settings["method"] not in ("retry", "cross"):
        own["fresh_samples"] = own.pop("k")
    return own


def _evaluate(record: Record) -> dict[str, Any]:
    sampling = record.settings["sampling"]
    return {
        "eval_temperature": f"{sampling['temperature']:g}, and greedy",
        "eval_samples": record.settings["samples"],
        "verifier": _verifier(record.settings["verifier"]),
    }


def _verifier(settings: Mapping[str, Any]) -> str:
    return "Lean type checker" if "toolchain" in settings else "math-verify, final answer"


def _prepare(record: Record) -> dict[str, Any]:
    data = record.settings["data"]
    return {"train_data": data["train"]["name"], "eval_data": data["eval"]["name"]}


def _overlap(record: Record) -> dict[str, Any]:
    removed = record.settings["overlap"]["remove"]
    return {
        "train_problems": record.settings["subset"]["problems"],
        "subset": f"at random, seed {record.settings['subset']['seed']}",
        "overlap": f"removed from training: {', '.join(removed)}" if removed else "counted, not removed",
    }


def _theorems(record: Record) -> dict[str, Any]:
    own = record.settings
    return {
        "train_data": own["train"]["name"],
        "eval_data": own["eval"]["name"],
        "eval_split": own["eval"]["split"],
        "train_problems": own["train_problems"],
    }


def _fetch(record: Record) -> dict[str, Any]:
    return {"model": record.settings["model"]} if "model" in record.settings else {}


def _pretrain(record: Record) -> dict[str, Any]:
    return {"model": "made by the workflow, for this run"}


# Later stages overwrite nothing: names are disjoint, but for those of the two ways to make a base or data.
_READERS = {
    "fetch": _fetch,
    "pretrain": _pretrain,
    "prepare": _prepare,
    "overlap": _overlap,
    "theorems": _theorems,
    "attempt": _attempt,
    "retry": _retry,
    "select": _select,
    "train": _training,
    "distill": _training,
    "evaluate": _evaluate,
}


def value_text(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return re.sub(r"e([+-])0+(?=\d)", r"e\1", f"{value:g}")
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value)
    return "none" if value is None else str(value)


def _published(source: Published, found: Sequence[Stated]) -> str:
    """The published value; with the pages where they do not agree."""
    if not found:
        return NOT_STATED
    by_value: dict[str, list[str]] = {}
    for stated in found:
        by_value.setdefault(value_text(stated.value), []).append(source.page(stated.page).name)
    if len(by_value) == 1:
        return next(iter(by_value))
    return "; ".join(f"{value} ({', '.join(dict.fromkeys(pages))})" for value, pages in by_value.items())


def _status(entry: Protocol, found: Sequence[Stated], here: Any) -> Status:
    if not found:
        return "not stated"
    return "same" if any(agrees(entry, stated.value, here) for stated in found) else "different"


def agrees(entry: Protocol, published: Any, here: Any) -> bool:
    """Whether a run's value is the published one, by the rule that the setting declares."""
    if entry.compare == "number":
        if isinstance(here, bool) or not isinstance(here, int | float):
            return False
        return abs(float(published) - float(here)) <= 1e-9 * abs(float(published))
    mine, theirs = _plain(published), _plain(here)
    if entry.compare == "contains":
        return all(part in theirs for part in re.findall(r"[a-z0-9.]+", mine))
    return mine == theirs


def _plain(value: Any) -> str:
    return re.sub(r"\s+", " ", value_text(value)).strip().rstrip(".").casefold()
