"""What the sampling stages share: generate with resume, then grade.

Finished batches go to an undeclared folder beside the output, one file a batch. A job that is killed and started
again reads them back and generates only what is missing; equal requests give equal completions, so the result has
the same bytes as an uninterrupted run.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast

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
        # Where a LoRA-trained model came from; the task names it for an engine that serves adapters or checks merges.
        start = {"start": job.input("start")} if "start" in job.task.inputs else {}
        self.engine: Engine = load_engine(
            settings["engine"], job.input("model"), settings["chat"]["template_options"], **start
        )
        self.store = PartialStore(job.partial())
        self.verifier = load_verifier(settings["verifier"])

    def __enter__(self) -> Sampler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.verifier.close()
        close = getattr(self.engine, "close", None)
        if close is not None and kind is None:  # after an error the process ends, and says more about it by itself
            close()

    def answer(self, asks: Sequence[Ask], decoding: str = "sampled", table: str = "") -> list[CompletionRow]:
        """Generate and grade every ask; rows in the order of `asks`. `decoding` is `sampled` or `greedy`.

        A job that makes several tables names the one that the rows are for: their asks may have the same keys.
        """
        return self.answer_tables({table: asks}, decoding)[table]

    def answer_tables(
        self, asks: Mapping[str, Sequence[Ask]], decoding: str = "sampled"
    ) -> dict[str, list[CompletionRow]]:
        """Generate and grade the asks of several tables, by table; rows in the order of the asks.

        An engine that shares prompt prefixes gets them all at once: the retries of one failed answer with different
        prompts begin alike. Other engines get table by table, so that a table does not depend on its neighbours.
        """
        rounds = [asks] if getattr(self.engine, "shares_prefixes", False) else [{name: asks[name]} for name in asks]
        rows = {}
        for round_ in rounds:
            done = self._generate(round_, decoding)
            for table, wanted in round_.items():
                graded = grade(self.verifier, [(ask.key, ask.gold, done[table][ask.key]) for ask in wanted])
                rows[table] = [
                    _row(ask, decoding, done[table][ask.key], verdict)
                    for ask, verdict in zip(wanted, graded, strict=True)
                ]
        return rows

    def _generate(self, asks: Mapping[str, Sequence[Ask]], decoding: str) -> dict[str, dict[str, Completion]]:
        """The completion of every ask, by table and key: from the store, or generated now and put there."""
        params = self.params.greedy() if decoding == "greedy" else self.params
        parts = {table: f"{table}-{decoding}" if table else decoding for table in asks}
        done = {table: self.store.load(parts[table]) for table in asks}
        # The engine sees one name for each request of the job; a table's name holds no line break.
        missing = {
            f"{table}\n{ask.key}": (table, ask) for table in asks for ask in asks[table] if ask.key not in done[table]
        }
        requests = [Request(name, ask.messages, ask.seed) for name, (_, ask) in missing.items()]
        total = sum(map(len, asks.values()))
        label = " ".join([self.job.task.stage, self.job.task.target, *filter(None, asks), decoding])
        with self.job.progress(label, total) as advance:
            advance(total - len(missing))
            for batch in self.engine.generate(requests, params):
                by_table: dict[str, list[Completion]] = {}
                for completion in batch:
                    table, ask = missing[completion.key]
                    by_table.setdefault(table, []).append(replace(completion, key=ask.key))
                for table, completions in by_table.items():
                    self.store.add(parts[table], completions)
                    done[table].update({completion.key: completion for completion in completions})
                self.job.count(
                    prompt_tokens=sum(c.prompt_tokens for c in batch),
                    completion_tokens=sum(c.completion_tokens for c in batch),
                    completions=len(batch),
                )
                advance(len(batch))
        if total > len(missing):
            self.job.count(completions_resumed=total - len(missing))
        return done


class PartialStore:
    """Finished batches of one job, one JSON-lines file a batch, each written whole by rename.

    A part is a decoding, with the table before it where a job makes several.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers: dict[str, int] = {}

    def load(self, part: str) -> dict[str, Completion]:
        """Completions of `part` that this very job had finished, now or in an earlier run that was killed.

        A file that is torn, as a machine that lost power can leave it, counts as not written.
        """
        found = {}
        for file in self._files(part):
            try:
                batch = [Completion(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
            except (ValueError, TypeError):
                print(f"{file} is damaged: its completions are generated again.", file=sys.stderr, flush=True)
                continue
            found.update({completion.key: completion for completion in batch})
        return found

    def add(self, part: str, batch: Sequence[Completion]) -> None:
        """Keep a finished batch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if part not in self._numbers:
            self._numbers[part] = max((int(file.stem.rpartition("-")[2]) for file in self._files(part)), default=-1)
        self._numbers[part] += 1
        file = self.folder / f"{part}-{self._numbers[part]:06d}.jsonl"
        temporary = file.with_suffix(".tmp")
        text = "".join(json.dumps(asdict(completion)) + "\n" for completion in batch)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)

    def _files(self, part: str) -> list[Path]:
        return sorted(self.folder.glob(f"{part}-[0-9]*.jsonl"))


def _row(ask: Ask, decoding: str, completion: Completion, graded: Any) -> CompletionRow:
    return CompletionRow(
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
        message=graded.message,
    )


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

    def ask(self, problem_id: str, failures: Sequence[CompletionRow], attempt: int, sample: int, kind: str) -> Ask:
        """One retry of a problem after its `failures` (oldest first); `kind` keeps the seeds of stages apart."""
        settings, problem = self.settings, self.problems[problem_id]
        wrong = other_answer(problem_id, problem.gold, self.golds, settings["seed"])
        prompt = fill(settings["template"], gold=problem.gold, wrong_answer=wrong)
        return Ask(
            problem_id=problem_id,
            gold=problem.gold,
            messages=retry_dialogue(
                settings["chat"], problem.problem, [row.completion for row in failures], prompt, settings["history"]
            ),
            attempt=attempt,
            sample=sample,
            seed=seed_of(settings, f"{kind}/{settings['prompt']}", problem_id, attempt, sample),
        )


class Asks(Protocol):
    """What builds the dialogues of retries."""

    settings: Mapping[str, Any]

    def ask(self, problem_id: str, failures: Sequence[CompletionRow], attempt: int, sample: int, kind: str) -> Ask:
        """One retry of a problem after its `failures` (oldest first); `kind` keeps the seeds of stages apart."""
        ...


def retry_asks(settings: Mapping[str, Any], problems: Sequence[Problem]) -> Asks:
    """The builder for the job's problems: theorems where the job shows errors, else mathematics.

    What is the prover's alone is imported by name, so that an edit to it changes the code digest of its jobs alone.
    """
    if "error_characters" in settings:
        return cast("Asks", importlib.import_module("piretry.lean_asks").LeanRetryAsks(settings, problems))
    return RetryAsks(settings, problems)


def load_verifier(settings: Mapping[str, Any]) -> Verifier:
    """The verifier of proofs or of mathematical answers, whichever `settings` describe, with the scale's limits."""
    if "toolchain" in settings:
        return cast("Verifier", importlib.import_module("piretry.verifiers.lean.settings").open_verifier(settings))
    return load_math_verifier(settings)


def load_math_verifier(settings: Mapping[str, Any]) -> MathVerifier:
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
