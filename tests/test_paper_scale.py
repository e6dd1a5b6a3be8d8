"""The paper scale's figures against each other: sizes, lengths, batches and the cells that claims name."""

from __future__ import annotations

from pathlib import Path

import pytest

from piretry.grid.project import Project, load_project
from piretry.settings.scale import PretrainedRole

ROOT = Path(__file__).parents[1]
# Qwen3-1.7B stores one matrix for embedding and output, the larger ones store two.
EMBEDDINGS = {"small": 1, "medium": 2, "large": 2}


@pytest.fixture(scope="module")
def paper() -> Project:
    return load_project(ROOT, {"scale": "paper"})


def test_the_number_of_parameters_follows_from_the_shape(paper: Project) -> None:
    assert set(EMBEDDINGS) == set(paper.scale.roles)
    for role, binding in paper.scale.roles.items():
        assert isinstance(binding, PretrainedRole)
        shape = binding.shape
        attention = shape.hidden_size * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
        norms = 2 * shape.hidden_size + 2 * shape.head_dim
        layer = attention + 3 * shape.hidden_size * shape.intermediate_size + norms
        embedding = EMBEDDINGS[role] * shape.vocabulary * shape.hidden_size
        assert binding.parameters == shape.layers * layer + shape.hidden_size + embedding


def test_prompts_and_completions_fit(paper: Project) -> None:
    """2,048 tokens are left for the problem: MATH-500's longest has 791."""
    scale = paper.scale
    answer, room = scale.attempt.max_tokens, 2048
    assert scale.engine.vllm is not None
    shown = {"none": 0, "last": 1, "all": max(paper.k_max.values())}[scale.retry.history]
    assert scale.engine.vllm.max_model_len is not None
    assert scale.engine.vllm.max_model_len >= room + (shown + 1) * answer
    assert all(tuning.max_length >= room + answer for tuning in scale.training.tunings.values())


def test_the_gpus_of_a_training_job_share_its_batch(paper: Project) -> None:
    for arm in paper.arms:
        tuning = paper.scale.training.tunings[arm.tuning]
        gpus = paper.scale.asks("train", arm.role, arm.tuning).gpus
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
