"""Whole files: the statement in a module of its own, the candidate's file in another, and a third that compares them.

The candidate may shadow names, give instances and open what it likes in its own module: the third module asks whether
its theorem has the type that was elaborated without it, and the kernel answers. What the comparison cannot see, a
module whose declarations never met the kernel, is refused by text and, where the toolchain has `leanchecker`, replayed.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from piretry.verifiers.base import Verdict
from piretry.verifiers.lean.batch import OPTIONS, Bench, Checked
from piretry.verifiers.lean.messages import ALLOWED_AXIOMS, SORRY_AXIOM, Message, cut, error_text, parse_message
from piretry.verifiers.lean.process import Job, Outcome
from piretry.verifiers.lean.sheet import Ground, Module, candidate_module, check_module, ground
from piretry.verifiers.lean.statement import Statement
from piretry.verifiers.lean.terms import Finding, failure
from piretry.verifiers.lean.text import indented

_IMPORT = re.compile(r"^[ \t]*import[ \t]+\S+[ \t]*$", re.M)


@dataclass(frozen=True)
class File:
    """A file without comments that should prove `statement`; errors count lines from `first` of `text`."""

    statement: Statement
    text: str
    first: int = 1


def placed(statement: Statement, proof: str) -> File:
    """Return the file that has nothing but the statement and the block of tactics `proof`."""
    head = f"theorem {statement.name}{statement.signature} :="
    return File(statement, f"{head}\n{indented(proof)}", first=head.count("\n") + 2)


@dataclass(frozen=True)
class _Course:
    """One candidate on its way, whose own first line is `first` of its module.

    `folder` holds its own compiled modules and `shared` those of its statement.
    """

    index: int
    statement: Statement
    ground: Ground
    candidate: Module
    first: int
    folder: Path
    shared: Path


class _Run:
    """The check of many files, in three rounds: what candidates import, the candidates, the comparisons.

    A statement's own module is compiled only when one of its candidates has compiled, and once for all of them.
    """

    def __init__(self, bench: Bench, files: Sequence[File]) -> None:
        self.bench = bench
        self.findings: dict[int, Finding] = {}
        self.survivors: list[_Course] = []
        grounds = {file.statement: (ground(file.statement), bench.folder()) for file in files}
        self.courses = []
        for index, file in enumerate(files):
            own, shared = grounds[file.statement]
            candidate = candidate_module(own, file.statement.opens, _IMPORT.sub("", file.text))
            first = candidate.offset + file.first
            self.courses.append(_Course(index, file.statement, own, candidate, first, bench.folder(), shared))
        self.grounds = grounds

    def run(self) -> list[Finding]:
        """Return the findings in the order of the files."""
        try:
            bases = [
                self._compile(*own.base, shared, [shared], own) for own, shared in self.grounds.values() if own.base
            ]
            self.bench.pool.run(bases, self._after_base)
            ready = [course for course in self.courses if course.index not in self.findings]
            self.bench.pool.run([self._candidate(course) for course in ready], self._after_candidate)
            waiting: dict[Path, list[_Course]] = defaultdict(list)
            for course in sorted(self.survivors, key=lambda course: course.index):
                waiting[course.shared].append(course)
            jobs = [self._statement(courses) for courses in waiting.values()]
            self.bench.pool.run(jobs, self._after_statement)
        finally:
            for course in self.courses:
                shutil.rmtree(course.folder, ignore_errors=True)
                shutil.rmtree(course.shared, ignore_errors=True)
        return [self.findings[course.index] for course in self.courses]

    def _compile(self, name: str, text: str, folder: Path, paths: Sequence[Path], task: object) -> Job:
        (folder / f"{name}.lean").write_text(text, encoding="utf-8")
        return self.bench.job(folder, [*OPTIONS, "-o", f"{name}.olean", f"{name}.lean"], 1, task, paths)

    def _candidate(self, course: _Course) -> Job:
        made = course.candidate
        return self._compile(made.name, made.text, course.folder, [course.folder, course.shared], course)

    def _statement(self, courses: list[_Course]) -> Job:
        own, shared = courses[0].ground, courses[0].shared
        return self._compile(own.statement.name, own.statement.text, shared, [shared], courses)

    def _after_base(self, job: Job, outcome: Outcome) -> list[Job]:
        if not (outcome.ended and outcome.status == 0):
            finding = _unended(outcome) or Finding(Verdict.gold_unparseable, error_text(_errors(outcome), 1))
            self.findings |= {course.index: finding for course in self.courses if course.ground is job.task}
        return []

    def _after_candidate(self, job: Job, outcome: Outcome) -> list[Job]:
        course: _Course = job.task
        errors = _errors(outcome)
        if (unended := _unended(outcome)) is not None:
            self.findings[course.index] = unended
        elif outcome.status != 0 or errors or course.candidate.part.axioms(_messages(outcome)) != ():
            said = error_text(errors, course.first) or "Lean does not accept the file."
            self.findings[course.index] = Finding(Verdict.wrong, said)
        else:
            self.survivors.append(course)
        return []

    def _after_statement(self, job: Job, outcome: Outcome) -> list[Job]:
        """What follows the statement's module, the comparison of one candidate with it, and its replay."""
        task = job.task
        if isinstance(task, list):
            return self._after_ground(task, outcome)
        if isinstance(task, _Course):
            finding = _replayed(outcome)
        else:
            task, made = task
            finding = _compared(task, made, outcome)
            if finding is None and self.bench.toolchain.replay is not None:
                return [self._replay(task)]
        self.findings[task.index] = finding or Finding(Verdict.correct)
        return []

    def _after_ground(self, courses: list[_Course], outcome: Outcome) -> list[Job]:
        target = courses[0].ground.statement.part
        finding = _unended(outcome)
        if finding is None and target.axioms(_messages(outcome)) != (SORRY_AXIOM,):
            finding = Finding(Verdict.gold_unparseable, error_text(_errors(outcome), 1))
        if finding is None:
            return [self._check(course) for course in courses]
        self.findings |= {course.index: finding for course in courses}
        return []

    def _check(self, course: _Course) -> Job:
        made = check_module(course.ground, course.candidate, course.statement.name)
        return self._compile(made.name, made.text, course.folder, [course.folder, course.shared], (course, made))

    def _replay(self, course: _Course) -> Job:
        paths, program = [course.folder, course.shared], self.bench.toolchain.replay
        return self.bench.job(course.folder, [course.candidate.name], 1, course, paths, program)


def check_files(bench: Bench, files: Sequence[File]) -> list[Finding]:
    """Decide on each of `files`; each has processes of its own."""
    return _Run(bench, files).run()


def _messages(outcome: Outcome) -> list[Message]:
    return [message for line in outcome.lines if (message := parse_message(line))]


def _errors(outcome: Outcome) -> list[Message]:
    return [message for message in _messages(outcome) if message.is_error]


def _compared(course: _Course, made: Module, outcome: Outcome) -> Finding | None:
    """The finding of the third module, or None when it proves the statement."""
    if (unended := _unended(outcome)) is not None:
        return unended
    errors, axioms = _errors(outcome), made.part.axioms(_messages(outcome))
    if errors or outcome.status != 0 or axioms is None:
        names = [(made.part.name, "the check"), (course.ground.statement.part.name, course.statement.name)]
        return Finding(Verdict.wrong, f"The file does not prove the statement. {error_text(errors, 1, names)}")
    if SORRY_AXIOM in axioms:
        return Finding(Verdict.sorry, "The proof depends on sorry.")
    if foreign := sorted(set(axioms) - ALLOWED_AXIOMS):
        return Finding(Verdict.axiom, f"The proof depends on the axioms {', '.join(foreign)}.")
    return None


def _unended(outcome: Outcome) -> Finding | None:
    if outcome.ended:
        return None
    return failure(Checked(failed="timeout" if outcome.killed == "silence" else "crash"))


def _replayed(outcome: Outcome) -> Finding | None:
    if (unended := _unended(outcome)) is not None:
        return unended
    said = cut((outcome.stderr or "\n".join(outcome.lines)).strip())
    return None if outcome.status == 0 else Finding(Verdict.banned, f"The replay of the proof fails. {said}")
