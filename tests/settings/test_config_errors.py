"""What a user can get wrong in the three configuration files: each mistake is one sentence, before any job."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from piretry.errors import PiretryError
from piretry.grid.project import load_project

ROOT = Path(__file__).parents[2]
Edit = Callable[[dict[str, Any]], object]
PROVER_RETRY = {"roles": ["prover"], "methods": ["retry"], "tunings": ["lora"], "k": [1], "rounds": 1, "seeds": "all"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("config.yaml", "scales", "report"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    return tmp_path


def edit(path: Path, change: Edit) -> None:
    value = yaml.safe_load(path.read_text())
    change(value)
    path.write_text(yaml.safe_dump(value, sort_keys=False))


def test_the_shipped_files_are_valid(home: Path) -> None:
    assert load_project(home).scale.name == "mini"
    assert load_project(home, {"scale": "paper"}).scale.reading == "paper"


CONFIG: list[tuple[Edit, str]] = [
    (lambda c: c.update(scale="minni"), "scale 'minni' has no file in scales/. Did you mean 'mini'?"),
    (lambda c: c.update(resluts="x"), "resluts: unknown key. Did you mean 'results'?"),
    (lambda c: c.pop("seeds"), "seeds: this key is missing"),
    (lambda c: c["seeds"].update(all=[1, 1]), "seeds.all names a seed twice"),
    (lambda c: c["seeds"].update(all=[]), "seeds.all: List should have at least 1 item"),
    (lambda c: c["grid"][0].update(seeds="al"), "uses the seed set 'al'"),
    (lambda c: c["grid"][0].update(roles=["smal"]), "grid.0.roles: 'smal' is not a role of scales/mini.yaml. Did you"),
    (lambda c: c["grid"][0].update(k=[0]), "k=0 is not possible: k counts from 1"),
    (lambda c: c["grid"][0].update(prompts=["bear"]), "'bear'. Did you mean 'bare'?"),
    (lambda c: c["grid"][0].update(methods=["retries"]), "Unknown method: 'retries'. Did you mean 'retry'?"),
    (
        lambda c: c["grid"][0].update(methods=["skeleton"]),
        "shows the sub-goals of a known proof, which problems of role",
    ),
    (lambda c: c["grid"][0].update(prompts=["error"]), "Role 'small' has no retry prompt 'error'"),
    (lambda c: c["grid"].append(PROVER_RETRY | {"prompts": ["gold"]}), "Role 'prover' has no retry prompt 'gold'"),
    (lambda c: c["grid"][-2].update(k=[3]), "Method 'skeleton' samples no retries, but k=3"),
    (lambda c: c.update(teachers={"small": "prover"}), "a prover neither teaches"),
    (lambda c: c["grid"][0].update(tunings=["fll"]), "'fll' is not defined under training.tunings"),
    (lambda c: c["grid"].pop(0), "which is not in the grid of config.yaml"),
    (lambda c: c.update(teachers={}), "needs a teacher: add 'small' under 'teachers'"),
    (lambda c: c.update(teachers={"small": "small"}), "a role cannot be its own teacher"),
    (lambda c: c.update(teachers={"small": "huge"}), "'huge' is not a role"),
    (lambda c: c["statistics"].update(level=95), "statistics.level: Input should be less than 1 (given: 95)"),
    (lambda c: c["statistics"].update(level="high"), "(given: 'high')"),
]


@pytest.mark.parametrize(("change", "message"), CONFIG)
def test_mistakes_in_config(home: Path, change: Edit, message: str) -> None:
    edit(home / "config.yaml", change)
    with pytest.raises(PiretryError) as caught:
        load_project(home)
    assert message in str(caught.value)
    assert str(home / "config.yaml") in str(caught.value) or "claims.yaml" in str(caught.value)


SCALE: list[tuple[Edit, str]] = [
    (lambda s: s.update(name="tiny"), "calls itself 'tiny'"),
    (lambda s: s.update(reading="exact"), "reading: 'exact' is not possible."),
    (lambda s: s["retry"]["prompts"].pop("gold"), "retry prompts without a text: gold"),
    (lambda s: s["attempt"].update(temperature=-1), "attempt.temperature: Input should be greater than or equal to 0"),
    (lambda s: s["attempt"].pop("top_k"), "attempt.top_k: this key is missing"),
    (lambda s: s["training"]["tunings"]["full"].update(lora_rank=8), "lora_rank must be null with kind: full"),
    (lambda s: s["training"]["tunings"]["full"].update(batch_size=33), "is not a multiple of micro_batch_size"),
    (lambda s: s["training"]["tunings"]["full"].update(learning_rate_by_role={"smal": 1.0}), "not a role of this"),
    (lambda s: s["roles"]["small"].update(source="hubb"), "roles.small"),
    (lambda s: s["selection"].pop("cross"), "selection has no entry for cross"),
    (lambda s: s["resources"].pop("default"), "resources has no entry 'default'"),
    (lambda s: s["data"]["subset"].update(problems=10**6), "is more than the"),
    (lambda s: s["engine"].update(backend="sglang"), "engine.backend: 'sglang' is not possible"),
    (lambda s: s["engine"].update(backend="vllm"), "vllm must be given with backend: vllm"),
    (lambda s: s["resources"].update({"train.huge": s["resources"]["default"]}), "'huge' is not a role of this scale"),
    (lambda s: s["resources"].update({"train.small.x": s["resources"]["default"]}), "'x' is not a tuning of this"),
    (lambda s: s.update(prover=None), "prover must be given: roles has a prover"),
    (lambda s: s["roles"].pop("prover"), "prover must be null: roles has no prover"),
    (lambda s: s["roles"].update(prover=s["roles"]["small"]), "but must be pretrain_prover or hub"),
    (lambda s: s["selection"].pop("skeleton_sft"), "selection has no entry for skeleton_sft"),
    (lambda s: s["prover"]["prompts"].update(error="Wrong."), "prompts.error must show {error}"),
    (lambda s: s["prover"]["verifier"].update(toolchain="lake"), "project must be given with toolchain: lake"),
    (lambda s: s["prover"]["verifier"].update(proofs="tactic"), "prover.verifier.proofs: 'tactic' is not possible"),
    (lambda s: s["prover"].update(theorems=None), "theorems must be given: a dataset is of kind theorems"),
    (lambda s: s["evaluation"].update(primary="gready"), "Did you mean 'greedy'?"),
]


@pytest.mark.parametrize(("change", "message"), SCALE)
def test_mistakes_in_the_scale(home: Path, change: Edit, message: str) -> None:
    edit(home / "scales/mini.yaml", change)
    with pytest.raises(PiretryError) as caught:
        load_project(home)
    assert message in str(caught.value)
    assert "mini.yaml" in str(caught.value)


def first(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return next(claim for claim in claims["claims"] if claim["id"] == name)


CLAIMS: list[tuple[Edit, str]] = [
    (
        lambda c: first(c, "headline")["tests"][0]["of"].update(series="small/retry-full/k4/bare/r1"),
        "names the cell small/retry-full/k4/bare/r1, which is not in the grid of config.yaml. Did you mean",
    ),
    (lambda c: first(c, "prompt-gold")["tests"][0].update(margin=-3), "margin: Input should be greater than 0"),
    (lambda c: first(c, "headline")["tests"][0].update(tolerance=0), "tolerance: Input should be greater than 0"),
    (lambda c: first(c, "headline")["tests"][0].update(toleranse=1), "unknown key. Did you mean 'tolerance'?"),
    (lambda c: first(c, "headline")["tests"][0].update(test="valu"), "claims.2.tests.0"),
    (lambda c: first(c, "headline").update(tests=[]), "needs either tests or a reason under not_run"),
    (lambda c: c["claims"].append(first(c, "headline")), "defined twice: headline"),
    (lambda c: c["tables"].update(extra=["headlin"]), "table 'extra' lists unknown claims: headlin"),
    (lambda c: c["controls"][0].update(series="small/base/x"), "names the cell small/base/x, which is not in the grid"),
    (lambda c: first(c, "round-yield")["tests"][0]["greater"].pop("k"), "a yield needs 'prompt'"),
    (lambda c: first(c, "headline")["tests"][0]["of"].update(series="small/base"), "is a base: it has no gain"),
]


@pytest.mark.parametrize(("change", "message"), CLAIMS)
def test_mistakes_in_the_claims(home: Path, change: Edit, message: str) -> None:
    edit(home / "report/claims.yaml", change)
    with pytest.raises(PiretryError) as caught:
        load_project(home)
    assert message in str(caught.value)
    assert "claims.yaml" in str(caught.value)


def test_several_mistakes_are_told_at_once(home: Path) -> None:
    edit(home / "config.yaml", lambda c: c.update(extra=1, statistics={"level": 2, "bootstrap": 1, "seed": 0}))
    with pytest.raises(PiretryError, match="3 mistakes"):
        load_project(home)


def test_broken_yaml_and_missing_files(home: Path) -> None:
    (home / "scales/mini.yaml").write_text("a: [")
    with pytest.raises(PiretryError, match="is not valid YAML"):
        load_project(home)
    (home / "scales/mini.yaml").write_text("- 1")
    with pytest.raises(PiretryError, match="must hold keys and values"):
        load_project(home)
    (home / "config.yaml").unlink()
    with pytest.raises(PiretryError, match="does not exist"):
        load_project(home)
