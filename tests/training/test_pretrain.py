"""Pretraining from nothing: dialogues, packing, determinism, resuming, and what is saved."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from piretry.data.chains import OPERATIONS, evaluate
from piretry.errors import PiretryError
from piretry.prompts import RetryPrompts
from piretry.settings.mini import ChainSettings, ModelShape, PretrainSettings
from piretry.training.curriculum import Dialogue, make_dialogues, misconceptions
from piretry.training.pretrain import Pretraining, answer_loss, encode, new_model, pack, pretrain, rate
from piretry.training.tokenizer import build_tokenizer, tokenizer_texts

CHAINS = ChainSettings(operations={2: 1.0, 3: 1.0, 4: 1.0}, train_share=0.1, eval_share=0.1, seed=42)
CHAT = {"system": None, "instruction": "", "template_options": {}}
PROMPTS = RetryPrompts(
    {
        "bare": "Your previous answer was incorrect. Try again carefully.",
        "gold": "The correct answer is {gold}. Please solve the problem showing how to arrive at this answer.",
        "gibberish": "The correct answer is XYZZY. Please solve the problem.",
        "wrong": "The correct answer is {wrong}. Please solve the problem.",
    }
)
SHAPE = ModelShape(
    hidden_size=16,
    layers=1,
    heads=2,
    kv_heads=1,
    head_dim=8,
    intermediate_size=32,
    rope_theta=100.0,
    max_positions=256,
    vocabulary=512,
    initial_std=0.06,
)
SETTINGS = PretrainSettings(
    seed=3,
    steps=12,
    batch_size=4,
    row_tokens=128,
    step_noise=0.2,
    noise_from=0.0,
    misconceptions=0.05,
    misconception_rate=0.7,
    retry_share=0.3,
    hint_following=0.0,
    histories={"last": 1.0},
    learning_rate=0.04,
    embedding_learning_rate=0.01,
    weight_decay=0.0,
    warmup_steps=3,
    final_learning_rate=0.1,
    checkpoint_every=5,
)


def changed(**values: Any) -> PretrainSettings:
    return PretrainSettings.model_validate({**SETTINGS.model_dump(), **values})


def dialogues_of(settings: PretrainSettings) -> list[Dialogue]:
    return make_dialogues(CHAINS, settings, PROMPTS, CHAT)


@cache
def tokenizer() -> Any:
    return build_tokenizer(tokenizer_texts(CHAINS, PROMPTS, CHAT), SHAPE.vocabulary)


def stated_steps(answer: str) -> list[tuple[int, str, int, int]]:
    return [(int(a), op, int(b), int(c)) for a, op, b, c in re.findall(r"(\d)([+*-])(\d)=(\d)", answer)]


def boxed(answer: str) -> int:
    return int(re.fullmatch(r".*\. \\boxed\{(\d)\}", answer)[1])  # type: ignore[index]


# Dialogues


def test_answers_carry_their_errors_on_and_box_the_last_result() -> None:
    for dialogue in dialogues_of(changed(steps=100)):
        problem = dialogue.prompt[0]["content"]
        steps = stated_steps(dialogue.answer)
        assert [f"{op}{b}" for _, op, b, _ in steps] == re.findall(r"[+*-]\d", problem)
        assert steps[0][0] == int(re.findall(r"\d", problem)[0])
        assert [step[0] for step in steps[1:]] == [step[3] for step in steps[:-1]]
        assert boxed(dialogue.answer) == steps[-1][3]


def test_slips_come_at_their_rate_and_only_where_they_are_due() -> None:
    dialogues = dialogues_of(changed(steps=1000, step_noise=0.2, noise_from=0.5, misconceptions=0.0, retry_share=0.0))

    def wrong_share(some: list[Dialogue]) -> float:
        steps = [step for dialogue in some for step in stated_steps(dialogue.answer)]
        return sum(OPERATIONS[op](a, b) != c for a, op, b, c in steps) / len(steps)

    half = len(dialogues) // 2
    assert wrong_share(dialogues[:half]) == 0
    assert abs(wrong_share(dialogues[half:]) - 0.2) < 0.03  # about 6,000 steps: standard deviation 0.005


def test_misconceptions_are_the_same_wrong_result_each_time() -> None:
    settings = changed(steps=1500, step_noise=0.0, misconceptions=0.1, misconception_rate=0.7)
    facts = misconceptions(settings)
    assert len(facts) == 30
    stated: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for dialogue in dialogues_of(settings):
        for a, op, b, c in stated_steps(dialogue.answer):
            right, learnt = OPERATIONS[op](a, b), facts.get((a, op, b))
            kind = "right" if c == right else "learnt" if c == learnt else "other"
            stated[learnt is not None][kind] += 1
    assert set(stated[False]) == {"right"}
    assert set(stated[True]) == {"right", "learnt"}
    assert abs(stated[True]["learnt"] / stated[True].total() - 0.7) < 0.06  # about 1,800: standard deviation 0.011


def test_retry_dialogues_are_failure_prompt_and_fresh_answer() -> None:
    dialogues = dialogues_of(changed(steps=500, retry_share=0.4))
    retries = [dialogue for dialogue in dialogues if len(dialogue.prompt) > 1]
    assert abs(len(retries) / len(dialogues) - 0.4) < 0.06
    kinds: Counter[str] = Counter()
    for dialogue in retries:
        problem, failure, prompt = dialogue.prompt
        assert [turn["role"] for turn in dialogue.prompt] == ["user", "assistant", "user"]
        gold = evaluate(problem["content"])
        assert boxed(failure["content"]) != gold
        shown = re.search(r"answer is (\d)\.", prompt["content"])
        name = next(
            name
            for name in PROMPTS.names
            if prompt["content"] in {PROMPTS.render(name, digit, digit) for digit in "0123456789"}
        )
        kinds[name] += 1
        if name == "gold":
            assert shown is not None and int(shown[1]) == gold
        elif name == "wrong":
            assert shown is not None and int(shown[1]) != gold
    assert set(kinds) == {"bare", "gold", "gibberish", "wrong"}
    assert min(kinds.values()) > len(retries) / 6


def test_a_followed_hint_bends_the_last_step_alone() -> None:
    dialogues = dialogues_of(
        changed(steps=300, retry_share=1.0, step_noise=0.0, misconceptions=0.0, hint_following=1.0)
    )
    seen = Counter()
    for dialogue in dialogues:
        shown = re.search(r"answer is (\d)\.", dialogue.prompt[-1]["content"])
        steps = stated_steps(dialogue.answer)
        gold = evaluate(dialogue.prompt[0]["content"])
        assert all(OPERATIONS[op](a, b) == c for a, op, b, c in steps[:-1])
        assert boxed(dialogue.answer) == (gold if shown is None else int(shown[1]))
        seen["bent" if boxed(dialogue.answer) != gold else "right"] += 1
    assert seen["bent"] > 200  # a quarter of 1,200


def test_histories_give_the_turns_that_the_retry_stage_gives() -> None:
    dialogues = dialogues_of(changed(steps=200, retry_share=1.0, histories={"last": 1, "all": 1, "none": 1}))
    turns = Counter(len(dialogue.prompt) for dialogue in dialogues)
    assert set(turns) == {1, 3, 5}
    assert min(turns.values()) > 200
    bare = PROMPTS.render("bare", "", "")
    assert any(dialogue.prompt[0]["content"].endswith(f"modulo 10.\n{bare}") for dialogue in dialogues)


def test_dialogues_depend_on_the_seed_alone_and_follow_the_chat_settings() -> None:
    assert dialogues_of(SETTINGS) == dialogues_of(SETTINGS)
    assert dialogues_of(SETTINGS) != dialogues_of(changed(seed=4))
    chat = {**CHAT, "system": "Be exact.", "instruction": "Box it."}
    first = make_dialogues(CHAINS, SETTINGS, PROMPTS, chat)[0]
    assert first.prompt[0] == {"role": "system", "content": "Be exact."}
    assert first.prompt[1]["content"].endswith("Work modulo 10.\nBox it.")


# Tokens, packing and loss


def test_the_loss_covers_the_answer_and_its_end_token_alone() -> None:
    for dialogue in dialogues_of(changed(retry_share=1.0)):
        (example,) = encode([dialogue], tokenizer(), 512)
        assert tokenizer().decode(example.tokens[example.answer :]) == dialogue.answer + "<|im_end|>"
        rendered = tokenizer().apply_chat_template(
            [*dialogue.prompt, {"role": "assistant", "content": dialogue.answer}], tokenize=False
        )
        assert tokenizer().decode(example.tokens) + "\n" == rendered


def test_packing_loses_nothing_and_wastes_little() -> None:
    examples = encode(dialogues_of(changed(steps=16, retry_share=0.4)), tokenizer(), 512)
    tokens, positions, labels = pack(examples, 128)
    assert tokens.shape == positions.shape == labels.shape
    assert tokens.shape[1] <= 128
    assert int((labels != -100).sum()) == sum(len(example.tokens) - example.answer for example in examples)
    assert sum(len(example.tokens) for example in examples) / tokens.numel() > 0.85
    segments = []
    for row, at, label in zip(tokens.tolist(), positions.tolist(), labels.tolist(), strict=True):
        starts = [place for place, position in enumerate(at) if position == 0]
        for start, end in pairwise([*starts, len(row)]):
            assert at[start:end] == list(range(end - start))
            segments.append((row[start:end], label[start:end]))
    expected = [
        (
            example.tokens,
            [-100] * (example.answer - 1) + example.tokens[example.answer :] + [-100],
        )
        for example in examples
    ]
    padding = [segment for segment in segments if set(segment[1]) == {-100}]
    assert all(set(row) == {tokenizer().pad_token_id} for row, _ in padding)
    assert sorted(segment for segment in segments if segment not in padding) == sorted(expected)


def test_one_long_example_has_a_row_to_itself() -> None:
    examples = encode(dialogues_of(changed(retry_share=0.5)), tokenizer(), 512)
    tokens, _, labels = pack(examples, 8)
    assert tokens.shape == (len(examples), max(len(example.tokens) for example in examples))
    assert int((labels != -100).sum()) == sum(len(example.tokens) - example.answer for example in examples)


def test_packed_examples_do_not_see_each_other() -> None:
    import torch

    model = new_model(SHAPE, tokenizer(), seed=1)
    examples = encode(dialogues_of(SETTINGS)[:8], tokenizer(), 512)
    with torch.no_grad():
        together = answer_loss(model, *pack(examples, 256))
        losses = torch.stack([answer_loss(model, *pack([example], 256)) for example in examples])
    weights = torch.tensor([len(example.tokens) - example.answer for example in examples], dtype=torch.float32)
    torch.testing.assert_close(together, (losses * weights).sum() / weights.sum())


def test_a_dialogue_longer_than_the_model_is_refused() -> None:
    with pytest.raises(PiretryError, match=r"has \d+ tokens, but shape.max_positions in the scale file is 32"):
        encode(dialogues_of(SETTINGS), tokenizer(), 32)


def test_the_learning_rate_rises_and_falls_linearly() -> None:
    settings = changed(steps=100, warmup_steps=10, final_learning_rate=0.1)
    rates = [rate(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1
    assert rates[55] == pytest.approx(0.55)
    assert rates[99] == pytest.approx(0.11)


# Whole runs


class Killed(Exception):
    """Stands for the death of the process."""


def watch(kill_at: int | None = None) -> Callable[[int], AbstractContextManager[Callable[[int], None]]]:
    """A progress display that counts, and ends the run once `kill_at` steps are done."""

    @contextmanager
    def display(total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            if done == kill_at:
                raise Killed

        yield advance
        assert done == total

    return display


def run(
    folder: Path, settings: PretrainSettings = SETTINGS, kill_at: int | None = None, name: str = "model"
) -> Pretraining:
    return pretrain(
        dialogues_of(settings),
        tokenizer(),
        SHAPE,
        settings,
        folder / name,
        folder / "state",
        threads=1,
        progress=watch(kill_at),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_runs_give_the_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    first, second, other = (run(tmp_path / name, changed(seed=seed)) for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    assert first == second
    assert contents(tmp_path / "a/model") == contents(tmp_path / "b/model")
    assert contents(tmp_path / "a/model")["model.safetensors"] != contents(tmp_path / "c/model")["model.safetensors"]
    assert first.losses != other.losses


@pytest.mark.parametrize(("kill_at", "resumed_at"), [(3, 0), (7, 5), (11, 10)])
def test_a_killed_run_resumes_and_gives_the_same_bytes(tmp_path: Path, kill_at: int, resumed_at: int) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill_at=kill_at)
    assert not (tmp_path / "killed/model").exists()
    resumed = run(tmp_path / "killed")
    assert resumed.resumed_at == resumed_at
    assert resumed.losses == whole.losses
    assert (resumed.tokens, resumed.trained_tokens) == (whole.tokens, whole.trained_tokens)
    assert contents(tmp_path / "killed/model") == contents(tmp_path / "whole/model")
    assert not list((tmp_path / "killed/state").iterdir())
    assert [path.name for path in sorted((tmp_path / "killed").iterdir())] == ["model", "state"]


def test_a_checkpoint_of_other_settings_is_not_taken_up(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, kill_at=7)
    other = changed(learning_rate=0.02)
    assert run(tmp_path, other).resumed_at == 0
    run(tmp_path / "fresh", other)
    assert contents(tmp_path / "model") == contents(tmp_path / "fresh/model")


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    metrics = run(tmp_path, changed(steps=60, retry_share=0.0))
    assert metrics.losses[0][0] == 3
    assert metrics.losses[-1][0] == 60
    assert metrics.losses[-1][1] < 0.6 * metrics.losses[0][1]
    assert 0 < metrics.trained_tokens < metrics.tokens


def test_what_is_saved_loads_and_samples_with_nothing_left_to_defaults(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    metrics = run(tmp_path)
    folder = tmp_path / "model"
    assert set(contents(folder)) == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForCausalLM"]
    assert config["tie_word_embeddings"] is True
    neutral = json.loads((folder / "generation_config.json").read_text())
    assert (neutral["temperature"], neutral["top_p"], neutral["top_k"], neutral["repetition_penalty"]) == (1, 1, 0, 1)
    assert (neutral["eos_token_id"], neutral["pad_token_id"]) == (2, 0)
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == metrics.parameters
    loaded = AutoTokenizer.from_pretrained(folder)
    prompt = loaded.apply_chat_template(
        [{"role": "user", "content": "Start with 3, then +0, -8. Work modulo 10."}],
        add_generation_prompt=True,
        return_tensors="pt",
    )
    output = model.generate(**prompt, max_new_tokens=4)
    assert output.shape[1] <= prompt["input_ids"].shape[1] + 4


def test_a_folder_that_was_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/left over").write_text("old")
    run(tmp_path)
    assert "left over" not in contents(tmp_path / "model")


def test_too_few_dialogues_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PiretryError, match="has 48 dialogues, but 24 steps of 4 need 96"):
        pretrain(
            dialogues_of(SETTINGS), tokenizer(), SHAPE, changed(steps=24), tmp_path / "m", tmp_path / "s", 1, watch()
        )


def test_a_diverged_run_stops_and_says_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(PiretryError, match=r"loss is (nan|inf) at step \d+: the run has diverged. Lower pretrain"):
        run(tmp_path, changed(embedding_learning_rate=1e30))
    assert not (tmp_path / "model").exists()


def test_torch_is_left_as_it_was(tmp_path: Path) -> None:
    import torch

    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    deterministic = torch.are_deterministic_algorithms_enabled()  # other tests of the process may have asked for them
    torch.use_deterministic_algorithms(False)
    run(tmp_path)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic)
    assert torch.equal(torch.random.get_rng_state(), state)
