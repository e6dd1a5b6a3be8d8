"""Skeleton distillation: the divergence, the gradient where teacher and student agree, whole runs, and resuming."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from piretry.data.schema import Problem
from piretry.engines.base import Message, SamplingParams
from piretry.errors import PiretryError
from piretry.lean_prompts import PUBLISHED, LeanPrompts
from piretry.training.distill import DistillRow, _encode, distill, distill_rows, make_distiller
from piretry.training.divergence import divergence, mean_divergence
from piretry.training.rollouts import rollouts


def turn(text: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": text},)


# The hint is longer than the question, so that equal positions cannot hide a mistake in the alignment.
ROWS = [
    DistillRow(
        f"p{number}",
        turn(f"Start with {number}, then +1."),
        turn(f"Start with {number}, then +1. Work modulo 10. The correct answer is {number + 1}."),
    )
    for number in range(8)
]
BLIND = [DistillRow(row.problem_id, row.prompt, row.prompt) for row in ROWS]
LORA = {"kind": "lora", "lora_rank": 4, "lora_alpha": 8, "lora_dropout": 0.0, "lora_targets": "all-linear"}


@contextmanager
def silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda step: None


@pytest.fixture
def settings(mini: dict[str, Any]) -> dict[str, Any]:
    full = {k: v for k, v in mini["training"]["tunings"]["full"].items() if k != "learning_rate_by_role"}
    common = {"seed": 42, "threads": 1, "dtype": "float32", "device": "cpu", "processes": 1, "template_options": {}}
    steps = {"steps": 4, "batch_size": 8, "micro_batch_size": 4, "warmup_steps": 1, "checkpoint_steps": 2}
    return {**full, **common, **steps, "distill": how()}


def how(**values: Any) -> dict[str, Any]:
    return {
        "direction": "forward",
        "teacher": "frozen",
        "temperature": 1.0,
        "rollout_temperature": 1.0,
        "max_tokens": 12,
        "chunk_tokens": 16,
        **values,
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


# The divergence


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_the_divergence_is_that_of_torchs_distributions(direction: Any, temperature: float) -> None:
    import torch
    from torch.distributions import Categorical, kl_divergence

    torch.manual_seed(0)
    student, teacher = torch.randn(7, 300) * 3, torch.randn(7, 300) * 3
    one, other = (Categorical(logits=scores / temperature) for scores in (student, teacher))
    expected = kl_divergence(other, one) if direction == "forward" else kl_divergence(one, other)
    torch.testing.assert_close(divergence(student, teacher, direction, temperature), expected)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_chunks_change_neither_the_loss_nor_its_gradients(direction: Any) -> None:
    import torch

    torch.manual_seed(1)
    head, head_teacher = torch.nn.Linear(8, 500, bias=False), torch.nn.Linear(8, 500, bias=False)
    states, states_teacher = torch.randn(23, 8, requires_grad=True), torch.randn(23, 8)

    def gradients(loss: Any) -> list[Any]:
        return [loss.detach(), *torch.autograd.grad(loss, [states, head.weight])]

    plain = divergence(head(states), head_teacher(states_teacher).detach(), direction, 0.7).mean()
    expected = gradients(plain)
    for chunk in (1, 5, 23, 1000):
        found = mean_divergence((states, head), (states_teacher, head_teacher), direction, 0.7, chunk)
        torch.testing.assert_close(gradients(found), expected)
    assert head_teacher.weight.grad is None


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_free_scores_converge_to_the_teachers_distribution(direction: Any) -> None:
    import torch

    torch.manual_seed(2)
    teacher = torch.randn(3, 20) * 2
    student = torch.zeros(3, 20, requires_grad=True)
    optimizer = torch.optim.Adam([student], lr=0.1)
    start = float(divergence(student.detach(), teacher, direction, 1.0).mean())
    for _ in range(600):
        optimizer.zero_grad()
        divergence(student, teacher, direction, 1.0).mean().backward()
        optimizer.step()
    assert start > 0.5
    torch.testing.assert_close(student.softmax(-1).detach(), teacher.softmax(-1), atol=1e-3, rtol=0)


def test_the_two_directions_differ_in_what_they_forgive() -> None:
    """A student that leaves out a mode of the teacher pays forwards; one that adds a mode pays in reverse."""
    import torch

    both = torch.log(torch.tensor([[0.499, 0.499, 0.002]]))
    one = torch.log(torch.tensor([[0.997, 0.001, 0.002]]))
    leaves_out = [float(divergence(one, both, kind, 1.0)) for kind in ("forward", "reverse")]
    adds = [float(divergence(both, one, kind, 1.0)) for kind in ("forward", "reverse")]
    assert leaves_out[0] > 3 * leaves_out[1]
    assert adds[1] > 3 * adds[0]


# Rollouts, alignment and gradients on a real network


def gradient_norm(folder: Path, rows: list[DistillRow], settings: dict[str, Any], checkpoints: Path) -> float:
    """The largest gradient entry after one batch, at the weights in `folder`, against a teacher of the same weights."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    student, teacher = load(folder), load(folder).eval()
    encoded = _encode(rows, tokenizer, settings, settings["distill"]["max_tokens"])
    trainer = make_distiller(student, teacher, tokenizer, encoded, settings, checkpoints, silent)
    loss = trainer.compute_loss(student, {"rows": encoded})
    loss.backward()
    assert torch.isfinite(loss)
    return max(float(p.grad.abs().max()) for p in student.parameters() if p.grad is not None)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_where_the_teacher_sees_no_more_the_gradient_is_zero(
    random_model: Path, settings: dict[str, Any], tmp_path: Path, direction: str
) -> None:
    settings = {**settings, "distill": how(direction=direction)}
    blind = gradient_norm(random_model, BLIND, settings, tmp_path / "a")
    hinted = gradient_norm(random_model, ROWS, settings, tmp_path / "b")
    assert blind == 0
    assert hinted > 1e-3


@pytest.mark.parametrize("teacher", ["frozen", "current"])
def test_a_whole_run_without_a_hint_leaves_the_weights(
    random_model: Path, settings: dict[str, Any], tmp_path: Path, teacher: str
) -> None:
    """AdamW would make steps of full size out of rounding errors: the gradient must be 0 and not nearly 0."""
    import torch

    tuning = {**settings, "distill": how(teacher=teacher)}
    outcome = distill(random_model, BLIND, tuning, tmp_path / "m", tmp_path / "c", silent)
    assert all(loss == 0 for _, loss in outcome.losses)
    before, after = load(random_model).state_dict(), load(tmp_path / "m").state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_an_adapter_that_learnt_nothing_is_refused(
    random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(PiretryError, match="which is nothing"):
        distill(random_model, BLIND, {**settings, **LORA}, tmp_path / "m", tmp_path / "c", silent)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_the_closed_gradient_is_autograds(direction: Any) -> None:
    import torch

    torch.manual_seed(3)
    student = torch.randn(5, 40, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(5, 40, dtype=torch.float64)
    one, other = (torch.log_softmax(scores.float() / 0.7, -1) for scores in (student, teacher))
    first, second = (other, one) if direction == "forward" else (one, other)
    weights = torch.arange(5.0)
    (expected,) = torch.autograd.grad(((first.exp() * (first - second)).sum(-1) * weights).sum(), student)
    (found,) = torch.autograd.grad((divergence(student, teacher, direction, 0.7) * weights).sum(), student)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_the_loss_stands_at_the_tokens_that_were_sampled(
    random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Recomputed one row at a time, without padding, from the models' own scores."""
    import torch
    from transformers import AutoTokenizer

    from piretry.engines.base import request_seed

    tokenizer = AutoTokenizer.from_pretrained(random_model, padding_side="left")
    student, teacher = load(random_model), load(random_model).eval()
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.05)
    encoded = _encode(ROWS[:3], tokenizer, settings, 12)
    trainer = make_distiller(student, teacher, tokenizer, encoded, settings, tmp_path, silent)
    loss = trainer.compute_loss(student, {"rows": encoded})
    params = SamplingParams(1.0, 1.0, 0, 12)
    seeds = [request_seed(42, "distill", 0, 1, place, row.problem_id) for place, row in enumerate(encoded)]
    answers = rollouts(student, tokenizer, [row.prompt for row in encoded], seeds, params)
    parts = []
    for row, answer in zip(encoded, answers, strict=True):
        with torch.no_grad():
            scores = student(torch.tensor([row.prompt + answer])).logits[0, len(row.prompt) - 1 : -1]
            taught = teacher(torch.tensor([row.teacher_prompt + answer])).logits[0, len(row.teacher_prompt) - 1 : -1]
        assert len(scores) == len(answer)
        parts.append(divergence(scores, taught, "forward", 1.0))
    torch.testing.assert_close(loss.detach(), torch.cat(parts).mean(), atol=1e-5, rtol=1e-4)


def test_rollouts_are_the_engines_own_samples(random_model: Path, tokenizer: Any) -> None:
    from piretry.engines.base import Request
    from piretry.engines.transformers_engine import load as load_engine

    settings = {"threads": 1, "dtype": "float32", "device": "cpu", "batch_size": 8}
    engine = load_engine(settings, random_model, {})
    requests = [Request(row.problem_id, row.prompt, seed) for seed, row in enumerate(ROWS)]
    params = SamplingParams(0.7, 1.0, 0, 12)
    expected = {done.key: done for batch in engine.generate(requests, params) for done in batch}
    prompts = engine.tokenizer([engine.render(request) for request in requests], add_special_tokens=False)["input_ids"]
    found = rollouts(engine.network, engine.tokenizer, prompts, range(len(ROWS)), params)
    for row, tokens in zip(ROWS, found, strict=True):
        assert engine.tokenizer.decode(tokens, skip_special_tokens=True) == expected[row.problem_id].text
        assert len(tokens) == expected[row.problem_id].completion_tokens


# Whole runs


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_the_student_comes_to_answer_as_if_it_saw_the_hint(
    random_model: Path, settings: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    """The distribution without the hint converges to that of the frozen teacher with it, where both are known.

    One question, and rollouts at a low temperature, so that few contexts occur: an untrained network has no knowledge
    to carry from one to the next.
    """
    import torch
    from transformers import AutoTokenizer

    same = [DistillRow(f"p{number}", ROWS[0].prompt, ROWS[0].teacher_prompt) for number in range(1)]
    low = {"rollout_temperature": 0.01, "max_tokens": 4}
    batch = {"steps": 120, "batch_size": 1, "micro_batch_size": 1, "checkpoint_steps": 120}
    batch["learning_rate"] = 5e-3 if kind == "lora" else 5e-4
    tuning = {**settings, **(LORA if kind == "lora" else {}), **batch, "distill": how(**low)}
    outcome = distill(random_model, same, tuning, tmp_path / "m", tmp_path / "c", silent)
    tokenizer = AutoTokenizer.from_pretrained(random_model, padding_side="left")
    base, student = load(random_model).eval(), load(tmp_path / "m").eval()
    (row,) = _encode(same[:1], tokenizer, settings, 4)

    def distance(network: Any) -> float:
        """The divergence of `network` without the hint from the base with it, at tokens that `network` samples."""
        (answer,) = rollouts(network, tokenizer, [row.prompt], [0], SamplingParams(0.01, 1.0, 0, 4))
        scores = network(torch.tensor([row.prompt + answer])).logits[0, len(row.prompt) - 1 : -1]
        taught = base(torch.tensor([row.teacher_prompt + answer])).logits[0, len(row.teacher_prompt) - 1 : -1]
        return float(divergence(scores, taught, "forward", 1.0).mean())

    with torch.no_grad():
        before, after = distance(base), distance(student)
    assert after < before / 8
    assert outcome.counters["rollouts"] == 120
    assert 0 < outcome.counters["rollout_tokens"] <= 120 * 4
    if kind == "lora":
        assert outcome.facts["adapter"]["lost"] < 0.1
        assert (tmp_path / "m/adapter/adapter_model.safetensors").is_file()
        targets = json.loads((tmp_path / "m/adapter/adapter_config.json").read_text())["target_modules"]
        assert targets == sorted(targets)


def test_a_teacher_that_moves_along_agrees_with_its_student_sooner(
    random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    """The loss against the current weights falls by itself where the model forgets the hint: why it is a setting."""
    last = {}
    for teacher in ("frozen", "current"):
        tuning = {**settings, "steps": 12, "learning_rate": 5e-3, "distill": how(teacher=teacher)}
        last[teacher] = distill(random_model, ROWS, tuning, tmp_path / teacher, tmp_path / f"c-{teacher}", silent)
    assert last["frozen"].losses[0] == last["current"].losses[0]
    assert last["current"].losses[-1][1] < last["frozen"].losses[-1][1] / 4


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_killed_run_resumes_to_the_same_bytes(
    random_model: Path, settings: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    tuning = {**settings, **(LORA if kind == "lora" else {})}
    distill(random_model, ROWS, tuning, tmp_path / "whole", tmp_path / "c1", silent)

    class Killed(Exception):
        pass

    @contextmanager
    def dies(total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(step: int) -> None:
            nonlocal done
            done += step
            if done == 3:
                raise Killed

        yield advance

    with pytest.raises(Killed):
        distill(random_model, ROWS, tuning, tmp_path / "resumed", tmp_path / "c2", dies)
    assert not (tmp_path / "resumed/model.safetensors").exists()
    started: list[int] = []

    @contextmanager
    def watches(total: int) -> Iterator[Callable[[int], None]]:
        yield started.append

    distill(random_model, ROWS, tuning, tmp_path / "resumed", tmp_path / "c2", watches)
    assert started[0] == 2, "the run must go on from its last checkpoint, not from the start"
    assert digest(tmp_path / "resumed/model.safetensors") == digest(tmp_path / "whole/model.safetensors")
    assert digest(tmp_path / "whole/model.safetensors") != digest(random_model / "model.safetensors")


def test_gradient_checkpointing_changes_nothing_but_memory(
    random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    import torch

    tuning = {**settings, "steps": 2}
    distill(random_model, ROWS, tuning, tmp_path / "a", tmp_path / "c1", silent)
    distill(random_model, ROWS, {**tuning, "gradient_checkpointing": True}, tmp_path / "b", tmp_path / "c2", silent)
    one, other = load(tmp_path / "a").state_dict(), load(tmp_path / "b").state_dict()
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"max_length": 20}, r"can have \d+ tokens, more than max_length 20"),
        ({"fsdp": True}, "runs in one process"),
        ({"processes": 2}, "runs in one process"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    random_model: Path, settings: dict[str, Any], tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(PiretryError, match=says):
        distill(random_model, ROWS, {**settings, **change}, tmp_path / "m", tmp_path / "c", silent)


def test_theorems_without_sub_goals_teach_nothing() -> None:
    prompts = LeanPrompts(PUBLISHED, 100)
    proofs = {"a": "have hq : q := f hp; g hq", "b": "g (f hp)", "c": None}
    problems = [
        Problem(name, f"theorem {name}", f"theorem {name}", proof, "s", "train") for name, proof in proofs.items()
    ]
    (row,) = distill_rows(problems, {"system": None, "instruction": ""}, prompts)
    assert row.prompt == turn("theorem a")
    assert row.teacher_prompt == turn("theorem a\nGiven these sub-goals: have hq : q, prove the theorem.")


def test_no_theorem_with_sub_goals_is_an_error(random_model: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PiretryError, match="no theorem to distil from"):
        distill(random_model, [], settings, tmp_path / "m", tmp_path / "c", silent)
