"""The RO-Crate: what it says is what the records say, and everything that it names is there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from small_results import Made

from piretry.exports.citation import Party
from piretry.exports.crate import export_crate
from piretry.exports.crate_runs import iso_time
from piretry.exports.source import Source, open_source
from piretry.provenance.hashing import sha256_file

Entities = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def source(made: Made) -> Source:
    return open_source(made.results, made.home)


@pytest.fixture(scope="module")
def crate(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_crate(source, tmp_path_factory.mktemp("crate") / "crate")


@pytest.fixture(scope="module")
def entities(crate: Path) -> Entities:
    return read(crate)


def read(crate: Path) -> Entities:
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    assert len({entity["@id"] for entity in graph}) == len(graph), "an id stands twice in the graph"
    return {entity["@id"]: entity for entity in graph}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def ids(value: Any) -> list[str]:
    return [item["@id"] for item in listed(value)]


def of_type(entities: Entities, kind: str) -> list[dict[str, Any]]:
    return [entity for entity in entities.values() if kind in listed(entity["@type"])]


def test_every_file_is_there_once_with_its_hash_and_size(crate: Path, entities: Entities) -> None:
    files = {unquote(entity["@id"]): entity for entity in of_type(entities, "File")}
    here = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
    assert set(files) == here - {"ro-crate-metadata.json"}
    for path, entity in files.items():
        assert entity["sha256"] == sha256_file(crate / path), path
        assert entity["contentSize"] == str((crate / path).stat().st_size), path
        assert entity["encodingFormat"], path
    for folder in of_type(entities, "Dataset"):
        assert folder["@id"] == "./" or (crate / unquote(folder["@id"])).is_dir()
    parts = Counter(part for folder in of_type(entities, "Dataset") for part in ids(folder.get("hasPart")))
    assert set(parts.values()) == {1}, "a file is part of two folders"
    assert {unquote(part) for part in parts if not part.endswith("/")} == set(files)


def test_no_reference_leads_nowhere(entities: Entities) -> None:
    outside = ("https://w3id.org/ro/crate/1.1", "https://w3id.org/ro/terms/workflow-run#")

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [value["@id"]] if set(value) == {"@id"} else []
        return [found for item in value for found in references(item)] if isinstance(value, list) else []

    lost = {
        target
        for entity in entities.values()
        for name, value in entity.items()
        if not name.startswith("@")
        for target in references(value)
        if target not in entities and not target.startswith(outside)
    }
    assert lost == set()


def test_each_record_is_an_action_with_what_it_read_and_wrote(source: Source, entities: Entities) -> None:
    actions = {entity["@id"]: entity for entity in of_type(entities, "CreateAction")}
    assert len(actions) == 1 + len({record.job for record in source.records.values()})
    for path, record in source.records.items():
        action = actions[f"#job/{record.job}"]
        name = f"{source.prefix}/{path}" + ("/" if record.artifact.kind == "directory" else "")
        assert name in ids(action["result"])
        assert (action["startTime"], action["endTime"]) == (iso_time(record.cost.start), iso_time(record.cost.end))
        assert ids(action["instrument"]) == [f"src/piretry/stages/{record.stage}.py"]
        assert ids(action["agent"]) == ["#party/anonymous"]
        objects = [entities[identifier] for identifier in ids(action["object"])]
        for entry in record.inputs:
            read_path = f"{source.prefix}/{entry.path}"
            assert any(thing["@id"].rstrip("/") == read_path for thing in objects), (path, entry.path)
        settings = {thing["name"]: thing["value"] for thing in objects if thing["@id"].startswith("#setting/")}
        assert set(settings) == set(record.settings)
        for key, value in record.settings.items():
            shown = settings[key]
            assert shown == value or json.loads(shown) == json.loads(json.dumps(value)), (path, key)
        about = entities[f"{source.prefix}/{path}.prov.json"]["about"]
        assert about == {"@id": action["@id"]}
        surroundings = {entities[i]["name"]: entities[i]["value"] for i in ids(action["additionalProperty"])}
        assert surroundings["code digest"] == record.code.digest
        assert surroundings["git commit"] == (record.checkout.commit or f"not known: {record.checkout.reason}")
        used = {entities[i]["name"]: entities[i] for i in ids(action["resourceUsage"])}
        assert used["cpu_seconds"]["value"] == record.cost.cpu_seconds
        assert {name: used[name]["value"] for name in record.cost.counters} == record.cost.counters
        assert all(entities[ids(usage["propertyID"])[0]]["description"] for usage in used.values())


def test_the_image_and_the_packages_of_a_job(made: Made, source: Source, entities: Entities) -> None:
    images = of_type(entities, "ContainerImage")
    assert [(image["name"], image["sha256"]) for image in images] == [("cpu.sif", made.image_sha256)]
    assert ids(images[0]["isBasedOn"]) == ["containers/cpu.def"]
    jobs = [entity for entity in of_type(entities, "CreateAction") if entity["@id"].startswith("#job/")]
    assert all(ids(job["containerImage"]) == [images[0]["@id"]] for job in jobs)
    record = next(record for record in source.records.values() if record.stage == "train")
    needed = {
        entities[i]["name"]: entities[i] for i in ids(entities["src/piretry/stages/train.py"]["softwareRequirements"])
    }
    for name, version in record.packages.items():
        shown = needed.get("Python" if name == "python" else name)
        assert (shown["softwareVersion"] if shown else None) == version, name


def test_the_workflow_its_steps_and_its_engine(source: Source, entities: Entities) -> None:
    root, workflow = entities["./"], entities["Snakefile"]
    assert ids(root["mainEntity"]) == ["Snakefile"]
    assert set(workflow["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"}
    assert ids(root["license"]) == ["https://spdx.org/licenses/Apache-2.0"]
    assert [entities[author]["name"] for author in ids(root["author"])] == ["The piretry authors"]
    assert root["datePublished"] == max(record.cost.finished for record in source.records.values())
    stages = {record.stage for record in source.records.values()}
    steps = sorted((entities[step] for step in ids(workflow["step"])), key=lambda step: int(step["position"]))
    assert {step["name"] for step in steps} == stages
    assert all(entities[ids(step["isPartOf"])[0]]["@id"].endswith(".smk") for step in steps)
    order = [step["name"] for step in steps]
    for early, late in (
        ("prepare", "overlap"),
        ("overlap", "attempt"),
        ("attempt", "retry"),
        ("retry", "select"),
        ("select", "train"),
        ("train", "evaluate"),
        ("evaluate", "judge"),
        ("judge", "table"),
        ("table", "report"),
    ):
        assert order.index(early) < order.index(late)
    engine = entities["https://snakemake.github.io"]
    assert engine["softwareVersion"] == next(iter(source.records.values())).packages["snakemake"]
    [organised] = of_type(entities, "OrganizeAction")
    controls = of_type(entities, "ControlAction")
    assert sorted(ids(organised["object"])) == sorted(control["@id"] for control in controls)
    run = entities[ids(organised["result"])[0]]
    assert ids(run["instrument"]) == ["Snakefile"]
    assert {"config.yaml", "scales/mini.yaml", "report/claims.yaml"} <= set(ids(run["object"]))
    wanted = {
        f"{source.prefix}/{path}" for path in source.records if path.startswith(("claims/", "tables/", "report/"))
    }
    assert set(ids(run["result"])) == wanted


def test_a_parameter_and_its_values_know_each_other(entities: Entities) -> None:
    parameters = {entity["@id"] for entity in of_type(entities, "FormalParameter")}
    realised = {target for entity in entities.values() for target in ids(entity.get("exampleOfWork"))}
    assert realised == parameters
    declared = {
        target
        for entity in of_type(entities, "SoftwareSourceCode")
        for target in ids(entity.get("input")) + ids(entity.get("output"))
    }
    assert declared == parameters


def test_descriptions_say_verdicts_and_audit(source: Source, entities: Entities) -> None:
    text = entities["./"]["description"]
    for verdict, claims in source.verdicts.items():
        assert f"{len(claims)} {verdict}" in text
    assert "found nothing" in text
    path, claim = next((path, claim) for path, claim in source.claims.items() if claim["id"] == "headline")
    shown = entities[f"{source.prefix}/{path}"]["description"]
    assert claim["says"] in shown
    assert f"Verdict: {claim['verdict']}." in shown


def test_the_same_results_give_the_same_bytes(source: Source, crate: Path, tmp_path: Path) -> None:
    again = export_crate(source, tmp_path / "again")
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (crate, again)
    )
    assert first == second
    zips = [export_crate(source, tmp_path / name / "crate.zip") for name in ("a", "b")]
    assert zips[0].read_bytes() == zips[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "again", "b"], "a draft was left"


def test_models_that_are_left_out_are_named_by_their_hash(source: Source, tmp_path: Path) -> None:
    crate = export_crate(
        source, tmp_path / "crate", with_models=False, agent=Party("A. N. Other", "0000-0002-1825-0097")
    )
    entities = read(crate)
    assert source.models
    for path, record in source.models.items():
        assert not (crate / source.prefix / path).exists()
        assert (crate / source.prefix / f"{path}.prov.json").is_file()
        entity = entities[f"#left-out/{path}"]
        assert record.artifact.sha256 in entity["identifier"]
        assert entity["@id"] in ids(entities[f"#job/{record.job}"]["result"])
    assert f"weights of {len(source.models)} models" in entities["./"]["description"]
    agents = {agent for action in of_type(entities, "CreateAction") for agent in ids(action["agent"])}
    assert agents == {"https://orcid.org/0000-0002-1825-0097"}
