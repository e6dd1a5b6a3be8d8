"""The vLLM backend: offline continuous batching, a seed for each request, completions handed over as they finish.

vLLM's own `LLM.generate` returns when the last request is done. Here the same engine is stepped and every finished
request goes to the caller at once, so that a killed job loses only what was in flight.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from piretry.engines import lora, vllm_setup
from piretry.engines.base import Completion, Request, SamplingParams
from piretry.engines.rendering import Prompt, completion_of, load_tokenizer, prompts_of, render
from piretry.errors import PiretryError

# Finished completions are handed over when so many have gathered or so much time has passed: each hand-over is a file.
HAND_OVER, HAND_OVER_SECONDS = 64, 1.0


def load(
    settings: dict[str, Any], model: Path, template_options: dict[str, Any], start: Path | None = None
) -> VllmEngine:
    """Load the model folder `model` for sampling; safetensors only, no remote code.

    Args:
        settings: the scale's engine settings, with `tensor_parallel`.
        model: folder of the weights; that of a LoRA-trained state holds merged weights, and the adapter beside them.
        template_options: keyword arguments of the chat template.
        start: the folder that a LoRA-trained model was trained from. With `vllm.lora: adapter` it is loaded, and
            `model`'s adapter applied to it; None for a model that has no adapter.

    Raises PiretryError when vLLM is missing or cannot serve the settings, when memory is too small, and when an
    adapter would change nothing.
    """
    by_adapter = start is not None and settings["vllm"]["lora"] == "adapter"
    weights = start if start is not None and by_adapter else model
    vllm_setup.check(settings, weights)
    vllm_setup.prepare(settings)
    adapter = lora.adapter_in(model) if by_adapter else None
    if start is not None and not by_adapter:
        lora.check_merged(start, model)
    from vllm import EngineArgs, LLMEngine

    arguments = vllm_setup.arguments(settings, weights, adapter.rank if adapter else None)
    try:
        engine = LLMEngine.from_engine_args(EngineArgs(**arguments))
    except Exception as error:
        sentence = vllm_setup.starting_error(error, settings, weights)
        if sentence is None:
            raise
        raise sentence from error
    loaded = VllmEngine(engine, load_tokenizer(model), template_options, adapter.request() if adapter else None)
    if adapter is not None:
        lora.check_adapter_applied(loaded, model)
    return loaded


class VllmEngine:
    """Implements :class:`piretry.engines.base.Engine`.

    Args:
        engine: vLLM's LLMEngine.
        tokenizer: the model's tokenizer.
        template_options: keyword arguments of the chat template.
        adapter: vLLM's LoRARequest that every request names, or None.
    """

    # Requests of several tables in one call let prompts with a common beginning share its computation.
    shares_prefixes = True

    def __init__(self, engine: Any, tokenizer: Any, template_options: dict[str, Any], adapter: Any = None) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.template_options = template_options
        self.adapter = adapter
        self.max_length = int(engine.model_config.max_model_len)
        self._asked = 0

    def render(self, request: Request) -> str:
        """The exact prompt text of `request`, generation prompt included."""
        return render(self.tokenizer, request, self.template_options)

    def generate(self, requests: Sequence[Request], params: SamplingParams) -> Iterator[list[Completion]]:
        """Yield completions in the order in which they finish, a few at a time.

        Raises PiretryError before anything is generated when a prompt leaves no room for `params.max_tokens`.
        """
        prompts = prompts_of(self.tokenizer, requests, self.template_options)
        self._check_lengths(requests, prompts, params)
        # In the order of their tokens: prompts with a common beginning follow each other, while it is in the cache.
        order = sorted(range(len(requests)), key=lambda i: (prompts[i].tokens, requests[i].key))
        waiting = {self._add(prompts[i], requests[i].seed, params): i for i in order}
        try:
            done: list[Completion] = []
            handed = time.monotonic()
            while waiting:
                for output in self.engine.step():
                    if output.finished:
                        i = waiting.pop(output.request_id)
                        tokens = output.outputs[0].token_ids
                        done.append(completion_of(requests[i], prompts[i], tokens, self.tokenizer))
                if done and (len(done) >= HAND_OVER or time.monotonic() - handed > HAND_OVER_SECONDS):
                    yield done
                    done, handed = [], time.monotonic()
            if done:
                yield done
        finally:
            # The caller may stop early; the engine must be free for its next call.
            if waiting:
                self.engine.abort_request(list(waiting))

    def first_logprobs(self, message: str, adapted: bool) -> dict[int, float]:
        """Log-probabilities of the likeliest first tokens of the answer to `message`, with or without the adapter."""
        from vllm import SamplingParams as VllmParams

        request = Request("probe", ({"role": "user", "content": message},), 0)
        (prompt,) = prompts_of(self.tokenizer, [request], self.template_options)
        params = VllmParams(
            temperature=0.0, max_tokens=1, logprobs=10, detokenize=False, skip_reading_prefix_cache=True
        )
        self._submit(prompt, params, self.adapter if adapted else None)
        while True:
            for output in self.engine.step():
                if output.finished:
                    return {token: entry.logprob for token, entry in output.outputs[0].logprobs[0].items()}

    def close(self) -> None:
        """Stop the engine and give its memory back."""
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        self.engine.engine_core.shutdown()
        del self.engine
        gc.collect()
        cleanup_dist_env_and_memory()

    def _add(self, prompt: Prompt, seed: int, params: SamplingParams) -> str:
        return self._submit(prompt, to_vllm(params, seed, self.tokenizer.eos_token_id), self.adapter)

    def _submit(self, prompt: Prompt, params: Any, adapter: Any) -> str:
        from vllm.inputs import tokens_input

        self._asked += 1
        name = str(self._asked)
        self.engine.add_request(name, tokens_input(prompt.tokens), params, lora_request=adapter)
        return name

    def _check_lengths(self, requests: Sequence[Request], prompts: Sequence[Prompt], params: SamplingParams) -> None:
        room = self.max_length - params.max_tokens
        long = [i for i, prompt in enumerate(prompts) if len(prompt.tokens) > room]
        if not long:
            return
        worst = max(long, key=lambda i: len(prompts[i].tokens))
        raise PiretryError(
            f"{len(long)} of {len(prompts)} prompts leave no room for a completion of max_tokens {params.max_tokens}: "
            f"the longest, of {requests[worst].key.strip()}, has {len(prompts[worst].tokens)} tokens, and prompt and "
            f"completion together may have {self.max_length}. In the scale file raise engine.vllm.max_model_len (null "
            "is the model's own limit), lower max_tokens, or let retries see less (retry.history: last or none)."
        )


def to_vllm(params: SamplingParams, seed: int, end: int) -> Any:
    """vLLM's parameters of one request, every field that decides a token stated.

    vLLM also stops at the end tokens in a checkpoint's generation_config.json, and base and trained checkpoints differ
    in it. `ignore_eos` turns that off, and the tokenizer's own end token is named instead, as in the other engine.
    """
    from vllm import SamplingParams as VllmParams
    from vllm.sampling_params import RequestOutputKind

    return VllmParams(
        n=1,
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k,  # 0 keeps every token, there as here
        min_p=0.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        repetition_penalty=1.0,
        seed=seed,
        max_tokens=params.max_tokens,
        min_tokens=0,
        ignore_eos=True,
        stop_token_ids=[end],
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
