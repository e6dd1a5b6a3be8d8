"""Structural PI distillation: a student learns to prove as the same model does that is shown the proof's skeleton.

On-policy: in each step the student, which sees the bare theorem, samples proofs; at every token of them its
distribution is drawn towards the teacher's, which is the same model at the same tokens, but with the sub-goals in its
prompt. The gradient goes through the student's distribution at the sampled tokens and not through the sampling
(as in generalised knowledge distillation, Agarwal et al., ICLR 2024). No proof is judged: the skeleton is all the
supervision there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from piretry.data.schema import Problem
from piretry.dialogue import opening
from piretry.engines.base import Message, Request, SamplingParams, request_seed
from piretry.engines.rendering import load_tokenizer, prompts_of
from piretry.errors import PiretryError
from piretry.lean_prompts import LeanPrompts, skeleton_opening, skeletons
from piretry.settings.prover import DistillSettings
from piretry.sft import SftRow
from piretry.training.adapter import merge_adapter
from piretry.training.checkpoints import last_checkpoint, stop_callback, stop_on_sigterm
from piretry.training.divergence import mean_divergence
from piretry.training.outcome import Outcome
from piretry.training.rollouts import answer_states, evaluating, rollouts
from piretry.training.sft import save_trained
from piretry.training.trainer import Progress, common_arguments, lora_config, progress_callback


@dataclass(frozen=True)
class DistillRow:
    """One theorem to learn from: the turns that the student sees, and those that the teacher sees."""

    problem_id: str
    prompt: tuple[Message, ...]
    teacher_prompt: tuple[Message, ...]


@dataclass(frozen=True)
class _Encoded:
    problem_id: str
    prompt: list[int]
    teacher_prompt: list[int]


def distill_rows(problems: Sequence[Problem], chat: Mapping[str, Any], prompts: LeanPrompts) -> list[DistillRow]:
    """The theorems whose known proof has sub-goals, as the student and as the teacher is asked; the others are left
    out, since their teacher would know no more than their student.
    """
    known = skeletons(problems)
    return [
        DistillRow(
            problem.problem_id,
            opening(chat, problem.problem),
            skeleton_opening(chat, problem.problem, prompts, known[problem.problem_id]),
        )
        for problem in problems
        if problem.problem_id in known
    ]


def distill(
    model: Path,
    rows: Sequence[DistillRow],
    settings: Mapping[str, Any],
    target: Path,
    checkpoints: Path,
    progress: Progress,
) -> Outcome:
    """Distil the model in folder `model`, shown the skeletons, into itself without them; save it to folder `target`.

    Equal arguments give equal bytes on the same hardware and versions, also after a kill and a resume: a rollout is
    drawn from its own seed, which step, place in the batch and theorem decide.

    Args:
        model: folder of the starting weights.
        rows: the theorems, at least one.
        settings: a resolved tuning (see TuningSettings), with seed, threads, dtype and device, and under `distill`
            what DistillSettings says.
        target: folder to write; with LoRA the merged weights, and the adapter in `adapter/`.
        checkpoints: folder of this job's checkpoints; a run that finds one there continues from it.
        progress: opens a progress display for a number of steps.

    Raises PiretryError for settings that this method has no use for, for prompts that are too long, when the run is
    told to stop (a checkpoint is then saved first), and for an adapter that changes nothing.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    how = DistillSettings.model_validate(settings["distill"])
    if settings["fsdp"] or settings["processes"] > 1:
        raise PiretryError(
            "Skeleton distillation runs in one process, because its student samples between the steps: set fsdp: false "
            "for this tuning and gpus: 1 for its training jobs in the scale file."
        )
    torch.set_num_threads(settings["threads"])
    # As in supervised fine-tuning: sums in a fixed order, and no debugging fill of new buffers.
    torch.use_deterministic_algorithms(True, warn_only=settings["device"] != "cpu")
    torch.utils.deterministic.fill_uninitialized_memory = False
    tokenizer = load_tokenizer(model)
    encoded = _encode(rows, tokenizer, settings, how.max_tokens)

    def load(dtype: str) -> Any:
        return AutoModelForCausalLM.from_pretrained(
            model, dtype=getattr(torch, dtype), use_safetensors=True, trust_remote_code=False
        )

    lora = settings["kind"] == "lora"
    student, teacher = load(settings["dtype"] if lora else "float32"), None
    if lora:
        from peft import get_peft_model

        torch.manual_seed(settings["seed"])  # of the adapter's first weights
        student = get_peft_model(student, lora_config(settings))
    elif how.teacher == "frozen":
        teacher = load(settings["dtype"]).to(settings["device"]).eval().requires_grad_(False)
    trainer = make_distiller(student, teacher, tokenizer, encoded, settings, checkpoints, progress)
    trained_parameters = sum(p.numel() for p in student.parameters() if p.requires_grad)
    resumed = last_checkpoint(checkpoints, 1)
    with stop_on_sigterm() as signalled:
        stop = stop_callback(signalled)
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    if stop.stopped_at is not None:
        raise PiretryError(
            f"The distillation was told to stop (SIGTERM: time limit, preemption or cancellation) and has saved a "
            f"checkpoint at step {stop.stopped_at} of {settings['steps']}. Run it again, with the same settings: it "
            "goes on from there."
        )
    save_trained(trainer, AutoTokenizer.from_pretrained(model, trust_remote_code=False), settings, target)
    facts = {}
    if lora:
        examples = [SftRow(row.problem_id, row.prompt, "", "first", 0, 0) for row in rows]
        facts["adapter"] = asdict(merge_adapter(model, target, examples, settings))
    losses = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    counters = {
        "steps": trainer.state.global_step,
        "trained_parameters": trained_parameters,
        "resumed_at": int(resumed.name.rpartition("-")[2]) if resumed else 0,
    }
    return Outcome({**counters, **trainer.tally}, losses, facts)


def make_distiller(
    student: Any,
    teacher: Any | None,
    tokenizer: Any,
    rows: Sequence[_Encoded],
    settings: Mapping[str, Any],
    checkpoints: Path,
    progress: Progress,
) -> Any:
    """The configured trainer: transformers' own, with rollouts and the divergence as its loss.

    `teacher` is the frozen copy, or None where the student's own weights serve: the current ones, or with LoRA those
    under the adapter.
    """
    from transformers import Trainer, TrainingArguments

    how = DistillSettings.model_validate(settings["distill"])
    params = SamplingParams(how.rollout_temperature, top_p=1.0, top_k=0, max_tokens=how.max_tokens)

    class Distiller(Trainer):
        """The mean divergence over the tokens of a micro-batch is the loss; micro-batches of a step weigh the same."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            # Else the loss would not be divided by the number of micro-batches of a step.
            self.model_accepts_loss_kwargs = False
            self.tally = {"rollouts": 0, "rollout_tokens": 0, "rollouts_cut_off": 0}
            self.micro_step = 0

        def compute_loss(self, model: Any, inputs: Mapping[str, Any], **_: Any) -> Any:
            batch: list[_Encoded] = inputs["rows"]
            core = model.get_base_model() if settings["kind"] == "lora" else model
            step, self.micro_step = self.state.global_step, self.micro_step + 1
            micro = self.micro_step % self.args.gradient_accumulation_steps
            seeds = [
                request_seed(settings["seed"], "distill", step, micro, place, row.problem_id)
                for place, row in enumerate(batch)
            ]
            answers = rollouts(core, tokenizer, [row.prompt for row in batch], seeds, params)
            self.tally["rollouts"] += len(answers)
            self.tally["rollout_tokens"] += sum(len(answer) for answer in answers)
            self.tally["rollouts_cut_off"] += sum(answer[-1] != tokenizer.eos_token_id for answer in answers)
            taught = _taught(
                model, core, teacher, [row.teacher_prompt for row in batch], answers, settings["kind"], how
            )
            hidden = answer_states(core, [row.prompt for row in batch], answers)
            return mean_divergence(
                (hidden, core.get_output_embeddings()), taught, how.direction, how.temperature, how.chunk_tokens
            )

        def floating_point_ops(self, inputs: Any) -> int:
            """Not estimated: a step's rollouts decide how much it computes."""
            return 0

    arguments = TrainingArguments(**common_arguments(settings, checkpoints, processes=1), remove_unused_columns=False)
    trainer = Distiller(
        model=student, args=arguments, train_dataset=list(rows), data_collator=lambda batch: {"rows": batch}
    )
    trainer.add_callback(progress_callback(progress))
    return trainer


def _taught(
    model: Any,
    core: Any,
    teacher: Any | None,
    prompts: Sequence[list[int]],
    answers: Sequence[list[int]],
    kind: str,
    how: DistillSettings,
) -> tuple[Any, Any]:
    """The teacher's hidden states at the tokens of `answers`, without a gradient, and its output layer."""
    import torch

    with torch.no_grad():
        if teacher is not None:
            return answer_states(teacher, prompts, answers), teacher.get_output_embeddings()
        with evaluating(core):
            if kind == "lora" and how.teacher == "frozen":
                with model.disable_adapter():
                    states = answer_states(core, prompts, answers)
            else:
                states = answer_states(core, prompts, answers)
    # Adapters never sit on the output layer, so that the frozen teacher's is the student's own.
    return states, core.get_output_embeddings()


def _encode(rows: Sequence[DistillRow], tokenizer: Any, settings: Mapping[str, Any], max_tokens: int) -> list[_Encoded]:
    """The prompts in tokens; PiretryError when there are none, or one leaves no room for a rollout."""
    if not rows:
        raise PiretryError(
            "There is no theorem to distil from: none of the training theorems has a proof with sub-goals (`have` "
            "statements). Take another training set, or leave method skeleton out of the grid."
        )

    def tokens(turns: Sequence[tuple[Message, ...]]) -> list[list[int]]:
        asked = [Request("", prompt, seed=0) for prompt in turns]
        return [prompt.tokens for prompt in prompts_of(tokenizer, asked, settings["template_options"])]

    student, teacher = tokens([row.prompt for row in rows]), tokens([row.teacher_prompt for row in rows])
    longest = max(len(prompt) for prompt in [*student, *teacher]) + max_tokens
    if longest > settings["max_length"]:
        raise PiretryError(
            f"A prompt and a rollout of {max_tokens} tokens can have {longest} tokens, more than max_length "
            f"{settings['max_length']} of this tuning. Raise training.tunings.*.max_length or lower "
            "distill.max_tokens in the scale file."
        )
    return [
        _Encoded(row.problem_id, prompt, teacher_prompt)
        for row, prompt, teacher_prompt in zip(rows, student, teacher, strict=True)
    ]
