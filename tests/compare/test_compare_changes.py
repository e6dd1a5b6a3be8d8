"""What changed between two runs beside the values: each kind of change named, and nothing where nothing changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runs_to_compare import DRAWS, HEADLINE, Build, edit_records

from piretry.compare.changes import flat
from piretry.compare.comparing import compare_runs
from piretry.compare.model import Changes
from synthetic_results import Draws


def changes(first: Path, second: Path) -> Changes:
    return compare_runs(first, second).changes


def test_nothing_changed(first: Path, copy: Path) -> None:
    found = changes(first, copy)
    assert found.files
    assert all(stage.different == stage.only_a == stage.only_b == 0 for stage in found.files)
    rest = (found.settings, found.seeds, found.code, found.checkout, found.data)
    assert rest == ((), (), (), (), ())
    assert (found.images, found.packages, found.machines, found.origins) == ((), (), (), ())


def test_edited_settings_are_named_once_with_stage_and_cells(first: Path, build: Build) -> None:
    def edit_scale(scale: dict[str, Any]) -> None:
        scale["training"]["tunings"]["full"]["steps"] = 77

    def edit_claims(claims: dict[str, Any]) -> None:
        next(claim for claim in claims["claims"] if claim["id"] == "headline")["tests"][0]["tolerance"] = 2.5

    edits = {"scales/mini.yaml": edit_scale, "report/claims.yaml": edit_claims}
    train, judge = changes(first, build(DRAWS, edits)).settings
    assert (train.stage, train.key, train.b) == ("train", "steps", "77")
    assert len(train.targets) == 8 * 3
    assert f"{HEADLINE}/s42/model" in train.targets
    assert (judge.stage, judge.key, judge.a, judge.b) == ("judge", "claim.tests[0].tolerance", "4.5", "2.5")
    assert judge.targets == ("claims/headline.json",), "not again in the record of each claim of its family"


def test_a_key_that_one_run_does_not_have(first: Path, copy: Path) -> None:
    edit_records(copy, "train", lambda record: record["settings"].update(new={"depth": [1, {"x": 2}]}))
    found = changes(first, copy).settings
    assert [(c.key, c.a, c.b) for c in found] == [("new.depth[0]", None, "1"), ("new.depth[1].x", None, "2")]


def test_seeds_are_listed_apart_and_their_states_are_matched(first: Path, build: Build) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["seeds"]["all"] = [42, 7, 8]
        config["statistics"]["seed"] = 5

    found = changes(first, build(Draws(DRAWS.problems, DRAWS.samples), {"config.yaml": edit}))
    assert found.settings == ()
    series, statistics = found.seeds
    assert (series.a, series.b) == (("42", "123", "456"), ("7", "8", "42"))
    assert HEADLINE in series.name and "small/base" in series.name
    assert (statistics.name, statistics.b) == ("judge: statistics.seed", ("5",))
    evaluate = next(stage for stage in found.files if stage.stage == "evaluate")
    assert (evaluate.identical, evaluate.different, evaluate.only_a, evaluate.only_b) == (9, 18, 0, 0)
    attempts = next(origin for origin in found.origins if origin.stage == "attempt")
    assert attempts.reasons == ("seeds",)
    assert "small/base/s123~7/attempts.parquet" in attempts.targets


@pytest.mark.parametrize(
    ("stage", "edit", "field", "expected"),
    [
        (
            "evaluate",
            lambda r: (
                r["code"].update(digest="0" * 64),
                r["code"]["parts"].update({"piretry.engines.base": "0" * 16}),
            ),
            "code",
            ("evaluate", ("piretry.engines.base",)),
        ),
        ("train", lambda r: r["checkout"].update(commit="f" * 40, dirty=True), "checkout", "f" * 12),
        ("train", lambda r: r["packages"].update(torch="9.9"), "packages", "9.9"),
        ("train", lambda r: r["image"].update(path="images/cpu.sif", sha256="1" * 64), "images", "images/cpu.sif"),
        ("train", lambda r: r["machine"].update(gpus=["H100", "H100"]), "machines", "2 × H100"),
        ("prepare", lambda r: r["datasets"][0].update(revision="abc123"), "data", "at revision abc123"),
        ("fetch", lambda r: None, "data", None),
    ],
)
def test_other_surroundings_are_named(
    first: Path, copy: Path, stage: str, edit: Any, field: str, expected: object
) -> None:
    edit_records(copy, stage, edit)
    found = getattr(changes(first, copy), field)
    if expected is None:
        assert found == ()
    elif field == "code":
        (change,) = found
        assert (change.stage, change.modules) == expected
    else:
        (side,) = found
        assert str(expected) in " ".join(side.b)
        assert str(expected) not in " ".join(side.a)


def test_other_data_is_named_by_hash_and_as_the_origin(first: Path, other_problems: Path) -> None:
    found = changes(first, other_problems)
    named = [side.name for side in found.data]
    assert "data/eval.parquet" in named and "data/pool.parquet" in named
    origin = found.origins[0]
    assert (origin.stage, origin.reasons) == ("prepare", ()), "the records do not say that fewer problems were drawn"


def test_where_the_runs_part_when_nothing_explains_it(first: Path, shifted: Path) -> None:
    found = changes(first, shifted)
    assert {origin.reasons for origin in found.origins} == {()}
    assert {origin.stage for origin in found.origins} == {"pretrain"}


def test_settings_become_flat_keys() -> None:
    value = {"a": {"b": 1, "c": []}, "d": [1, 2], "e": [{"f": None}], "g": {}}
    assert dict(flat(value)) == {"a.b": 1, "a.c": [], "d": [1, 2], "e[0].f": None, "g": {}}
