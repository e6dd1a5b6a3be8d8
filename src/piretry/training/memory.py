"""How much GPU memory and disk a job will take, from a model's shape and the settings; nothing is loaded.

The estimates are upper ones: every example of a micro batch has `max_length` tokens, every prompt in flight has
`max_model_len`. Gigabytes are 10^9 bytes. Sources: what transformers, TRL, peft, accelerate and vLLM do in the pinned
versions, as said at each formula. A test compares weights, gradients, optimizer and kept activations with those of a
real model on the CPU; the buffers that only GPUs have (FSDP, DDP, NCCL, CUDA itself) are computed and not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_GB = 1e9
_BYTES = {"float32": 4, "bfloat16": 2}
# TRL's fused language-model head: tokens and vocabulary of one tile of logits (trl/kernels/chunked_logprob.py,
# trl/trainer/utils.py). All logits are never held; those of 4 x 6,144 tokens in float32 would take 15 GB.
_TILE_TOKENS, _TILE_VOCABULARY = 4096, 32768
# CUDA context, cuBLAS workspaces, communication buffers and the allocator's unused blocks: an assumption.
_RESERVE = 3_000_000_000
# A captured CUDA graph set of vLLM takes 0.5 to 1 GB: an assumption.
_GRAPHS = 1_000_000_000


@dataclass(frozen=True)
class Shape:
    """A dense decoder with grouped attention and a gated feed-forward layer (Qwen3); `parameters` counts all."""

    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    parameters: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Shape:
        """From a mapping with these keys; others are ignored. Without `parameters` the embedding counts as tied."""
        known = {name: int(values[name]) for name in cls.__dataclass_fields__ if values.get(name) is not None}
        shape = cls(**{"parameters": 0, **known})
        return shape if shape.parameters else cls(**{**known, "parameters": shape.stack + shape.embedding})

    @property
    def queries(self) -> int:
        """Width of the queries, and of what attention gives."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """Width of the keys, and of the values."""
        return self.kv_heads * self.head_dim

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """The linear layers of one block: name -> (inputs, outputs)."""
        hidden, wide = self.hidden_size, self.intermediate_size
        return {
            "q_proj": (hidden, self.queries),
            "k_proj": (hidden, self.keys),
            "v_proj": (hidden, self.keys),
            "o_proj": (self.queries, hidden),
            "gate_proj": (hidden, wide),
            "up_proj": (hidden, wide),
            "down_proj": (wide, hidden),
        }

    @property
    def block(self) -> int:
        """Parameters of one block: the linear layers and four norms."""
        linear = sum(inputs * outputs for inputs, outputs in self.matrices.values())
        return linear + 2 * self.hidden_size + 2 * self.head_dim

    @property
    def stack(self) -> int:
        """Parameters without embedding and output layer."""
        return self.layers * self.block + self.hidden_size

    @property
    def embedding(self) -> int:
        """Parameters of the embedding, and of the output layer where it has its own."""
        return self.vocabulary * self.hidden_size

    def adapter(self, rank: int, targets: str) -> int:
        """Parameters of a LoRA adapter: rank x (inputs + outputs) for each linear layer that has one."""
        chosen = [sizes for name, sizes in self.matrices.items() if targets == "all-linear" or name in _ATTENTION]
        return self.layers * rank * sum(inputs + outputs for inputs, outputs in chosen)


_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclass(frozen=True)
class Memory:
    """Peak memory of one GPU, in parts of bytes; with less than `least` the job cannot run at all.

    `share` is the part of the GPU that the job may use, `advice` what makes it smaller.
    """

    parts: dict[str, int]
    least: int
    share: float
    advice: str

    @property
    def total(self) -> int:
        """All parts, bytes."""
        return sum(self.parts.values())

    def text(self) -> str:
        """The parts in one line: `31.2 GB: weights 6.9, gradients 6.9, ...`."""
        named = ", ".join(f"{name} {size / _GB:.1f}" for name, size in self.parts.items() if size >= 0.05 * _GB)
        return f"{self.total / _GB:.1f} GB" + (f": {named}" if named else "")


@dataclass(frozen=True)
class Disk:
    """Bytes on disk of the model that a training leaves, and of one checkpoint while it runs (two at the change)."""

    model: int
    checkpoint: int


def check_fits(memory: Memory, gpu_memory_gb: float, what: str) -> str | None:
    """None when the job fits into a GPU of `gpu_memory_gb` (10^9 bytes), else a sentence about what to change."""
    room = gpu_memory_gb * _GB * memory.share
    if memory.least <= room:
        return None
    share = f" ({memory.share:.0%} of it may be used)" if memory.share < 1 else ""
    return (
        f"{what} needs about {memory.least / _GB:.0f} GB on each GPU, but a GPU of this cluster has "
        f"{gpu_memory_gb:.0f} GB{share}. Estimated: {memory.text()}. {memory.advice}"
    )


def training_memory(shape: Shape, settings: Mapping[str, Any]) -> Memory:
    """Peak memory of one process of a fine-tuning.

    Args:
        shape: the model.
        settings: kind, dtype, micro_batch_size, max_length, gradient_checkpointing, packing, processes, fsdp and the
            lora_* of a training task.

    Weights that are trained, gradients and AdamW's two moments are float32: 16 bytes a parameter, shared out by FSDP;
    frozen weights have `dtype`. DistributedDataParallel has a second copy of the gradients in its buckets. To this the
    largest of what only one phase of a step needs is added (see `_phases`).
    """
    settings = dict(settings)
    sharded = settings["processes"] if settings["fsdp"] else 1
    trained = trained_parameters(shape, settings)
    frozen = shape.parameters if settings["kind"] == "lora" else 0
    phases = _phases(shape, settings)
    largest = max(phases, key=lambda name: sum(phases[name].values()))
    parts = {
        "weights": (4 * trained + _BYTES[settings["dtype"]] * frozen) // sharded,
        "gradients": 4 * trained // sharded,
        "optimizer": 8 * trained // sharded,
        "gradient buckets": 4 * trained if settings["processes"] > 1 and sharded == 1 else 0,
        **phases[largest],
        "CUDA and reserve": _RESERVE,
    }
    parts = {name: size for name, size in parts.items() if size}
    advice = (
        "Lower micro_batch_size (now "
        f"{settings['micro_batch_size']}) or max_length ({settings['max_length']}), set gradient_checkpointing: true, "
        "or ask for more GPUs (resources.train.*.gpus) with fsdp: true; all are in the scale file."
    )
    return Memory(parts, sum(parts.values()), 1.0, advice)


def trained_parameters(shape: Shape, settings: Mapping[str, Any]) -> int:
    """How many parameters a training changes."""
    if settings["kind"] == "full":
        return shape.parameters
    return shape.adapter(settings["lora_rank"], settings["lora_targets"])


def kept_activations(shape: Shape, settings: Mapping[str, Any]) -> int:
    """Bytes that the blocks keep from the forward pass for the backward pass, for one micro batch.

    With gradient checkpointing that is the input of each block; without, everything of `_block_activations`.
    """
    tokens = settings["micro_batch_size"] * settings["max_length"]
    if settings["gradient_checkpointing"]:
        return shape.layers * tokens * shape.hidden_size * _stream_bytes(settings)
    return shape.layers * _block_activations(shape, settings)


def _stream_bytes(settings: Mapping[str, Any]) -> int:
    """Bytes of a number of the residual stream: that of the embedding's weights, which FSDP casts to `dtype`."""
    whole = settings["kind"] == "full" and not (settings["fsdp"] and settings["processes"] > 1)
    return 4 if whole else _BYTES[settings["dtype"]]


def _block_activations(shape: Shape, settings: Mapping[str, Any]) -> int:
    """Bytes that one block of Qwen3 in transformers keeps for its backward pass, without checkpointing.

    Counted from modeling_qwen3.py: a norm keeps its input in float32 and, if its weights are trained, the normalised
    values; a linear layer its input, in `dtype`, its own copy of it where autocast or peft has to convert it; attention
    queries, keys, values and result, keys and values repeated to all heads where there is a mask; the feed-forward
    layer four times its width.
    """
    settings = dict(settings)
    tokens = settings["micro_batch_size"] * settings["max_length"]
    number, stream = _BYTES[settings["dtype"]], _stream_bytes(settings)
    lora = settings["kind"] == "lora"
    hidden, wide, queries, keys = shape.hidden_size, shape.intermediate_size, shape.queries, shape.keys
    copies = number < 4 and (lora or stream != number)
    masked = settings["micro_batch_size"] > 1
    norms = 2 * 4 * hidden + 4 * (queries + keys)
    norms += 0 if lora else 2 * stream * hidden + number * (queries + keys)
    inputs = (5 if copies else 2) * number * hidden + number * queries
    attention = number * (queries + (2 * queries if masked else 2 * keys)) + number * queries + 4 * shape.heads
    forward = 4 * number * wide
    return tokens * (norms + inputs + attention + forward) + (_mask_bytes(settings) if masked else 0)


def _mask_bytes(settings: Mapping[str, Any]) -> int:
    """The attention mask in `dtype`: tokens x tokens of each row; packing makes one row of the whole micro batch."""
    rows, length = settings["micro_batch_size"], settings["max_length"]
    if settings["packing"]:
        rows, length = 1, rows * length
    return _BYTES[settings["dtype"]] * rows * length**2


def _phases(shape: Shape, settings: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """What each phase of a step needs beside weights, gradients and optimizer, in bytes.

    * head: the fused head's tile of logits, the float32 gradient of its input and, in full fine-tuning, of its weights.
    * block: backward through one block, whose activations are computed again under checkpointing, and their gradients,
      at most as much again as its widest part.

    AdamW's own step needs no more than is there: on GPUs its fused form is used, which makes no copies.
    FSDP holds the weights of up to three blocks (in use, fetched ahead, being copied) and the gradient of one, in
    `dtype` and in float32 for the sum; embedding and output layer are units of their own, kept through head.
    """
    settings = dict(settings)
    number, full = _BYTES[settings["dtype"]], settings["kind"] == "full"
    tokens = settings["micro_batch_size"] * settings["max_length"]
    fsdp = settings["fsdp"] and settings["processes"] > 1
    kept = kept_activations(shape, settings)
    tile = number * min(tokens, _TILE_TOKENS) * min(shape.vocabulary, _TILE_VOCABULARY)
    head = tile + tokens * shape.hidden_size * (4 + number) + (4 * shape.embedding if full else 0)
    casts = number * shape.layers * shape.block if full and number < 4 and not fsdp else 0
    block = _block_activations(shape, settings) if settings["gradient_checkpointing"] else 0
    block += tokens * number * 3 * max(shape.intermediate_size, shape.queries)
    outer = number * shape.embedding if fsdp else 0
    unit_gradient = (number + 4) if full else 0
    return {
        "head": {
            "activations": kept,
            "loss": head,
            "weights in bfloat16": casts,
            "FSDP buffers": outer + (unit_gradient * shape.embedding + number * shape.block if fsdp else 0),
        },
        "block": {
            "activations": kept + block,
            "weights in bfloat16": 0 if settings["gradient_checkpointing"] else casts,
            "FSDP buffers": outer + ((3 * number + unit_gradient) * shape.block if fsdp else 0),
        },
    }


def sampling_memory(shape: Shape, engine: Mapping[str, Any], longest: int) -> Memory:
    """Memory of one GPU for sampling with vLLM or transformers.

    Args:
        shape: the model.
        engine: backend, dtype, batch_size, vllm and tensor_parallel of a sampling task's engine.
        longest: tokens of the longest prompt and completion together, where vllm.max_model_len does not limit them.

    vLLM divides weights, key-value cache and feed-forward activations over `tensor_parallel` GPUs (key heads are
    repeated where there are fewer of them than GPUs). A token takes 2 x layers x kv_heads x head_dim numbers of cache.
    All prompts in flight at full length is the most; when that does not fit vLLM lets prompts wait, so that `least` has
    the cache of one. transformers holds it for all of a batch. Logits are float32 and sampled from with two copies.
    """
    vllm = engine.get("vllm") or {}
    number, parallel, batch = _BYTES[engine["dtype"]], engine["tensor_parallel"], engine["batch_size"]
    length = vllm.get("max_model_len") or longest
    heads = max(1, -(-shape.kv_heads // parallel))
    token = 2 * shape.layers * heads * shape.head_dim * number
    waiting = engine["backend"] == "vllm"
    step = vllm["max_num_batched_tokens"] if waiting else batch * length
    parts = {
        "weights": number * shape.parameters // parallel,
        "key-value cache": token * length * batch,
        "activations": step * number * (4 * shape.hidden_size + 3 * shape.intermediate_size // parallel),
        "logits": 3 * 4 * batch * shape.vocabulary,
        "CUDA graphs": _GRAPHS if waiting and not vllm["enforce_eager"] else 0,
        "CUDA and reserve": _RESERVE,
    }
    parts = {name: size for name, size in parts.items() if size}
    least = sum(parts.values()) - (token * length * (batch - 1) if waiting else 0)
    advice = (
        "Ask for more GPUs for these jobs (resources.*.gpus: they share the weights), or lower engine.batch_size or "
        "engine.vllm.max_model_len in the scale file."
    )
    return Memory(parts, least, vllm.get("gpu_memory_utilization", 1.0), advice)


def disk_bytes(shape: Shape, settings: Mapping[str, Any]) -> Disk:
    """Disk of a training's result and of its checkpoints.

    A model is saved in `dtype`. With LoRA its adapter lies beside it, and the merged weights may have to be float32
    (see piretry.training.adapter): that is what is counted. A checkpoint has what is trained and AdamW's two moments
    in float32.
    """
    trained = trained_parameters(shape, settings)
    model = _BYTES[settings["dtype"]] * shape.parameters
    if settings["kind"] == "lora":
        model = 4 * shape.parameters + 4 * trained
    return Disk(model, 12 * trained)
