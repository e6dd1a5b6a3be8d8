"""The transformers engine: each request has its own random stream, and batches do not change what it says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from piretry.engines.base import Request, SamplingParams, load_engine, request_seed

SETTINGS = {"backend": "transformers", "threads": 1, "dtype": "float32", "device": "cpu", "batch_size": 8}
PARAMS = SamplingParams(temperature=1.0, top_p=1.0, top_k=0, max_tokens=12)


def requests(count: int, seed: int = 0) -> list[Request]:
    return [
        Request(
            str(number),
            ({"role": "user", "content": f"Start with {number % 10}, then +{'1' * (number % 3 + 1)}."},),
            request_seed("state", number, seed),
        )
        for number in range(count)
    ]


def texts(model: Path, wanted: list[Request], params: SamplingParams = PARAMS, batch_size: int = 8) -> dict[str, str]:
    engine = load_engine({**SETTINGS, "batch_size": batch_size}, model, {})
    return {c.key: c.text for batch in engine.generate(wanted, params) for c in batch}


def test_a_completion_depends_on_its_request_alone(random_model: Path) -> None:
    wanted = requests(20)
    first = texts(random_model, wanted)
    assert texts(random_model, wanted) == first
    assert texts(random_model, list(reversed(wanted)), batch_size=3) == first
    assert texts(random_model, wanted[7:9]) == {key: first[key] for key in ("7", "8")}
    other = texts(random_model, requests(20, seed=1))
    assert sum(first[key] != other[key] for key in first) > 15


def test_greedy_does_not_depend_on_the_seed(random_model: Path) -> None:
    greedy = texts(random_model, requests(6), PARAMS.greedy())
    assert texts(random_model, requests(6, seed=5), PARAMS.greedy()) == greedy


def test_batches_are_a_prefix_of_themselves(random_model: Path) -> None:
    """What a killed job finished is a prefix of its batches, so that the rest is batched as it would have been."""
    engine = load_engine(SETTINGS, random_model, {})
    wanted = requests(30)
    batches = [[c.key for c in batch] for batch in engine.generate(wanted, PARAMS)]
    done = {key for batch in batches[:2] for key in batch}
    rest = [request for request in wanted if request.key not in done]
    assert [[c.key for c in batch] for batch in engine.generate(rest, PARAMS)] == batches[2:]


def test_counts_and_finish_reasons(random_model: Path, tokenizer: Any) -> None:
    engine = load_engine(SETTINGS, random_model, {})
    for completion in (c for batch in engine.generate(requests(16), PARAMS) for c in batch):
        assert completion.finish_reason in ("stop", "length")
        assert completion.completion_tokens <= PARAMS.max_tokens
        assert (completion.completion_tokens == PARAMS.max_tokens) or completion.finish_reason == "stop"
        assert completion.prompt_tokens > 5


def test_draws_follow_the_model_distribution() -> None:
    torch = pytest.importorskip("torch")
    from piretry.engines.transformers_engine import make_gumbel_sampler

    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    seeds = torch.tensor([request_seed(number) for number in range(40_000)])
    logits = torch.log(probabilities).repeat(len(seeds), 1)
    ids = torch.zeros((len(seeds), 7), dtype=torch.long)

    def shares(**fields: float) -> list[float]:
        params = SamplingParams(**{"temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_tokens": 1, **fields})
        drawn = make_gumbel_sampler(seeds, 7, params)(ids, logits).argmax(1)
        counted = Counter(drawn.tolist())
        return [counted[token] / len(seeds) for token in range(4)]

    assert shares() == pytest.approx(probabilities.tolist(), abs=0.012)
    sharp = probabilities ** (1 / 0.7)
    assert shares(temperature=0.7) == pytest.approx((sharp / sharp.sum()).tolist(), abs=0.012)
    assert shares(top_k=2) == pytest.approx([0.625, 0.375, 0, 0], abs=0.012)
    assert shares(top_p=0.75) == pytest.approx([0.625, 0.375, 0, 0], abs=0.012)


def test_streams_of_neighbouring_seeds_and_positions_are_unrelated() -> None:
    torch = pytest.importorskip("torch")
    from piretry.engines.transformers_engine import gumbel_noise

    seeds = torch.arange(2000)
    here, there = gumbel_noise(seeds, 0, 16), gumbel_noise(seeds, 1, 16)
    assert torch.isfinite(here).all()
    for first, second in ((here, there), (here[:-1], here[1:]), (here[:, :-1], here[:, 1:])):
        pair = torch.stack([first.flatten(), second.flatten()])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.02
