"""A student's own samples in tokens, and the hidden states from which their tokens are predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from piretry.engines.base import SamplingParams


def rollouts(
    network: Any, tokenizer: Any, prompts: Sequence[list[int]], seeds: Sequence[int], params: SamplingParams
) -> list[list[int]]:
    """A sampled answer to each prompt, in tokens, with its end token unless it was cut off; never empty.

    The tokens themselves and not their text: text can be cut into other tokens than those that were sampled.
    """
    import torch
    from transformers import GenerationConfig

    from piretry.engines.transformers_engine import make_gumbel_sampler

    encoded = tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(network.device)
    width = encoded["input_ids"].shape[1]
    config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=params.max_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        repetition_penalty=1.0,
        use_cache=True,
    )
    sampler = make_gumbel_sampler(torch.tensor(list(seeds), device=network.device), width, params)
    with evaluating(network), torch.no_grad():
        output = network.generate(**encoded, generation_config=config, logits_processor=[sampler])
    answers = []
    for row in output[:, width:].tolist():
        end = row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row)
        answers.append(row[:end])
    return answers


def answer_states(network: Any, prompts: Sequence[list[int]], answers: Sequence[list[int]]) -> Any:
    """The hidden states from which each token of the answers is predicted, shape (tokens of all answers, width)."""
    import torch

    wholes = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    width = max(len(whole) for whole in wholes)
    # Padded on the right, where no causal attention sees it; which token pads does not matter.
    tokens = torch.tensor([whole + [0] * (width - len(whole)) for whole in wholes], device=network.device)
    mask = torch.tensor([[1] * len(whole) + [0] * (width - len(whole)) for whole in wholes], device=network.device)
    hidden = network.get_decoder()(input_ids=tokens, attention_mask=mask, use_cache=False).last_hidden_state
    return torch.cat(
        [
            row[len(prompt) - 1 : len(prompt) + len(answer) - 1]
            for row, prompt, answer in zip(hidden, prompts, answers, strict=True)
        ]
    )


@contextmanager
def evaluating(network: Any) -> Iterator[None]:
    """Without dropout and gradient checkpointing; the mode is what it was afterwards."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
