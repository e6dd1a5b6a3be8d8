"""Pretrains a base model of the mini scale from nothing: a plain torch loop, deterministic and resumable.

The loss is on the last assistant turn of a dialogue alone, its end token included. The turns before it are context:
the failed answer of a retry dialogue is wrong by construction, and a model trained to write it would err more often
than the noise of the curriculum says.

Matrices are trained by Muon, embedding and norms by AdamW. Measured on chains without errors, one thread: 96% and 98%
of held-out answers right after 250 steps (two seeds), where AdamW alone reached 59% after 280 steps at its best
learning rate of three; a step of Muon costs about a fifth more CPU time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.settings.mini import ModelShape, PretrainSettings
from piretry.training.curriculum import Dialogue

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
# A loss is reported so many times in a run.
_REPORTS = 20
_CHECKPOINT = "pretraining.pt"
_IGNORED = -100


@dataclass(frozen=True, slots=True)
class Example:
    """A dialogue in tokens; the loss is on those from index `answer` on."""

    tokens: list[int]
    answer: int


@dataclass(frozen=True)
class Pretraining:
    """What a pretraining run reports.

    `tokens` counts all tokens that went through the model, `trained_tokens` those that bear the loss. `losses` holds
    (step, mean loss since the last entry), in nats a token. `resumed_at` is the step that this process began at.
    """

    parameters: int
    steps: int
    tokens: int
    trained_tokens: int
    losses: list[tuple[int, float]] = field(default_factory=list)
    resumed_at: int = 0


def pretrain(
    dialogues: Sequence[Dialogue],
    tokenizer: Any,
    shape: ModelShape,
    settings: PretrainSettings,
    out_dir: Path,
    state_dir: Path,
    threads: int,
    progress: Progress,
) -> Pretraining:
    """Train a Qwen3 model on `dialogues` and save it, with tokenizer and generation config, as the folder `out_dir`.

    Equal arguments give the same bytes on the same hardware and versions, also after a kill and a resume. `out_dir`
    appears whole, by a rename; what was there before is replaced.

    Args:
        dialogues: at least `steps` times `batch_size`; they are used in their order, each once.
        tokenizer: from `build_tokenizer`.
        shape: the architecture.
        settings: schedule and seed.
        out_dir: the folder to make.
        state_dir: where checkpoints are kept, for this run only; its checkpoint is removed at the end. One that was
            left by other settings, dialogues or versions is not used.
        threads: torch threads; sums are ordered by their number, so it is part of the result.
        progress: opens a progress display for a number of steps.

    Raises PiretryError when there are too few dialogues, one is too long, or the loss is no finite number.
    """
    with _deterministic(threads):
        return _run(dialogues, tokenizer, shape, settings, out_dir, state_dir, threads, progress)


def _run(
    dialogues: Sequence[Dialogue],
    tokenizer: Any,
    shape: ModelShape,
    settings: PretrainSettings,
    out_dir: Path,
    state_dir: Path,
    threads: int,
    progress: Progress,
) -> Pretraining:
    import torch

    _check(dialogues, settings)
    model = new_model(shape, tokenizer, settings.seed)
    optimizers = make_optimizers(model, settings)
    checkpoint = _Checkpoint(state_dir / _CHECKPOINT, _identity(dialogues, tokenizer, shape, settings, threads))
    counts = checkpoint.load(model, optimizers) or {"step": 0, "tokens": 0, "trained": 0, "loss": 0.0, "losses": []}
    started = counts["step"]
    report_every = max(1, settings.steps // _REPORTS)
    with progress(settings.steps) as advance:
        advance(started)
        for step in range(started, settings.steps):
            batch = dialogues[step * settings.batch_size : (step + 1) * settings.batch_size]
            examples = encode(batch, tokenizer, shape.max_positions)
            tokens, positions, labels = pack(examples, settings.row_tokens)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * rate(step, settings)
            loss = answer_loss(model, tokens, positions, labels)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            counts["step"] = step + 1
            counts["tokens"] += sum(len(example.tokens) for example in examples)
            counts["trained"] += int((labels != _IGNORED).sum())
            counts["loss"] += _finite(loss, step)
            if (step + 1) % report_every == 0:
                counts["losses"].append((step + 1, counts["loss"] / report_every))
                counts["loss"] = 0.0
            if (step + 1) % settings.checkpoint_every == 0:
                checkpoint.save(model, optimizers, counts)
            advance(1)
    with torch.no_grad():
        _save(model, tokenizer, out_dir)
    checkpoint.forget()
    return Pretraining(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=settings.steps,
        tokens=counts["tokens"],
        trained_tokens=counts["trained"],
        losses=[(step, loss) for step, loss in counts["losses"]],
        resumed_at=started,
    )


def new_model(shape: ModelShape, tokenizer: Any, seed: int) -> Any:
    """A Qwen3ForCausalLM of `shape` in float32 with random weights from `seed`."""
    import torch
    from transformers.models.qwen3 import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.max_positions,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        initializer_range=shape.initial_std,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)


def make_optimizers(model: Any, settings: PretrainSettings) -> list[Any]:
    """Muon for the matrices of the blocks, AdamW for the tied embedding and the norms.

    AdamW's second momentum is averaged over 20 steps (0.95) and not 1,000 (0.999): a run has a few hundred.
    """
    import torch

    parameters = dict(model.named_parameters())
    matrices = [value for name, value in parameters.items() if value.ndim == 2 and "embed" not in name]
    others = [value for name, value in parameters.items() if value.ndim != 2 or "embed" in name]
    optimizers = [
        torch.optim.Muon(matrices, lr=settings.learning_rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(others, lr=settings.embedding_learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def rate(step: int, settings: PretrainSettings) -> float:
    """The learning rate at `step` (from 0) as a share of the peak: linear warm-up, then linear decay."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / (settings.steps - settings.warmup_steps)
    return 1 - (1 - settings.final_learning_rate) * done


def encode(dialogues: Sequence[Dialogue], tokenizer: Any, max_tokens: int) -> list[Example]:
    """The dialogues in tokens, rendered by the chat template. A dialogue ends with the end token of its answer.

    Raises PiretryError for a dialogue of more than `max_tokens`.
    """
    prompts = tokenizer.apply_chat_template(
        [list(dialogue.prompt) for dialogue in dialogues], add_generation_prompt=True, tokenize=False
    )
    wholes = [
        prompt + dialogue.answer + tokenizer.eos_token for prompt, dialogue in zip(prompts, dialogues, strict=True)
    ]
    prefixes = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    examples = [
        Example(tokens, len(prefix))
        for tokens, prefix in zip(tokenizer(wholes, add_special_tokens=False)["input_ids"], prefixes, strict=True)
    ]
    longest = max(len(example.tokens) for example in examples)
    if longest > max_tokens:
        raise PiretryError(
            f"A pretraining dialogue has {longest} tokens, but shape.max_positions in the scale file is {max_tokens}. "
            "Raise it, or make chains or retry prompts shorter."
        )
    return examples


def pack(examples: Sequence[Example], row_tokens: int) -> tuple[Any, Any, Any]:
    """Examples packed into rows of up to `row_tokens` (one longer example has a row to itself).

    Retry dialogues are twice as long as others, so that padding to the longest would waste half of the arithmetic.

    Returns int64 tensors of shape (rows, width): tokens; positions, which start again at 0 with each example, by which
    the model keeps the examples of a row apart; labels, where the label at a place is the token to predict there, and
    -100 elsewhere.
    """
    import torch

    rows: list[list[Example]] = []
    free: list[int] = []
    # First fit, the longest first; the sort is stable, so that the rows depend on the examples alone.
    for example in sorted(examples, key=lambda example: -len(example.tokens)):
        size = len(example.tokens)
        chosen = next((number for number, room in enumerate(free) if size <= room), len(rows))
        if chosen == len(rows):
            rows.append([])
            free.append(max(row_tokens, size))
        rows[chosen].append(example)
        free[chosen] -= size
    width = max(sum(len(example.tokens) for example in row) for row in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.int64)
    positions = torch.zeros(len(rows), width, dtype=torch.int64)
    labels = torch.full((len(rows), width), _IGNORED, dtype=torch.int64)
    for number, row in enumerate(rows):
        at = 0
        for example in row:
            end = at + len(example.tokens)
            tokens[number, at:end] = torch.tensor(example.tokens)
            positions[number, at:end] = torch.arange(end - at)
            labels[number, at + example.answer - 1 : end - 1] = torch.tensor(example.tokens[example.answer :])
            at = end
        positions[number, at:] = torch.arange(width - at)  # padding is one more example, without labels
    return tokens, positions, labels


def answer_loss(model: Any, tokens: Any, positions: Any, labels: Any) -> Any:
    """Mean cross-entropy of the labelled tokens, in nats. Only they go through the output layer."""
    import torch

    hidden = model.model(input_ids=tokens, position_ids=positions, use_cache=False).last_hidden_state
    chosen = labels != _IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[chosen]), labels[chosen])


class _Checkpoint:
    """One file with everything that a run needs to go on, written whole by rename."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity

    def save(self, model: Any, optimizers: Sequence[Any], counts: dict[str, Any]) -> None:
        import torch

        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}.part")
        state = {
            "identity": self.identity,
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "counts": counts,
        }
        try:
            torch.save(state, partial)
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)

    def load(self, model: Any, optimizers: Sequence[Any]) -> dict[str, Any] | None:
        """Put model and optimizers where the checkpoint left them and return its counts; None when there is none."""
        import torch

        if not self.path.is_file():
            return None
        state = torch.load(self.path, weights_only=True)
        if state["identity"] != self.identity:
            return None
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        return dict(state["counts"])

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def _save(model: Any, tokenizer: Any, out_dir: Path) -> None:
    """Write the model folder beside `out_dir` and rename it into place."""
    from transformers import GenerationConfig

    # Every sampling field is stated and neutral: where a caller leaves one out, no engine fills in its own default
    # (transformers' own top_k was 50 for years).
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        typical_p=1.0,
        epsilon_cutoff=0.0,
        eta_cutoff=0.0,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        num_beams=1,
        length_penalty=1.0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    partial = out_dir.with_name(f".{out_dir.name}.{uuid.uuid4().hex}.part")
    replaced = partial.with_suffix(".old")
    try:
        model.save_pretrained(partial, safe_serialization=True)
        tokenizer.save_pretrained(partial)
        if out_dir.exists():
            out_dir.rename(replaced)
        partial.rename(out_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def _check(dialogues: Sequence[Dialogue], settings: PretrainSettings) -> None:
    needed = settings.steps * settings.batch_size
    if len(dialogues) < needed:
        raise PiretryError(
            f"Pretraining has {len(dialogues)} dialogues, but {settings.steps} steps of {settings.batch_size} need "
            f"{needed}. Make more dialogues or lower pretrain.steps or pretrain.batch_size in the scale file."
        )


def _finite(loss: Any, step: int) -> float:
    value = float(loss.detach())
    if value != value or value in (float("inf"), float("-inf")):
        raise PiretryError(
            f"The pretraining loss is {value} at step {step + 1}: the run has diverged. Lower pretrain.learning_rate "
            "or pretrain.embedding_learning_rate in the scale file, or raise pretrain.warmup_steps."
        )
    return value


def _identity(
    dialogues: Sequence[Dialogue], tokenizer: Any, shape: ModelShape, settings: PretrainSettings, threads: int
) -> str:
    """A digest of everything that decides the bytes of the result: a checkpoint of another run is not taken up."""
    import torch
    import transformers

    digest = hashlib.sha256()
    facts = (shape.plain(), settings.plain(), threads, torch.__version__, transformers.__version__)
    digest.update(json.dumps(facts, sort_keys=True).encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    for dialogue in dialogues:
        digest.update(json.dumps(astuple(dialogue)).encode())
    return digest.hexdigest()


@contextmanager
def _deterministic(threads: int) -> Iterator[None]:
    """Run torch with `threads` threads and deterministic kernels; what was set before is set again after."""
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
