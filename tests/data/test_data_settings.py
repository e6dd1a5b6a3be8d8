from __future__ import annotations

from typing import Any

import pytest
from overlap_texts import SETTINGS
from pydantic import BaseModel, ValidationError

from piretry.settings import data
from piretry.settings.data import FieldMapping, FileDataset, HubDataset, NgramSettings, OverlapSettings

FILE: dict[str, Any] = {"name": "a", "format": "math-500", "split": "test", "kind": "file", "path": "a.jsonl"}
NAMES: dict[str, Any] = {"problem": "p", "gold": "g", "solution": None, "problem_id": None, "source": None}
# Checks that change no result may be left out; everything else must be said.
OPTIONAL = {"rows", "sha256", "fields"}


def classes() -> list[type[BaseModel]]:
    return [
        value
        for value in vars(data).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == data.__name__
    ]


@pytest.mark.parametrize("model", classes())
def test_every_field_is_described_and_none_has_a_silent_default(model: type[BaseModel]) -> None:
    assert model.__doc__
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.is_required() or name in OPTIONAL, name


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (FileDataset, {**FILE, "format": "fields"}, "format is 'fields', which needs key `fields`"),
        (FileDataset, {**FILE, "fields": NAMES}, "format is 'math-500', which takes no key `fields`"),
        (FileDataset, {**FILE, "sha256": "abc"}, "should match pattern"),
        (FileDataset, {**FILE, "name": "a b"}, "should match pattern"),
        (FileDataset, {**FILE, "pth": "x"}, "Extra inputs are not permitted"),
        (FieldMapping, {**NAMES, "gold": None}, "gold and solution are both null"),
        (HubDataset, {**FILE, "kind": "hub"}, "Field required"),
        (
            NgramSettings,
            {"size": 5, "short_size": 8, "short_below": 9, "min_share": 0.5, "stock_after": 1},
            "short_size 8 is larger than size 5",
        ),
        (OverlapSettings, {**SETTINGS.plain(), "kinds": ["exact"]}, "remove names normalised, renumbered, ngram"),
        (OverlapSettings, {**SETTINGS.plain(), "kinds": ["exact", "exact"]}, "kinds names a kind twice"),
        (OverlapSettings, {**SETTINGS.plain(), "remove": ["exact"] * 2}, "remove names a kind twice"),
        (OverlapSettings, {**SETTINGS.plain(), "ngram": None}, "ngram needs its rules"),
        (
            OverlapSettings,
            {**SETTINGS.plain(), "kinds": ["exact"], "remove": [], "ngram": None, "near_duplicate": None},
            "reworded must be null, because kinds does not name it",
        ),
    ],
)
def test_contradictions_are_refused(model: type[BaseModel], values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        model.model_validate(values)


def test_settings_survive_json() -> None:
    assert OverlapSettings.model_validate(SETTINGS.plain()) == SETTINGS
