"""What the sampling stages share: generate with resume, then grade.

Finished batches go to an undeclared folder beside the output, one file a batch. A job that is killed and started
again reads them back and generates only what is missing; equal requests give equal completions, so the result has
the same bytes as an uninterrupted run.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from piretry.completions import CompletionRow
from piretry.data.schema import Problem, read_problems
from piretry.dialogue import opening, other_answer, retry_dialogue
from piretry.engines.base import (
    Completion,
    Engine,
    Message,
    Request,
    SamplingParams,
    load_engine,
    request_seed,
)
from piretry.prompts import fill
from piretry.shards import own

if TYPE_CHECKING:
    from piretry.runner import Job
    from piretry.verifiers.base import Verifier
    from piretry.verifiers.math import MathVerifier


@dataclass(frozen=True)
class Ask:
    """One completion wanted: which problem, attempt and sample, and the turns that the model sees."""

    problem_id: str
    gold: str
    messages: tuple[Message, ...]
    attempt: int
    sample: int
    seed: int

    @property
    def key(self) -> str:
        """Unique within a job."""
        return f"{self.problem_id}/{self.attempt}/{self.sample}"


class Sampler:
    """An engine and a verifier for one job, opened once and used for any number of rounds of asking."""

    def __init__(self, job: Job) -> None:
        settings = job.settings
        self.job = job
        self.params = SamplingParams(**settings["sampling"])
        self.engine: Engine = load_engine(settings["engine"], job.input("model"), settings["chat"]["template_options"])
        self.verifier = load_verifier(settings["verifier"])

    def __enter__(self) -> Sampler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.verifier.close()

    def answer(self, asks: Sequence[Ask], decoding: str = "sampled", table: str = "") -> list[CompletionRow]:
        """Generate and grade every ask; rows in the order of `asks`. `decoding` is `sampled` or `greedy`.

        A job that makes several tables names the one that the rows are for: their asks may have the same keys.
        """
        params = self.params.greedy() if decoding == "greedy" else self.params
        requests = [Request(ask.key, ask.messages, ask.seed) for ask in asks]
        done = self._generate(requests, params, f"{table}-{decoding}" if table else decoding)
        grades = grade(self.verifier, [(ask.key, ask.gold, done[ask.key]) for ask in asks])
        rows = []
        for ask, graded in zip(asks, grades, strict=True):
            completion = done[ask.key]
            rows.append(
                CompletionRow(
                    problem_id=ask.problem_id,
                    attempt=ask.attempt,
                    sample=ask.sample,
                    decoding=decoding,
                    seed=ask.seed,
                    prompt_digest=completion.prompt_digest,
                    completion=completion.text,
                    finish_reason=completion.finish_reason,
                    prompt_tokens=completion.prompt_tokens,
                    completion_tokens=completion.completion_tokens,
                    answer=graded.answer,
                    verdict=str(graded.verdict),
                    second_opinion=str(graded.second_opinion),
                    verifier=graded.verifier,
                )
            )
        return rows

    def _generate(self, requests: Sequence[Request], params: SamplingParams, part: str) -> dict[str, Completion]:
        store = PartialStore(self.job.partial())
        done = store.load(part)
        missing = [request for request in requests if request.key not in done]
        wanted = {request.key for request in requests}
        with self.job.progress(f"{self.job.task.stage} {self.job.task.target} {part}", len(requests)) as advance:
            advance(len(requests) - len(missing))
            for batch in self.engine.generate(missing, params):
                store.add(part, batch)
                done.update({completion.key: completion for completion in batch})
                self.job.count(
                    prompt_tokens=sum(c.prompt_tokens for c in batch),
                    completion_tokens=sum(c.completion_tokens for c in batch),
                    completions=len(batch),
                )
                advance(len(batch))
        resumed = len(requests) - len(missing)
        if resumed:
            self.job.count(completions_resumed=resumed)
        return {key: completion for key, completion in done.items() if key in wanted}


class PartialStore:
    """Finished batches of one job, one JSON-lines file a batch, each written whole by rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, part: str) -> dict[str, Completion]:
        """Completions of `part` (a decoding, and the table where a job makes several) that an earlier, killed run of this very job had finished."""
        found = {}
        for file in sorted(self.folder.glob(f"{part}-*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                completion = Completion(**json.loads(line))
                found[completion.key] = completion
        return found

    def add(self, part: str, batch: Sequence[Completion]) -> None:
        """Keep a finished batch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self.folder.glob(f"{part}-*.jsonl")))
        file = self.folder / f"{part}-{number:06d}.jsonl"
        text = "".join(json.dumps(asdict(completion)) + "\n" for completion in batch)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)


def first_asks(job: Job, kind: str, samples: Iterable[int]) -> list[Ask]:
    """The bare problem, asked once for each of `samples`, for every problem that this job samples.

    `kind` keeps the seeds of stages apart.
    """
    settings, numbers = job.settings, list(samples)
    return [
        Ask(
            problem_id=problem.problem_id,
            gold=problem.gold,
            messages=opening(settings["chat"], problem.problem),
            attempt=0,
            sample=sample,
            seed=seed_of(settings, kind, problem.problem_id, 0, sample),
        )
        for problem in own(read_problems(job.input("problems")), settings)
        for sample in numbers
    ]


class RetryAsks:
    """Builds the dialogues of retries from the training problems and the job's settings."""

    def __init__(self, settings: Mapping[str, Any], problems: Sequence[Problem]) -> None:
        self.settings = settings
        self.problems = {problem.problem_id: problem for problem in problems}
        self.golds = [(problem.problem_id, problem.gold) for problem in problems]

    def ask(self, problem_id: str, failures: Sequence[str], attempt: int, sample: int, kind: str) -> Ask:
        """One retry of a problem after its `failures` (oldest first); `kind` keeps the seeds of stages apart."""
        settings, problem = self.settings, self.problems[problem_id]
        wrong = other_answer(problem_id, problem.gold, self.golds, settings["seed"])
        prompt = fill(settings["template"], gold=problem.gold, wrong_answer=wrong)
        return Ask(
            problem_id=problem_id,
            gold=problem.gold,
            messages=retry_dialogue(settings["chat"], problem.problem, failures, prompt, settings["history"]),
            attempt=attempt,
            sample=sample,
            seed=seed_of(settings, f"{kind}/{settings['prompt']}", problem_id, attempt, sample),
        )


def load_verifier(settings: Mapping[str, Any]) -> MathVerifier:
    """The math verifier with the scale's limits."""
    module = importlib.import_module("piretry.verifiers.math")
    return cast(
        "MathVerifier",
        module.MathVerifier(
            workers=settings["workers"], timeout_s=settings["timeout_s"], memory_mb=settings["memory_mb"]
        ),
    )


def grade(verifier: Verifier, items: Sequence[tuple[str, str, Completion]]) -> Sequence[Any]:
    """Grades of (key, gold, completion) triples, in order."""
    base = importlib.import_module("piretry.verifiers.base")
    return verifier.grade(
        [
            base.GradeRequest(id=key, gold=gold, completion=completion.text, finish_reason=completion.finish_reason)
            for key, gold, completion in items
        ]
    )


def seed_of(settings: Mapping[str, Any], kind: str, problem_id: str, attempt: int, sample: int) -> int:
    """The seed of one request: state, run seed, kind of stage, problem, attempt and sample decide it."""
    return request_seed(settings["state"], settings["seed"], kind, problem_id, attempt, sample)
