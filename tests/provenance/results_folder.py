"""A small results folder made by real publications: data, a base, two cells, claims, a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from piretry.provenance.record import Publication

STAGE_MODULES = ("piretry.provenance.layout",)  # any real module serves as "the code of the stage"
BASE = "small/base"
BASE_STATE = "small/base/s42"
CELL = "small/retry-full/k3/bare/r1/s42"
REJECTION = "small/rejection-full/k3/none/r1/s42"


def rows(path: Path, seed: int, count: int = 40) -> None:
    values = np.random.default_rng(seed).integers(0, 10**6, size=count)
    pq.write_table(pa.table({"problem_id": [f"p{n}" for n in range(count)], "value": values}), path)


def model(folder: Path, seed: int, numbers: int = 5000) -> None:
    folder.mkdir()
    weights = np.random.default_rng(seed).standard_normal(numbers).astype(np.float32)
    (folder / "model.safetensors").write_bytes(weights.tobytes())
    (folder / "config.json").write_text(json.dumps({"hidden_size": 96, "seed": seed}))
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")


class Run:
    """Publishes into one results folder the way the runner does."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def job(
        self,
        stage: str,
        target: str,
        outputs: dict[str, str],
        inputs: dict[str, str] | None = None,
        write: Callable[[Path, int], None] = rows,
        seed: int = 0,
    ) -> Publication:
        publication = Publication(
            root=self.root,
            stage=stage,
            target=target,
            outputs={role: self.root / path for role, path in outputs.items()},
            inputs={role: self.root / path for role, path in (inputs or {}).items()},
            settings={"seed": seed, "temperature": 0.7},
            modules=STAGE_MODULES,
            command=["piretry", stage, target],
        )
        with publication as job:
            for number, role in enumerate(outputs):
                write(job.temporary(role), seed + number)
            job.count(prompt_tokens=120, completion_tokens=340)
        return publication

    def data(self) -> None:
        self.job("prepare", "mini", {"pool": "data/pool.parquet", "eval": "data/eval.parquet"}, seed=1)
        inputs = {"pool": "data/pool.parquet", "eval": "data/eval.parquet"}
        self.job("overlap", "mini", {"train": "data/train.parquet"}, inputs, seed=2)

    def base(self) -> None:
        self.job("pretrain", BASE, {"model": f"{BASE}/model"}, write=model, seed=3)
        inputs = {"model": f"{BASE}/model", "problems": "data/train.parquet"}
        self.job("attempt", BASE_STATE, {"completions": f"{BASE_STATE}/attempts.parquet"}, inputs, seed=4)
        inputs["attempts"] = f"{BASE_STATE}/attempts.parquet"
        self.job("retry", BASE_STATE, {"completions": f"{BASE_STATE}/retries-bare.parquet"}, inputs, seed=5)
        self.evaluate(BASE_STATE, f"{BASE}/model", seed=6)

    def cell(self, state: str, samples: str, seed: int) -> None:
        inputs = {"attempts": f"{BASE_STATE}/attempts.parquet", "samples": samples}
        self.job("select", state, {"sft": f"{state}/sft.parquet"}, inputs, seed=seed)
        inputs = {"model": f"{BASE}/model", "sft": f"{state}/sft.parquet"}
        self.job("train", state, {"model": f"{state}/model"}, inputs, write=model, seed=seed + 1)
        self.evaluate(state, f"{state}/model", seed + 2)

    def evaluate(self, state: str, of: str, seed: int) -> None:
        inputs = {"model": of, "problems": "data/eval.parquet"}
        self.job("evaluate", state, {"completions": f"{state}/eval.parquet"}, inputs, seed=seed)

    def judge(self, claim: str, *states: str) -> None:
        inputs = {f"eval:{state}": f"{state}/eval.parquet" for state in states}
        self.job(
            "judge",
            claim,
            {"claim": f"claims/{claim}.json"},
            inputs,
            lambda path, seed: path.write_text(json.dumps({"claim": claim, "seed": seed})) and None,
        )

    def report(self) -> None:
        inputs = {f"claim:{name}": f"claims/{name}.json" for name in ("headline", "rejection")}
        self.job(
            "report",
            "mini",
            {"report": "report/index.html"},
            inputs,
            lambda path, seed: path.write_text("<!doctype html><title>report</title>") and None,
        )


def fill(root: Path) -> Run:
    run = Run(root)
    run.data()
    run.base()
    run.cell(CELL, f"{BASE_STATE}/retries-bare.parquet", seed=10)
    run.job(
        "resample",
        BASE_STATE,
        {"completions": f"{BASE_STATE}/resamples.parquet"},
        {"model": f"{BASE}/model", "problems": "data/train.parquet"},
        seed=20,
    )
    run.cell(REJECTION, f"{BASE_STATE}/resamples.parquet", seed=30)
    run.judge("headline", BASE_STATE, CELL)
    run.judge("rejection", BASE_STATE, REJECTION)
    run.report()
    return run
