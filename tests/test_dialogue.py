"""The turns that a model sees before a retry."""

import pytest

from piretry.dialogue import opening, other_answer, retry_dialogue

CHAT = {"system": None, "instruction": "", "template_options": {}}


def contents(turns):
    return [(turn["role"], turn["content"]) for turn in turns]


def test_opening_has_system_and_instruction_only_where_set() -> None:
    assert contents(opening(CHAT, "P")) == [("user", "P")]
    chat = {**CHAT, "system": "S", "instruction": "Box it."}
    assert contents(opening(chat, "P")) == [("system", "S"), ("user", "P\nBox it.")]


def test_histories() -> None:
    failures = ["first", "second"]
    assert contents(retry_dialogue(CHAT, "P", failures, "again", "last")) == [
        ("user", "P"),
        ("assistant", "second"),
        ("user", "again"),
    ]
    assert contents(retry_dialogue(CHAT, "P", failures, "again", "all")) == [
        ("user", "P"),
        ("assistant", "first"),
        ("user", "again"),
        ("assistant", "second"),
        ("user", "again"),
    ]
    assert contents(retry_dialogue(CHAT, "P", failures, "again", "none")) == [("user", "P\nagain")]


def test_the_wrong_answer_is_another_problems_and_never_right() -> None:
    golds = [(f"p{i}", str(i % 3)) for i in range(30)]
    for problem_id, gold in golds:
        for seed in range(5):
            assert other_answer(problem_id, gold, golds, seed) != gold
    assert len({other_answer("p0", "0", golds, seed) for seed in range(20)}) == 2
    with pytest.raises(ValueError, match="same gold answer"):
        other_answer("p0", "7", [("p0", "7"), ("p1", "7")], 1)
