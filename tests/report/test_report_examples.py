"""Which transcripts the page shows: real ones of every cell, of the kinds that they are said to be, always the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from built_page import Built

from piretry.completions import read_completions
from piretry.data.schema import read_problems
from piretry.grid.names import State
from piretry.report.parts import dialogues, examples
from piretry.report.parts.examples import Group
from piretry.report.results import Results, read_results
from piretry.sampling import RetryAsks


@pytest.fixture(scope="module")
def results(built: Built) -> Results:
    return read_results(built.root, built.task.inputs, built.task.settings)


@pytest.fixture(scope="module")
def groups(results: Results) -> list[Group]:
    found: list[Group] = examples.view(results)["groups"]
    return found


def test_every_cell_has_transcripts(built: Built, groups: list[Group]) -> None:
    shown = {cell for group in groups for cell in group.cells}
    assert {cell.arm.name for cell in built.project.cells} <= shown


def test_cells_that_learn_from_the_same_retries_share_their_dialogues(groups: list[Group]) -> None:
    (bare,) = [group for group in groups if group.title == "small/base: retries, prompt bare"]
    assert {f"small/retry-full/k{k}/bare/r1" for k in (1, 3, 5)} <= set(bare.cells)
    assert "small/retry-full/k1/gold/r1" not in bare.cells
    assert {example.kind for example in bare.dialogues} == {dialogues.SUCCESS, dialogues.FAILURE, dialogues.LUCKY}


def test_dialogues_are_what_they_are_said_to_be(built: Built, groups: list[Group]) -> None:
    for group in groups:
        for example in group.dialogues:
            verdicts = [turn.verdict for turn in example.turns if turn.verdict]
            expected = {
                dialogues.SUCCESS: [False, True], dialogues.FAILURE: [False, False],
                dialogues.LUCKY: [False, True, False], dialogues.FRESH: [False, True],
                dialogues.NEVER: [False, False], dialogues.SHOWN_GOALS: [False, True],
                dialogues.LEARNED: [False, True], dialogues.LOST: [True, False],
            }[example.kind]  # fmt: skip
            ends = [verdicts[0], *([verdicts[-2]] if len(expected) == 3 else []), verdicts[-1]]
            assert [verdict == "correct" for verdict in ends] == expected, (group.title, example.kind)


def test_what_training_changed_is_read_from_both_evaluations(built: Built, results: Results) -> None:
    state = State.parse("small/retry-full/k3/bare/r1/s42")
    for example in dialogues.after_training(results, state):
        texts = []
        for name in ("small/base/s42", state.name):
            (row,) = [
                row for row in read_completions(built.root / name / "eval.parquet")
                if row.problem_id == example.problem_id and row.decoding == "greedy"
            ]  # fmt: skip
            texts.append((row.completion, row.verdict))
        assert [(turn.text, turn.verdict) for turn in example.turns[1:]] == texts


@pytest.mark.parametrize("prompt", ["gold", "wrong", "gibberish"])
def test_the_signal_is_the_text_that_the_model_was_given(built: Built, results: Results, prompt: str) -> None:
    path = f"small/base/s42/retries-{prompt}.parquet"
    record = results.records.by_path[path]
    settings = {**record.settings, **record.settings["prompts"][prompt], "prompt": prompt}
    asks = RetryAsks(settings, read_problems(built.root / "data/train.parquet"))
    first = {row.problem_id: row for row in read_completions(built.root / "small/base/s42/attempts.parquet")}
    shown = dialogues.after_failures(results, results.files[path])
    assert shown
    for example in shown:
        ask = asks.ask(example.problem_id, [first[example.problem_id]], 1, 0, "retry")
        assert example.turns[2].text == ask.messages[-1]["content"]


def test_they_are_chosen_by_problem_id_and_not_by_chance(results: Results, groups: list[Group]) -> None:
    assert examples.view(results)["groups"] == groups
    for group in groups:
        assert group.dialogues and all(example.turns[0].who == "problem" for example in group.dialogues)


def test_of_too_many_each_group_keeps_some(groups: list[Group]) -> None:
    total = sum(len(group.dialogues) for group in groups)
    kept, left_out = examples._capped(groups, len(groups))
    assert [len(group.dialogues) for group in kept] == [1] * len(groups)
    assert left_out == total - len(groups)
    assert kept[0] == replace(groups[0], dialogues=groups[0].dialogues[:1])


def test_long_texts_share_the_room_that_there_is(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = examples.view(results)
    turns = sum(len(example.turns) for group in shown["groups"] for example in group.dialogues)
    assert shown["limit"] == min(4000, examples.CHARACTERS // turns) > 2000
    monkeypatch.setattr(examples, "CHARACTERS", 100_000)
    assert examples.view(results)["limit"] == 100_000 // turns < 1000
