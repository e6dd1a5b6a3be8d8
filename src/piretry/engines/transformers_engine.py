"""The transformers backend: Hugging Face generate on CPU or one GPU, with a random stream for each request.

`generate(do_sample=True)` draws every row of a batch from one stream, so that a completion depends on its
neighbours. Here each row has its own counter-based noise: adding Gumbel noise to the scaled log-probabilities and
taking the maximum draws exactly from their softmax (the Gumbel-max trick, Gumbel 1954), and the noise is a hash of
(request seed, position, token id). A resumed job, or another order of requests, repeats the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from piretry.engines.base import Completion, Request, SamplingParams
from piretry.engines.rendering import Prompt, completion_of, load_tokenizer, prompts_of, render


def load(settings: dict[str, Any], model: Path, template_options: dict[str, Any]) -> TransformersEngine:
    """Load the model folder `model` for sampling; safetensors only, no remote code."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(int(settings["threads"]))
    network = AutoModelForCausalLM.from_pretrained(
        model, dtype=getattr(torch, settings["dtype"]), use_safetensors=True, trust_remote_code=False
    )
    network.to(settings["device"]).eval()
    return TransformersEngine(network, load_tokenizer(model), int(settings["batch_size"]), template_options)


class TransformersEngine:
    """Implements :class:`piretry.engines.base.Engine`."""

    def __init__(self, network: Any, tokenizer: Any, batch_size: int, template_options: dict[str, Any]) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.template_options = template_options

    def render(self, request: Request) -> str:
        """The exact prompt text of `request`, generation prompt included."""
        return render(self.tokenizer, request, self.template_options)

    def generate(self, requests: Sequence[Request], params: SamplingParams) -> Iterator[list[Completion]]:
        """Yield completions in batches of similar prompt length, in an order that depends on the requests alone."""
        prompts = prompts_of(self.tokenizer, requests, self.template_options)
        order = sorted(range(len(requests)), key=lambda i: (len(prompts[i].tokens), requests[i].key))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self._batch([requests[i] for i in rows], [prompts[i] for i in rows], params)

    def _batch(self, requests: list[Request], prompts: list[Prompt], params: SamplingParams) -> list[Completion]:
        import torch
        from transformers import GenerationConfig

        padded = self.tokenizer.pad({"input_ids": [prompt.tokens for prompt in prompts]}, return_tensors="pt")
        encoded = padded.to(self.network.device)
        width = encoded["input_ids"].shape[1]
        # Every field is stated, because a checkpoint's own generation_config.json would fill what is left out.
        config = GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=params.max_tokens,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
            repetition_penalty=1.0,
            use_cache=True,
        )
        processors = []
        if params.temperature > 0:
            seeds = torch.tensor([request.seed for request in requests], device=self.network.device)
            processors.append(make_gumbel_sampler(seeds, width, params))
        with torch.inference_mode():
            output = self.network.generate(**encoded, generation_config=config, logits_processor=processors)
        return [
            completion_of(request, prompt, row, self.tokenizer)
            for request, prompt, row in zip(requests, prompts, output[:, width:].tolist(), strict=True)
        ]


def make_gumbel_sampler(seeds: Any, prompt_width: int, params: SamplingParams) -> Any:
    """A logits processor whose argmax is a draw from softmax(logits / temperature), cut to top_k and top_p.

    Args:
        seeds: int64 tensor of shape (batch,), one stream a row.
        prompt_width: tokens before the first generated one (padding included), so that the position counts from 0.
        params: temperature > 0, top_p, top_k.
    """
    from transformers import LogitsProcessor, TopKLogitsWarper, TopPLogitsWarper

    warpers = []
    if params.top_k > 0:
        warpers.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        warpers.append(TopPLogitsWarper(params.top_p))

    class GumbelSampler(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            scaled = scores.float() / params.temperature
            for warper in warpers:
                scaled = warper(input_ids, scaled)
            position = input_ids.shape[1] - prompt_width
            return scaled.double() + gumbel_noise(seeds, position, scaled.shape[1])

    return GumbelSampler()


def gumbel_noise(seeds: Any, position: int, vocabulary: int) -> Any:
    """Standard Gumbel noise of shape (batch, vocabulary), a pure function of (seed, position, token id).

    The hash is SplitMix64's finaliser (Steele, Lea and Flood 2014) applied twice; 52 bits of it make a uniform that is
    never 0 or 1.
    """
    import torch

    stream = _mix(seeds * 0x9E3779B1 + (position + 1) * 0x632BE59B)
    token = torch.arange(1, vocabulary + 1, device=seeds.device, dtype=torch.int64) * 0x2545F491
    bits = _mix(stream[:, None] ^ _mix(token)[None, :])
    uniform = (((bits >> 12) & ((1 << 52) - 1)).double() + 0.5) / float(1 << 52)
    return -torch.log(-torch.log(uniform))


def _mix(x: Any) -> Any:
    """SplitMix64's finaliser on int64 tensors; the constants are its two multipliers as signed 64-bit numbers."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ ((x >> 31) & 0x1FFFFFFFF)
