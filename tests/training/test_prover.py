"""The mini prover's dialogues: their mixture, their turns, their proofs and slips; the tokens of names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lean_kernel import open_verifier
from piretry.data.theorems.skeleton import skeleton
from piretry.lean_prompts import PUBLISHED, LeanPrompts
from piretry.settings.prover import ProverPretrainSettings, TheoremSettings
from piretry.training.curriculum import Dialogue
from piretry.training.prover import make_prover_dialogues

THEOREMS = TheoremSettings(
    hypotheses={3: 1.0, 4: 1.0},
    steps={1: 1.0, 2: 2.0, 3: 2.0},
    nested=0.2,
    equations=0.1,
    numbered=0.1,
    train_share=0.2,
    eval_share=0.2,
    seed=1,
)
PROMPTS = LeanPrompts(PUBLISHED, 200)
CHAT: dict[str, Any] = {"system": None, "instruction": "", "template_options": {}}
SETTINGS = ProverPretrainSettings(
    seed=3,
    theorems=80,
    styles={"nested": 2.0, "flat": 1.0, "direct": 1.0},
    plain_until=0.0,
    skeleton_share=0.3,
    retry_share=0.3,
    slips=0.0,
    slips_from=0.5,
    histories={"last": 1.0},
    steps=50,
    batch_size=8,
    row_tokens=256,
    learning_rate=0.03,
    embedding_learning_rate=0.01,
    weight_decay=0.0,
    warmup_steps=3,
    final_learning_rate=0.05,
    checkpoint_every=50,
)


@pytest.fixture(scope="module")
def lean_verifier() -> Iterator[Any]:
    yield from open_verifier()


def made(**values: Any) -> list[Dialogue]:
    settings = ProverPretrainSettings.model_validate({**SETTINGS.model_dump(), **values})
    return make_prover_dialogues(THEOREMS, settings, PROMPTS, CHAT)


def requests(dialogues: list[Dialogue]) -> list[Any]:
    from piretry.verifiers.base import GradeRequest

    return [
        GradeRequest(str(number), dialogue.prompt[0]["content"].partition("\n")[0], dialogue.answer)
        for number, dialogue in enumerate(dialogues)
    ]


def test_the_mixture_and_the_turns() -> None:
    dialogues = made()
    assert len(dialogues) == 400
    retries = [dialogue for dialogue in dialogues if len(dialogue.prompt) == 3]
    shown = [dialogue for dialogue in dialogues if "Given these sub-goals: " in dialogue.prompt[0]["content"]]
    # A theorem without sub-goals, or without a place for a slip, is asked bare.
    assert 60 <= len(retries) <= 150
    assert 40 <= len(shown) <= 150
    asked = [dialogue.prompt[2]["content"] for dialogue in retries]
    assert 0.3 < sum(text == PUBLISHED["bare"] for text in asked) / len(asked) < 0.7
    assert any("mismatch" in text for text in asked)
    assert any("Unknown identifier" in text for text in asked)
    for dialogue in shown:
        stated = PROMPTS.skeleton(skeleton(dialogue.answer))
        assert dialogue.prompt[0]["content"].endswith(stated), "the proof must follow the skeleton that is shown"
    for dialogue in retries:
        assert [turn["role"] for turn in dialogue.prompt] == ["user", "assistant", "user"]
        assert dialogue.prompt[1]["content"] != dialogue.answer


def test_at_first_every_dialogue_is_plain() -> None:
    dialogues = made(plain_until=0.5)
    plain = [len(dialogue.prompt) == 1 and "Given" not in dialogue.prompt[0]["content"] for dialogue in dialogues]
    assert all(plain[:200])
    assert not all(plain[200:])


def test_names_fall_into_letters_and_a_prompt_is_a_prefix_of_its_dialogue() -> None:
    from piretry.training.pretrain import encode
    from piretry.training.prover import PIECES, prover_texts
    from piretry.training.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(prover_texts(THEOREMS, PROMPTS, CHAT), 512, PIECES)

    def cut(text: str) -> list[str]:
        return [tokenizer.decode(token) for token in tokenizer(text)["input_ids"]]

    assert cut("have hipq : p → q := hapr.left; hx") == (
        ["have ", "h", "i", "p", "q ", ": ", "p ", "→ ", "q ", ":= ", "h", "a", "p", "r", ".", "left", "; ", "h", "x"]
    )
    assert cut("(hp : p) (hq : q)")[:6] == ["(", "h", "p ", ": ", "p", ") ("]
    for dialogue in made(steps=10):
        (example,) = encode([dialogue], tokenizer, 1024)
        assert tokenizer.decode(example.tokens[example.answer :]) == dialogue.answer + "<|im_end|>"
        prompt = tokenizer.apply_chat_template(list(dialogue.prompt), add_generation_prompt=True, tokenize=False)
        assert tokenizer(prompt, add_special_tokens=False)["input_ids"] == example.tokens[: example.answer]


def test_dialogues_depend_on_the_seed_alone() -> None:
    assert made(steps=10) == made(steps=10)
    assert made(steps=10) != made(steps=10, seed=4)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="styles gives every kind the weight 0"):
        made(styles={"flat": 0.0})
    with pytest.raises(ValueError, match="add up to more than 1"):
        made(skeleton_share=0.6, retry_share=0.5)


def test_without_slips_the_kernel_accepts_every_answer_and_with_them_about_as_many_less(lean_verifier: Any) -> None:
    for slips in (0.0, 0.5):
        grades = lean_verifier.grade(requests(made(slips=slips, slips_from=0.0, steps=16)))
        right = sum(grade.verdict == "correct" for grade in grades) / len(grades)
        assert right == 1 if slips == 0 else 0.4 < right < 0.75
    late = lean_verifier.grade(requests(made(slips=1.0, slips_from=0.5, steps=16)))
    assert all(grade.verdict == "correct" for grade in late[:64])
    assert sum(grade.verdict == "correct" for grade in late[64:]) < 32


def test_failed_answers_in_retry_dialogues_are_wrong(lean_verifier: Any) -> None:
    from piretry.verifiers.base import GradeRequest

    retries = [dialogue for dialogue in made(retry_share=0.7, steps=20) if len(dialogue.prompt) == 3]
    grades = lean_verifier.grade(
        [
            GradeRequest(str(number), dialogue.prompt[0]["content"], dialogue.prompt[1]["content"])
            for number, dialogue in enumerate(retries)
        ]
    )
    assert len(grades) > 50
    assert not [grade for grade in grades if grade.verdict == "correct"]
