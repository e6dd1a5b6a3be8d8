"""The paper scale's figures against each other: sizes, lengths, batches and the cells that claims name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from piretry.data.theorems.read import MAX_PROOF, MAX_QUESTION
from piretry.grid.project import Project, load_project
from piretry.lean_prompts import PUBLISHED
from piretry.settings.data import FileDataset, HubDataset
from piretry.settings.scale import PretrainedRole

ROOT = Path(__file__).parents[1]
# Qwen3-1.7B and Qwen2.5-1.5B store one matrix for embedding and output, the larger ones store two.
EMBEDDINGS = {"small": 1, "medium": 2, "large": 2, "prover": 1}


@pytest.fixture(scope="module")
def paper() -> Project:
    return load_project(ROOT, {"scale": "paper"})


def test_the_number_of_parameters_follows_from_the_shape(paper: Project) -> None:
    assert set(EMBEDDINGS) == set(paper.scale.roles)
    for role, binding in paper.scale.roles.items():
        assert isinstance(binding, PretrainedRole)
        shape = binding.shape
        attention = shape.hidden_size * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
        # Qwen3 normalises queries and keys; Qwen2 has a bias on queries, keys and values instead.
        norms = 2 * shape.hidden_size
        own = shape.head_dim * (shape.heads + 2 * shape.kv_heads if role == "prover" else 2)
        layer = attention + 3 * shape.hidden_size * shape.intermediate_size + norms + own
        embedding = EMBEDDINGS[role] * shape.vocabulary * shape.hidden_size
        assert binding.parameters == shape.layers * layer + shape.hidden_size + embedding


def test_prompts_and_completions_fit(paper: Project) -> None:
    """2,048 tokens are left for the problem: MATH-500's longest has 791. Skeletons and errors are beside them."""
    scale = paper.scale
    room = 2048
    assert scale.engine.vllm is not None and scale.prover is not None
    shown = {"none": 0, "last": 1, "all": max(paper.k_max.values())}[scale.retry.history]
    assert scale.engine.vllm.max_model_len is not None
    for answer, more in ((scale.attempt.max_tokens, 0), (scale.prover.attempt.max_tokens, 1024)):
        assert scale.engine.vllm.max_model_len >= room + more + (shown + 1) * answer
        assert all(tuning.max_length >= room + more + answer for tuning in scale.training.tunings.values())
    assert scale.prover.error_characters <= 1024  # a token is at least a character, but for rare symbols


def test_questions_and_skeletons_fit(paper: Project) -> None:
    """What the loader of the training theorems lets through, at 2.5 characters a token, in every kind of prompt."""
    own, engine = paper.scale.prover, paper.scale.engine.vllm
    assert own is not None and engine is not None and engine.max_model_len is not None
    question, skeleton = MAX_QUESTION / 2.5, MAX_PROOF / 2.5
    answer, error = own.attempt.max_tokens, own.error_characters / 2.5
    assert engine.max_model_len >= max(question + error + 2 * answer, question + skeleton + answer)
    for tuning in paper.scale.training.tunings.values():
        assert tuning.max_length >= max(question + answer, question + skeleton + own.distill.max_tokens)


def test_the_gpus_of_a_training_job_share_its_batch(paper: Project) -> None:
    for arm in paper.arms:
        tuning = paper.scale.training.tunings[arm.tuning]
        stage = "distill" if arm.method == "skeleton" else "train"
        gpus = paper.scale.asks(stage, arm.role, arm.tuning).gpus
        assert gpus >= 1
        assert tuning.batch_size % (tuning.micro_batch_size * gpus) == 0, arm.name


def test_every_cell_that_the_sources_contradict_themselves_on_is_there(paper: Project) -> None:
    named = {variant.of.series for claim in paper.claims.claims for variant in claim.variants}
    cells = {arm.name for arm in paper.arms}
    assert named
    assert named <= cells
    sweep = {arm.tuning for arm in paper.arms if arm.role == "medium" and arm.method == "retry"} - {"full"}
    rates = {
        paper.scale.training.tunings[name].learning_rate_by_role.get(
            "medium", paper.scale.training.tunings[name].learning_rate
        )
        for name in sweep
    }
    assert rates == {5e-7, 1e-6, 5e-6, 2e-5}


def test_the_prover_is_as_stated(paper: Project) -> None:
    """Kimina 1.5B, LoRA 16 at 2e-5, 500 steps, T=0.7, seed 42 among the seeds, one retry, the literal prompts."""
    own = paper.scale.prover
    assert own is not None and "Kimina" in str(getattr(paper.scale.roles["prover"], "model", ""))
    lora = paper.scale.training.tunings["lora"]
    assert (lora.lora_rank, lora.learning_rate, lora.steps) == (16, 2e-5, 500)
    assert "prover" not in lora.learning_rate_by_role
    assert own.attempt.temperature == own.distill.rollout_temperature == 0.7
    assert {str(name): text for name, text in own.prompts.items()} == PUBLISHED
    arms = {arm.name: seeds for arm, seeds in paper.arms.items() if arm.role == "prover"}
    assert set(arms) == {
        "prover/retry-lora/k1/bare/r1",
        "prover/retry-lora/k1/error/r1",
        "prover/skeleton-lora/k1/none/r1",
        "prover/skeleton-full/k1/none/r1",
        "prover/skeleton_sft-lora/k1/none/r1",
    }
    assert all(42 in seeds for seeds in arms.values())


def test_the_held_out_theorems_are_named_with_their_version(paper: Project) -> None:
    own = paper.scale.prover
    assert own is not None and isinstance(own.eval, FileDataset) and isinstance(own.train, HubDataset)
    assert own.eval.name == "miniF2F-DeepSeek-Prover-V1.5" and own.eval.split == "test"
    assert own.eval_problems == 244 and own.eval.sha256
    shared = ROOT.parent / "shared/data/minif2f_lean4.jsonl"
    if not shared.is_file():
        pytest.skip("shared/data/minif2f_lean4.jsonl is not there: its checksum was not compared")
    assert hashlib.sha256(shared.read_bytes()).hexdigest() == own.eval.sha256


def test_the_checker_comes_with_the_image_and_none_is_needed_to_plan(
    paper: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = paper.scale.prover
    assert own is not None and own.verifier.in_image and own.verifier.proofs == "file"
    monkeypatch.setenv("PATH", "/nonexistent")  # no lake, no lean, no apptainer
    project = load_project(ROOT, {"scale": "paper"})
    assert project.notice is None and "prover" in project.roles
    assert not [claim.id for claim in project.claims.claims if claim.not_run]
