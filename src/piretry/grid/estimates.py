"""What one job is expected to take, from the scale's throughput table: tokens, seconds, GPUs, cores.

Pure functions of the scale and of what a task, or the provenance record of a job that has run, says of the job: so a
plan and a report estimate in the same way. docs/plan.md has the rules in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from piretry.errors import PiretryError
from piretry.grid.domain import domain
from piretry.grid.hours import Hours
from piretry.grid.names import State
from piretry.settings.scale import ResourceSettings, Scale

SAMPLING_STAGES = ("attempt", "resample", "retry", "repeat", "skeleton", "evaluate")
TRAINING_STAGES = ("train", "distill")
MODEL_STAGES = ("pretrain", *SAMPLING_STAGES, *TRAINING_STAGES)

# (state, retry prompt) -> K of the retries that a job repeats.
RetryK = Callable[[str, str], int]


class Work(Protocol):
    """What an estimate needs of a job: a `Task` and a provenance `Record` both have it."""

    @property
    def stage(self) -> str:
        """The stage."""
        ...

    @property
    def target(self) -> str:
        """What the job makes: a state's name where there is one."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """The resolved settings of the stage."""
        ...


@dataclass(frozen=True)
class Estimate:
    """One job: wall seconds, GPUs and cores that it holds all the while, and the tokens that it generates."""

    seconds: float
    gpus: int
    cores: int
    tokens: float

    @property
    def hours(self) -> Hours:
        """GPU-hours; CPU-hours (cores times time) where the job holds no GPU."""
        return Hours.of(self.seconds, self.gpus, self.cores)


def estimate(scale: Scale, work: Work, retry_k: RetryK) -> Estimate:
    """What the job of `work` is expected to take."""
    tokens = completions(scale, work, retry_k) * scale.throughput.completion_tokens(model_role(work))
    asked = asks(scale, work)
    return Estimate(_seconds(scale, work, tokens, asked.gpus), asked.gpus, cores(work), tokens)


def model_role(work: Work) -> str:
    """The role whose model the job loads: the writer's for retries that another role writes."""
    return str(work.settings.get("writer", work.target)).partition("/")[0]


def tuning(work: Work) -> str | None:
    """The tuning of a training job; None for the others."""
    arm = State.parse(work.target).arm if work.stage in TRAINING_STAGES else None
    return arm.tuning if arm else None


def asks(scale: Scale, work: Work) -> ResourceSettings:
    """What the job asks of the scheduler."""
    role = model_role(work) if work.stage in (*MODEL_STAGES, "fetch") else None
    return scale.asks(work.stage, role if role in scale.roles else None, tuning(work))


def cores(work: Work) -> int:
    """CPU cores of the job: the threads of its model, else one."""
    return int(work.settings.get("threads") or work.settings.get("engine", {}).get("threads", 1))


def completions(scale: Scale, work: Work, retry_k: RetryK) -> float:
    """Expected completions that a sampling job generates; 0 for the others."""
    role, settings = work.target.partition("/")[0], work.settings
    world = domain(scale, role)
    total = 0.0
    if work.stage == "attempt":
        total = world.train_problems
    elif work.stage == "resample":
        everywhere, most = settings["k"], settings["k_failed"]
        total = world.train_problems * everywhere + failures(scale, role) * (most - everywhere)
    elif work.stage == "retry":
        total = sum(retries(scale, work, prompt, asked["k"]) for prompt, asked in settings["prompts"].items())
    elif work.stage == "repeat":
        prompt = settings["prompt"]
        total = solved(scale, work, prompt, retry_k(settings["state"], prompt))
    elif work.stage == "skeleton":
        total = failures(scale, role) * settings["k"]
    elif work.stage == "evaluate":
        total = world.eval_problems * (1 + settings["samples"])
    return total / settings.get("shards", 1) if work.stage in SAMPLING_STAGES else 0.0


def failures(scale: Scale, role: str) -> float:
    """Training problems whose first attempt by a model of `role` is expected to fail."""
    return domain(scale, role).train_problems * (
        1 - figure(scale.throughput.first_attempt_accuracy, role, key="first_attempt_accuracy")
    )


def success(scale: Scale, role: str, prompt: str) -> float:
    """Expected success of one retry by a model of `role` with `prompt`, the same for the first retry and the last."""
    speed = scale.throughput
    known = speed.retry_success.get(f"{role}.{prompt}", speed.retry_success.get(role))
    return figure(speed.first_attempt_accuracy, role, key="first_attempt_accuracy") if known is None else known


def retries_of(failing: float, succeeding: float, k: int) -> float:
    """Expected retries of `failing` problems, each retried until its first success and at most `k` times."""
    return sum(failing * (1 - succeeding) ** step for step in range(k))


def retries(scale: Scale, work: Work, prompt: str, k: int) -> float:
    """Expected retries of one prompt: failures are the sampled state's, successes the writer's."""
    return retries_of(failures(scale, work.target.partition("/")[0]), success(scale, model_role(work), prompt), k)


def solved(scale: Scale, work: Work, prompt: str, k: int) -> float:
    """Expected problems that fail first and succeed on one of `k` retries."""
    return failures(scale, work.target.partition("/")[0]) * (1 - (1 - success(scale, model_role(work), prompt)) ** k)


def figure(table: Mapping[str, float], *names: str | None, key: str) -> float:
    """The most specific entry of `table`: ``role.tuning`` before ``role``; PiretryError when there is none."""
    given = [name for name in names if name]
    for end in range(len(given), 0, -1):
        if ".".join(given[:end]) in table:
            return table[".".join(given[:end])]
    raise PiretryError(
        f"throughput.{key} of the scale file has no entry for {given[0]!r}, which the grid uses. Add one; "
        f"it has {', '.join(table) or 'none'}."
    )


def _seconds(scale: Scale, work: Work, tokens: float, gpus: int) -> float:
    speed = scale.throughput
    if work.stage not in MODEL_STAGES:
        return speed.light_job_s
    role, workers = model_role(work), max(1, gpus)
    if work.stage == "pretrain":
        return speed.job_start_s + figure(speed.pretrain_s, role, key="pretrain_s")
    if work.stage in TRAINING_STAGES:
        examples = work.settings["steps"] * work.settings["batch_size"]
        return speed.job_start_s + examples / (_train_rate(scale, work, role) * workers)
    return speed.job_start_s + tokens / (figure(speed.sample_tokens_per_s, role, key="sample_tokens_per_s") * workers)


def _train_rate(scale: Scale, work: Work, role: str) -> float:
    """Examples a second of a training job, or rollouts a second of a distillation, of whatever tuning.

    A distillation generates what it learns from, so that the role's rate of training on given examples never stands in.
    """
    rates = scale.throughput.train_examples_per_s
    if work.stage != "distill":
        return figure(rates, role, tuning(work), key="train_examples_per_s")
    if f"{role}.{work.stage}" not in rates:
        raise PiretryError(
            f"throughput.train_examples_per_s of the scale file has no entry '{role}.distill', which the grid uses: "
            "the rollouts a second of a distillation, their generation included. Add one."
        )
    return rates[f"{role}.{work.stage}"]
