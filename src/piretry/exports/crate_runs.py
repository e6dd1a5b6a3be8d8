"""What ran, as entities: an action for every job, its parameters, resources and surroundings, and the step it is of."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from piretry.exports.crate_graph import TERMS, Graph, one, ref, refs
from piretry.exports.source import Source
from piretry.exports.workflow import PACKAGE
from piretry.provenance import layout
from piretry.provenance.hashing import canonical_json, digest_json
from piretry.provenance.model import Record

COMPLETED = "http://schema.org/CompletedActionStatus"
SECONDS = "https://qudt.org/vocab/unit/SEC"
NUMBER = "https://qudt.org/vocab/unit/NUM"
QUANTITIES = {
    "wall_seconds": ("Wall-clock time of the job.", SECONDS),
    "cpu_seconds": ("CPU time of the job's process and its children.", SECONDS),
    "gpu_seconds": ("GPUs that the job held, times its wall-clock time.", SECONDS),
}
_DATA_TYPES = {bool: "Boolean", int: "Integer", float: "Float", str: "Text", type(None): "Text"}


class Runs:
    """Adds the jobs of a results folder to a graph.

    Args:
        graph: the crate.
        source: the results.
        entities: path below the results folder -> id of the entity that stands for it, in the crate or left out of it.
        agent: id of the entity for who ran it.
        checkout: paths of the workflow's files in the crate.
    """

    def __init__(
        self, graph: Graph, source: Source, entities: Mapping[str, str], agent: str, checkout: Container[str]
    ) -> None:
        self.graph = graph
        self.source = source
        self.entities = entities
        self.agent = agent
        self.checkout = checkout
        self.jobs: dict[str, dict[str, Record]] = {}
        for path, record in sorted(source.records.items()):
            self.jobs.setdefault(record.job, {})[path] = record
        self.order = self._order()
        self.parameters: dict[str, dict[str, set[str]]] = {}  # stage -> parameter -> its additionalTypes
        self.realised: dict[str, set[str]] = {}  # entity -> parameters that it realises

    @cached_property
    def stages(self) -> list[str]:
        """The stages that ran, such that what makes an input comes before what reads it.

        Rounds make a circle of stages (attempt, retry, select, train, attempt again); in it the order is that of the
        first round.
        """
        stage_of = {job: next(iter(records.values())).stage for job, records in self.jobs.items()}
        first: dict[str, int] = {}
        reads: dict[str, set[str]] = {stage: set() for stage in stage_of.values()}
        for job in self.order:
            first.setdefault(stage_of[job], self.depth[job])
            reads[stage_of[job]] |= {stage_of[need] for need in self.needs[job]}
        for _ in reads:  # what a stage reads through others; that many steps reach all of them
            for stage in reads:
                reads[stage] |= {other for near in reads[stage] for other in reads[near]}
        before = {stage: {other for other in reads[stage] if stage not in reads[other]} for stage in reads}
        ordered: list[str] = []
        while len(ordered) < len(reads):
            ready = [stage for stage in reads if stage not in ordered and before[stage] <= set(ordered)]
            ordered.append(min(ready, key=lambda stage: (first[stage], stage)))
        return ordered

    def add(self) -> dict[str, list[str]]:
        """Add everything; returns the control actions by stage."""
        controls: dict[str, list[str]] = {stage: [] for stage in self.stages}
        for job in self.order:
            records = list(self.jobs[job].values())
            action = self._action(job, records)
            stage = records[0].stage
            control = self.graph.add(
                f"#step/{job}",
                "ControlAction",
                name=f"Step {stage} for {records[0].target}",
                instrument=ref(step_id(stage)),
                object=ref(action),
                actionStatus=COMPLETED,
            )
            controls[stage].append(control)
        for identifier, names in self.realised.items():
            self.graph.set(identifier, exampleOfWork=refs(sorted(names)))
        return controls

    def tool(self, stage: str, **properties: Any) -> str:
        """The program of a stage: the module that the workflow's rule calls."""
        inputs: list[str] = []
        outputs: list[str] = []
        for name, types in sorted(self.parameters[stage].items()):
            identifier = self.graph.add(
                name, "FormalParameter", name=name.rpartition("/")[2], additionalType=one(sorted(types))
            )
            (outputs if name.startswith(f"#output/{stage}/") else inputs).append(identifier)
        identifier = tool_id(stage)
        self.graph.set(identifier, input=refs(inputs), output=refs(outputs), **properties)
        return identifier

    def packages(self, stage: str) -> list[str]:
        """Entities for the packages that the records of a stage name, in all versions that they name."""
        found: dict[str, None] = {}
        for records in self.jobs.values():
            record = next(iter(records.values()))
            if record.stage == stage:
                found |= dict.fromkeys(package(self.graph, *item) for item in record.packages.items() if item[1])
        return sorted(found)

    def actions(self) -> list[str]:
        """Ids of the actions, in the order in which the jobs can have run."""
        return [action_id(job) for job in self.order]

    # -- one job

    def _action(self, job: str, records: Sequence[Record]) -> str:
        first = records[0]
        stage = first.stage
        self.parameters.setdefault(stage, {})
        objects = [self._input(stage, entry) for entry in first.inputs]
        objects += [self._setting(stage, name, value) for name, value in sorted(first.settings.items())]
        objects += self._references(first)
        results = []
        for path, record in self.jobs[job].items():
            results.append(self.entities[path])
            kind = "Dataset" if record.artifact.kind == "directory" else "File"
            self._realise(self.entities[path], f"#output/{stage}/{slot(record.artifact.role, path)}", kind, stage)
        return self.graph.add(
            action_id(job),
            "CreateAction",
            name=f"{stage} {first.target}",
            description=_description(first),
            instrument=ref(tool_id(stage)),
            object=refs(objects),
            result=refs(results),
            agent=ref(self.agent),
            startTime=iso_time(first.cost.start),
            endTime=iso_time(max(record.cost.end for record in records)),
            actionStatus=COMPLETED,
            containerImage=self._image(first),
            resourceUsage=refs(self._usage(job, first)),
            additionalProperty=refs(self._surroundings(first)),
        )

    def _input(self, stage: str, entry: Any) -> str:
        identifier = self.entities.get(entry.path) if entry.inside else None
        if identifier is None:
            inside = [p for p in map(str, PurePosixPath(entry.path).parents) if p in self.entities]
            if entry.inside and inside:  # a file of a folder: the folder stands for it
                identifier = self.entities[inside[0]]
            else:
                identifier = self.graph.add(
                    f"#input/{entry.sha256[:16]}",
                    "CreativeWork",
                    name=entry.path,
                    description="A file from outside the results folder, known by its hash; it is not in this crate.",
                    sha256=entry.sha256,
                )
        kind = "Dataset" if identifier.endswith("/") else "File"
        self._realise(identifier, f"#input/{stage}/{slot(entry.role, entry.path)}", kind, stage)
        return identifier

    def _setting(self, stage: str, name: str, value: Any) -> str:
        # Empty text would be no value at all: it is written as JSON has it, like everything that is no plain value.
        plain = value if value != "" and isinstance(value, bool | int | float | str) else canonical_json(value)
        identifier = f"#setting/{stage}/{name}/{digest_json([name, value])[:12]}"
        self.graph.add(identifier, "PropertyValue", name=name, value=plain)
        kind = _DATA_TYPES.get(type(value), "PropertyValue")
        self._realise(identifier, f"#setting/{stage}/{name}", kind, stage)
        return identifier

    def _realise(self, identifier: str, parameter: str, kind: str, stage: str) -> None:
        self.parameters[stage].setdefault(parameter, set()).add(kind)
        self.realised.setdefault(identifier, set()).add(parameter)

    def _references(self, record: Record) -> list[str]:
        """Models and datasets that came from elsewhere, by id and revision."""
        found = []
        for kind, entry in [("model", entry) for entry in record.models] + [("dataset", e) for e in record.datasets]:
            fingerprint = getattr(entry, "fingerprint", None)
            if entry.revision or fingerprint:
                found.append(
                    self.graph.add(
                        f"#{kind}/{digest_json([entry.id, entry.revision, fingerprint])[:16]}",
                        "CreativeWork",
                        name=entry.id,
                        description=f"The {kind} used as {entry.role}"
                        + (f"; fingerprint of its rows: {fingerprint}." if fingerprint else "."),
                        version=entry.revision,
                    )
                )
        return found

    def _image(self, record: Record) -> Any:
        image = record.image
        if image.path is None:
            return None
        name = posixpath.basename(image.path)
        definition = f"containers/{PurePosixPath(name).stem}.def"
        return ref(
            self.graph.add(
                f"#image/{(image.sha256 or name)[:16]}",
                "ContainerImage",
                name=name,
                description="An Apptainer image, kept as a file and known by its hash.",
                additionalType=ref(f"{TERMS}SIFImage"),
                registry="none: built from a definition file",
                sha256=image.sha256,
                isBasedOn=ref(definition) if definition in self.checkout else None,
            )
        )

    def _usage(self, job: str, record: Record) -> list[str]:
        cost = record.cost
        values = {"wall_seconds": cost.wall_seconds, "cpu_seconds": cost.cpu_seconds, "gpu_seconds": cost.gpu_seconds}
        return usage(self.graph, f"#usage/{job}", {**values, **cost.counters})

    def _surroundings(self, record: Record) -> list[str]:
        machine, checkout = record.machine, record.checkout
        values = {
            "code digest": record.code.digest,
            "git commit": checkout.commit or f"not known: {checkout.reason}",
            "uncommitted changes": "not known" if checkout.dirty is None else str(checkout.dirty).lower(),
            "host": machine.host,
            "cpu": machine.cpu,
            "gpus": ", ".join(machine.gpus) or "none",
            "slurm job": machine.slurm_job,
            "seeds": canonical_json(record.seeds) if record.seeds else None,
        }
        return [
            self.graph.add(f"#surroundings/{digest_json([name, value])[:16]}", "PropertyValue", name=name, value=value)
            for name, value in values.items()
            if value is not None
        ]

    # -- order

    def _order(self) -> list[str]:
        """The jobs, what makes an input before what reads it; `depth` counts the steps down from what reads nothing."""
        maker = {path: job for job, records in self.jobs.items() for path in records}
        self.needs: dict[str, set[str]] = {}
        for job, records in self.jobs.items():
            paths = [entry.path for record in records.values() for entry in record.inputs if entry.inside]
            owners = [maker.get(place) for path in paths for place in (path, *map(str, PurePosixPath(path).parents))]
            self.needs[job] = {owner for owner in owners if owner is not None and owner != job}
        self.depth: dict[str, int] = {}
        waiting = sorted(self.needs)
        while waiting:
            # Records that were damaged may name each other in a circle: then all that is left comes at once.
            ready = [job for job in waiting if self.needs[job] <= self.depth.keys()] or waiting
            for job in ready:
                self.depth[job] = 1 + max((self.depth.get(need, 0) for need in self.needs[job]), default=0)
            waiting = [job for job in waiting if job not in self.depth]
        return sorted(self.jobs, key=lambda job: (self.depth[job], min(self.jobs[job])))


def usage(graph: Graph, prefix: str, values: Mapping[str, int | float]) -> list[str]:
    """Resources used, each with a term of this crate that says what the number is."""
    found = []
    for name, value in values.items():
        text, unit = QUANTITIES.get(name, (f"Counted by the job: {name.replace('_', ' ')}.", NUMBER))
        term = graph.add(f"#quantity/{name}", "DefinedTerm", name=name, description=text)
        identifier = f"{prefix}/{name}"
        graph.add(identifier, "PropertyValue", name=name, value=value, propertyID=ref(term), unitCode=unit)
        found.append(identifier)
    return found


def package(graph: Graph, name: str, version: str | None) -> str:
    """The entity of a Python package (or of Python) in one version."""
    if name == "python":
        return graph.add(
            f"https://www.python.org/downloads/release/python-{str(version).replace('.', '')}/",
            "SoftwareApplication",
            name="Python",
            softwareVersion=version,
            url="https://www.python.org/",
        )
    # The package's URL as the packageurl specification has it, which names an index by its kind and not by a host.
    place = f"pkg:pypi/{name}@{quote(str(version))}"
    return graph.add(place, "SoftwareApplication", name=name, softwareVersion=version, url=place)


def tool_id(stage: str) -> str:
    """The file of a stage, which is the program that its jobs run."""
    return f"{PACKAGE}/stages/{stage}.py"


def step_id(stage: str) -> str:
    """The step of the workflow that a stage is."""
    return f"#workflow-step/{stage}"


def action_id(job: str) -> str:
    """The action of a job."""
    return f"#job/{job}"


def iso_time(moment: datetime) -> str:
    """A time in milliseconds with its offset: the only form that validators of the profile take."""
    return moment.isoformat(timespec="milliseconds")


def totals(records: Iterable[Record]) -> dict[str, float]:
    """Resources of all jobs together, each job once; no wall time, because jobs run side by side."""
    found: dict[str, float] = {"cpu_seconds": 0.0, "gpu_seconds": 0.0}
    for record in {record.job: record for record in records}.values():
        found["cpu_seconds"] += record.cost.cpu_seconds
        found["gpu_seconds"] += record.cost.gpu_seconds
        for name in ("prompt_tokens", "completion_tokens", "train_tokens"):
            if name in record.cost.counters:
                found[name] = found.get(name, 0) + record.cost.counters[name]
    return {name: round(value, 3) for name, value in found.items()}


def slot(role: str, path: str) -> str:
    """The input or output of a stage that a file stands in.

    A role names it (`problems`), also with what it is for (`claim:headline`). Where a stage takes any number of files,
    the role is the path itself or the id of a claim: then the kind of the file names it (`eval`, `claim`).
    """
    kind = "claim" if layout.claim_of(path) else "table" if layout.table_of(path) else ""
    word = re.split(r"[ :]", role)[0]
    return kind or (word if re.fullmatch(r"[a-z_]+", word) else re.split(r"[-.]", PurePosixPath(path).name)[0])


def _description(record: Record) -> str:
    command = re.sub(r"--task '.*'(?= --| *$)", "--task '(objects and results of this action)'", record.command)
    modules = json.dumps(list(record.code.modules))
    return f"Command: {command}\nModules whose code ran, with all that they import: {modules}"
