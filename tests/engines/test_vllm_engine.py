"""The real vLLM engine: the texts of the transformers engine, reproducible samples, streaming, and its refusals."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from piretry.engines.base import Completion, Engine, Request, SamplingParams, load_engine, request_seed
from piretry.errors import PiretryError
from vllm_settings import VLLM

if importlib.util.find_spec("vllm") is None:
    pytest.skip("vLLM is not installed: `make test-vllm` runs the tests of its engine", allow_module_level=True)

pytestmark = pytest.mark.slow
SETTINGS = {
    "backend": "vllm",
    "dtype": "float32",
    "device": "cpu",
    "threads": 1,
    "batch_size": 32,
    "tensor_parallel": 1,
    "vllm": VLLM,
}
SAMPLED = SamplingParams(temperature=0.7, top_p=1.0, top_k=0, max_tokens=48)


@contextmanager
def engine(model: Path, changes: dict[str, Any] | None = None, **vllm: Any) -> Iterator[Engine]:
    """An engine that is closed again: one process holds one at a time."""
    loaded = load_engine({**SETTINGS, **(changes or {}), "vllm": {**VLLM, **vllm}}, model, {})
    try:
        yield loaded
    finally:
        loaded.close()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def model(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained model, with an end token that is likely enough for answers to end."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("ending")
    network = AutoModelForCausalLM.from_pretrained(random_model)
    tokenizer = AutoTokenizer.from_pretrained(random_model)
    with torch.no_grad():
        network.get_input_embeddings().weight[tokenizer.eos_token_id] *= 2.5
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def requests(count: int, seed: int = 0) -> list[Request]:
    return [
        Request(
            f"p{n}",
            (
                {
                    "role": "user",
                    "content": f"Start with {n % 10}, then {'+-*'[n % 3]}{n // 10}, +{'1' * (n % 5 + 1)}.",
                },
                *([{"role": "assistant", "content": "3+0=3."}, {"role": "user", "content": "Try again."}] * (n % 2)),
            ),
            request_seed("state", n, seed),
        )
        for n in range(count)
    ]


def answers(loaded: Engine, wanted: list[Request], params: SamplingParams = SAMPLED) -> dict[str, Completion]:
    found = [completion for batch in loaded.generate(wanted, params) for completion in batch]
    assert len(found) == len(wanted)
    return {completion.key: completion for completion in found}


def test_greedy_float32_equals_the_transformers_engine(model: Path) -> None:
    """Texts, finish reasons, counts and prompt digests of 96 prompts of many lengths, some of them retries."""
    wanted, greedy = requests(96), SAMPLED.greedy()
    plain = {"backend": "transformers", "dtype": "float32", "device": "cpu", "threads": 1, "batch_size": 32}
    expected = answers(load_engine(plain, model, {}), wanted, greedy)
    with engine(model) as loaded:
        assert answers(loaded, wanted, greedy) == expected
    assert len({c.text for c in expected.values()}) > 48, "the model says different things"
    assert {c.finish_reason for c in expected.values()} == {"stop", "length"}


def test_a_sample_depends_on_its_request_alone(model: Path) -> None:
    """Not on its neighbours, their order, how many run at once, the prefix cache, or the engine's life."""
    wanted = requests(64)
    with engine(model) as loaded:
        first = answers(loaded, wanted)
        assert answers(loaded, list(reversed(wanted))) == first
        assert answers(loaded, wanted[7:9]) == {key: first[key] for key in ("p7", "p8")}
        other = answers(loaded, requests(64, seed=1))
        greedy = answers(loaded, wanted, SAMPLED.greedy())
        assert answers(loaded, requests(64, seed=1), SAMPLED.greedy()) == greedy
    with engine(model, {"batch_size": 5}, prefix_caching=False) as restarted:
        assert answers(restarted, wanted) == first
    assert sum(first[key].text != other[key].text for key in first) > 58
    assert {key: c.prompt_digest for key, c in first.items()} == {key: c.prompt_digest for key, c in other.items()}


def test_draws_follow_the_sampling_fields(model: Path) -> None:
    """top_k 1 and a tiny nucleus leave the greedy token; top_k 0 leaves every token."""
    wanted = requests(32)
    with engine(model) as loaded:
        greedy = {key: c.text for key, c in answers(loaded, wanted, SAMPLED.greedy()).items()}
        for fields in ({"top_k": 1, "top_p": 1.0}, {"top_k": 0, "top_p": 1e-6}):
            params = SamplingParams(temperature=1.0, max_tokens=48, **fields)  # type: ignore[arg-type]
            assert {key: c.text for key, c in answers(loaded, wanted, params).items()} == greedy
        assert {key: c.text for key, c in answers(loaded, wanted).items()} != greedy


def test_the_checkpoints_generation_config_changes_nothing(model: Path, tmp_path: Path) -> None:
    """Neither its sampling defaults nor its end tokens: base and trained checkpoints differ in both."""
    wanted = requests(32)
    with engine(model) as loaded:
        expected = answers(loaded, wanted)
    changed = tmp_path / "model"
    shutil.copytree(model, changed)
    path = changed / "generation_config.json"
    common = list(range(3, 120))
    path.write_text(
        json.dumps({"eos_token_id": [2, *common], "temperature": 0.01, "top_k": 1, "repetition_penalty": 9.0})
    )
    with engine(changed) as loaded:
        assert answers(loaded, wanted) == expected


def test_finished_requests_arrive_before_the_last_one(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from piretry.engines import vllm_engine

    monkeypatch.setattr(vllm_engine, "HAND_OVER", 8)
    wanted = requests(64)
    with engine(model, {"batch_size": 8}) as loaded:
        whole = answers(loaded, wanted)
        batches = loaded.generate(wanted, SAMPLED)
        first = next(batches)
        assert 8 <= len(first) <= 16
        assert loaded.engine.has_unfinished_requests()  # type: ignore[attr-defined]
        batches.close()  # type: ignore[attr-defined]
        assert not loaded.engine.has_unfinished_requests()  # type: ignore[attr-defined]
        rest = [request for request in wanted if request.key not in {c.key for c in first}]
        assert {c.key: c for c in first} | answers(loaded, rest) == whole


def test_prompts_with_a_common_beginning_follow_each_other(model: Path) -> None:
    """Each problem is asked with two last turns, all problems with one turn before all with the other.

    The cache holds two of the prompts, so that only neighbours can share anything.
    """
    problems = [f"Start with {n}, then {' '.join(f'+{(n * k) % 10},' for k in range(1, 60))}" for n in range(12)]
    wanted = [
        Request(f"{last}/{n}", ({"role": "user", "content": f"{text} {last}"},), n)
        for last in ("again", "carefully")
        for n, text in enumerate(problems)
    ]
    with engine(model, {"batch_size": 1}, cpu_kvcache_gb=0.0005) as loaded:
        seen: list[Any] = []
        step = loaded.engine.step  # type: ignore[attr-defined]

        def watched() -> list[Any]:
            outputs = step()
            seen.extend(output for output in outputs if output.finished)
            return outputs

        loaded.engine.step = watched  # type: ignore[attr-defined]
        answers(loaded, wanted, SamplingParams(temperature=0.0, top_p=1.0, top_k=0, max_tokens=2))
    cached = sum(output.num_cached_tokens for output in seen)
    total = sum(len(output.prompt_token_ids) for output in seen)
    assert 0.25 < cached / total < 0.5


def test_a_prompt_without_room_is_refused_before_anything_is_generated(model: Path) -> None:
    long = Request("p9/0/0", ({"role": "user", "content": "1 " * 300},), 0)
    with engine(model, max_model_len=256) as loaded:
        with pytest.raises(PiretryError, match=r"1 of 3 prompts .* p9/0/0, has \d+ tokens.*max_model_len"):
            next(loaded.generate([*requests(2), long], SAMPLED))
        assert not loaded.engine.has_unfinished_requests()  # type: ignore[attr-defined]
        assert len(answers(loaded, requests(2))) == 2


def test_too_little_memory_is_a_sentence(model: Path) -> None:
    settings = {**SETTINGS, "vllm": {**VLLM, "cpu_kvcache_gb": 0.00001}}
    with pytest.raises(PiretryError, match=r"too little memory .* engine\.vllm\.cpu_kvcache_gb \(now 1e-05\)"):
        load_engine(settings, model, {})


def test_an_engine_for_another_device_is_refused(model: Path) -> None:
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        pytest.skip("this vLLM is built for GPUs")
    with pytest.raises(PiretryError, match=r"engine\.device is 'cuda', but the vLLM installed here runs on 'cpu'"):
        load_engine({**SETTINGS, "device": "cuda"}, model, {})
