"""Small projects with round figures, so that a plan can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from piretry.grid.project import Project, load_project

REPOSITORY = Path(__file__).parents[2]
CELL = "small/retry-full/k2/bare/r1"
Change = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], None]


def tiny_project(home: Path, change: Change | None = None) -> Project:
    """One cell at two seeds on GPUs, two claims of one family and a control. `change` edits config, scale, claims."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    scale = yaml.safe_load((REPOSITORY / "scales/paper.yaml").read_text())
    claims = yaml.safe_load((REPOSITORY / "report/claims.yaml").read_text())
    config |= {
        "scale": "paper",
        "seeds": {"all": [1, 2]},
        "teachers": {},
        "grid": [_group("retry", 2, "bare")],
        "budget_gpu_hours": None,
    }
    scale["roles"] = {"small": scale["roles"]["small"]}
    scale["prover"] = None
    scale["data"]["subset"]["problems"] = 1000
    tuning = scale["training"]["tunings"]["full"]
    tuning |= {"steps": 100, "batch_size": 10, "micro_batch_size": 1, "learning_rate_by_role": {}}
    scale["training"]["tunings"] = {"full": tuning}
    scale |= {"shards": 1, "share_engine_start": True, "variants": [], "published_compute": None}
    light, gpu = {"mem_mb": 1000, "runtime": 60, "gpus": 0}, {"mem_mb": 1000, "runtime": 60, "gpus": 1}
    stages = ("attempt", "resample", "retry", "repeat", "evaluate")
    scale["resources"] = {"default": light, **dict.fromkeys(stages, gpu), "train.small.full": {**gpu, "gpus": 4}}
    scale["throughput"] = {
        "sources": dict.fromkeys(scale["throughput"]["sources"], "chosen for this test"),
        "job_start_s": 100.0,
        "light_job_s": 36.0,
        "sample_tokens_per_s": {"small": 1000},
        "train_examples_per_s": {"small": 10},
        "pretrain_s": {},
        "tokens_per_completion": 50,
        "first_attempt_accuracy": {"small": 0.5},
        "retry_success": {"small": 0.5},
        "uncertainty": {"low": 0.5, "high": 2.0},
    }
    claims |= {
        "claims": [
            _claim("gain", {"measure": "gain", "series": CELL}),
            _claim("base", {"measure": "accuracy", "series": "small/base"}),
        ],
        "controls": [{"id": "seeds", "says": "A/A", "series": CELL, "kind": "seeds", "margin": 3.0}],
        "tables": {"both": ["gain", "base"]},
    }
    if change:
        change(config, scale, claims)
    for name, value in (("config.yaml", config), ("scales/paper.yaml", scale), ("report/claims.yaml", claims)):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(yaml.safe_dump(value, sort_keys=False))
    return load_project(home)


def two_cells(config: dict[str, Any], scale: dict[str, Any], claims: dict[str, Any]) -> None:
    """A rejection cell beside the other one, with a claim of its own."""
    config["grid"].append(_group("rejection", 3, "none"))
    claims["claims"].append(_claim("rejection", {"measure": "gain", "series": "small/rejection-full/k3/none/r1"}, "r"))


def _group(method: str, k: int, prompt: str) -> dict[str, Any]:
    return {
        "roles": ["small"],
        "methods": [method],
        "tunings": ["full"],
        "k": [k],
        "prompts": [prompt],
        "rounds": 1,
        "seeds": "all",
    }


def _claim(name: str, quantity: dict[str, Any], family: str = "one") -> dict[str, Any]:
    return {
        "id": name,
        "section": "Test",
        "question": "?",
        "says": "It is so.",
        "published": "10",
        "statistic": quantity["measure"],
        "family": family,
        "tests": [{"test": "value", "of": quantity, "published": 10.0, "tolerance": 4.5}],
    }
