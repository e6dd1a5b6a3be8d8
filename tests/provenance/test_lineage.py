"""The lineage of artifacts: down to data and models, up to claims."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from results_folder import BASE, BASE_STATE, CELL, REJECTION, STAGE_MODULES, Run, rows

from piretry.grid import paths
from piretry.provenance import layout
from piretry.provenance.graph import Edge, Lineage
from piretry.provenance.hashing import sha256_file
from piretry.provenance.record import Publication, record_path


def test_the_way_down_from_a_claim(run: Run) -> None:
    lineage = Lineage.read(run.root)
    names = [record.artifact.path for record in lineage.lineage("claims/headline.json")]
    assert names[0] == "claims/headline.json"
    assert set(names) == {
        "claims/headline.json",
        f"{BASE_STATE}/eval.parquet",
        f"{CELL}/eval.parquet",
        "data/eval.parquet",
        f"{CELL}/model",
        f"{CELL}/sft.parquet",
        f"{BASE}/model",
        f"{BASE_STATE}/attempts.parquet",
        f"{BASE_STATE}/retries-bare.parquet",
        "data/train.parquet",
        "data/pool.parquet",
    }
    assert len(names) == len(set(names))


def test_the_graph_has_depths_and_roles(run: Run) -> None:
    graph = Lineage.read(run.root).graph("claims/headline.json")
    depth = {node.id: node.depth for node in graph.nodes}
    assert [node.depth for node in graph.nodes] == sorted(depth.values())
    assert (depth[f"{CELL}/eval.parquet"], depth[f"{CELL}/model"], depth["data/pool.parquet"]) == (1, 2, 6)
    assert Edge(f"{CELL}/model", f"{CELL}/sft.parquet", "sft") in graph.edges
    assert {edge.source for edge in graph.edges} | {edge.target for edge in graph.edges} == set(depth)
    assert len(set(graph.edges)) == len(graph.edges)
    assert all(node.record is not None for node in graph.nodes)


def test_the_way_up_from_a_file(run: Run) -> None:
    lineage = Lineage.read(run.root)
    assert lineage.claims_depending_on(f"{CELL}/eval.parquet") == ["headline"]
    assert lineage.claims_depending_on(f"{REJECTION}/model/config.json") == ["rejection"]
    assert lineage.claims_depending_on("data/pool.parquet") == ["headline", "rejection"]
    assert lineage.claims_depending_on("claims/headline.json") == ["headline"]
    assert lineage.claims_depending_on("report/index.html") == []
    assert lineage.claims_depending_on("no/such/file") == []
    assert lineage.dependents("claims/headline.json") == ["report/index.html"]


def test_models_datasets_and_files_from_outside_are_the_ends(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "math500.jsonl"
    outside.write_text("{}")
    with Publication(
        root=run.root,
        stage="fetch",
        target="medium/base",
        outputs={"model": run.root / "medium" / "base" / "model"},
        inputs={"problems": outside},
        modules=STAGE_MODULES,
        facts={
            "models": {"medium": {"id": "org/m", "revision": "abc"}},
            "datasets": {"eval": {"id": "math", "revision": None, "fingerprint": "f00"}},
        },
    ) as job:
        rows(job.temporary("model"), 1)
    graph = Lineage.read(run.root).graph("medium/base/model")
    assert {(node.kind, node.id, node.label) for node in graph.nodes} == {
        ("artifact", "medium/base/model", "medium/base/model"),
        ("outside", outside.as_posix(), outside.as_posix()),
        ("model", "model org/m abc", "org/m"),
        ("dataset", "dataset math None", "math"),
    }
    assert sorted(edge.role for edge in graph.edges) == ["eval", "medium", "problems"]


def test_a_cycle_in_damaged_records_ends_the_walk(run: Run) -> None:
    records = Lineage.read(run.root).records
    claim = records["claims/headline.json"]
    data = records["data/pool.parquet"]
    entry = replace(claim.inputs[0], path="claims/headline.json")
    records["data/pool.parquet"] = replace(data, inputs=(entry,))
    lineage = Lineage(records)
    assert len(lineage.lineage("claims/headline.json")) == 11
    assert "claims/headline.json" in lineage.dependents("data/pool.parquet")
    assert lineage.claims_depending_on("claims/headline.json") == ["headline", "rejection"]


def test_records_that_cannot_be_read_are_left_out(run: Run) -> None:
    record_path(run.root / CELL / "model").write_text("{")
    lineage = Lineage.read(run.root)
    graph = lineage.graph("claims/headline.json")
    assert [node.id for node in graph.nodes if node.record is None] == [f"{CELL}/model"]
    assert lineage.claims_depending_on(f"{CELL}/model") == ["headline"]
    assert lineage.lineage(f"{CELL}/model") == []


def test_the_hashes_along_the_way_are_those_of_the_files(run: Run) -> None:
    for record in Lineage.read(run.root).lineage("report/index.html"):
        if record.artifact.kind == "file":
            assert record.artifact.sha256 == sha256_file(run.root / record.artifact.path)


WILDCARDS = {
    "role": "small",
    "split": "train",
    "state": CELL,
    "prompt": "bare",
    "writer": "medium",
    "claim": "headline",
    "table": "k_ablation",
    "completions": "retries-bare",
    "shard": "0",
}
TEMPLATES = {
    name: value
    for name, value in vars(paths).items()
    if name.isupper() and isinstance(value, str) and name != "RECORD_SUFFIX"
}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_path_of_the_grid_has_a_stage_here(name: str) -> None:
    path = TEMPLATES[name].format(**WILDCARDS)
    assert layout.maker(path) is not None, f"add {path} to _MAKERS of piretry.provenance.layout"
    assert not layout.is_ignored(Path(path).name)


def test_the_names_of_the_grid_and_of_the_records_agree() -> None:
    assert record_path(Path("x")).name.removeprefix("x") == paths.RECORD_SUFFIX
    assert layout.claim_of(paths.CLAIM.format(**WILDCARDS)) == "headline"
    assert layout.table_of(paths.TABLE.format(**WILDCARDS)) == "k_ablation"
    assert layout.state_of(paths.EVALUATION.format(**WILDCARDS), CELL) == CELL
    assert layout.state_of(paths.EVALUATION.format(**WILDCARDS), "small") == "small"
    assert layout.state_of(paths.EVAL, "mini") is None


def test_the_documentation_names_what_the_code_knows() -> None:
    text = (Path(__file__).parents[2] / "docs" / "provenance.md").read_text(encoding="utf-8")
    from piretry.provenance.findings import KINDS, NOTES
    from piretry.provenance.model import Record

    for name in (*KINDS, *NOTES, *layout.NOT_ARTIFACTS):
        assert f"`{name}`" in text, name
    for field in Record.__dataclass_fields__:
        assert re.search(rf"`{field}[`.]", text), field


def test_a_record_is_plain_json(run: Run) -> None:
    value = json.loads(record_path(run.root / CELL / "model").read_text())
    assert list(value)[-1] == "checksum"
    assert value["artifact"]["files"][0]["path"] == "config.json"
