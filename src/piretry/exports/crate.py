"""`piretry export crate`: a results folder as a Workflow Run RO-Crate, by the Provenance Run Crate profile 0.5.

https://w3id.org/ro/wfrun/provenance/0.5. The crate has the layout of the checkout, so that every path in it exists and
the workflow in it can be run. The same results give the same bytes: nothing in it depends on when or where it is made.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path, PurePosixPath

from piretry import __version__
from piretry.exports.citation import Party, read_citation
from piretry.exports.crate_graph import Graph, add_party, ref, refs
from piretry.exports.crate_runs import COMPLETED, Runs, iso_time, step_id, tool_id, totals, usage
from piretry.exports.describing import (
    artifact_sentence,
    audit_sentences,
    left_out_sentence,
    record_sentence,
    scale_sentence,
    verdict_counts,
)
from piretry.exports.drift import drift_sentence
from piretry.exports.placing import whole, write_zip
from piretry.exports.source import Source, free_target, withheld
from piretry.exports.workflow import CONFIGURATION, SNAKEFILE, workflow_files
from piretry.provenance import layout
from piretry.provenance.model import RECORD_SUFFIX, Record

ANONYMOUS = Party("anonymous")
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
ENGINE = "https://snakemake.github.io"
# What the workflow is run for: the parameter of the workflow that each stage's output stands in.
_OUTPUTS_BY_STAGE = {"report": "report", "judge": "claim", "table": "table", "cost": "table"}
CONDA_FILE = "https://docs.conda.io/projects/conda/en/latest/user-guide/tasks/manage-environments.html"
PIP_FILE = "https://pip.pypa.io/en/stable/user_guide/#constraints-files"


def export_crate(source: Source, target: Path, with_models: bool = True, agent: Party = ANONYMOUS) -> Path:
    """Write the crate of `source` to the new folder `target`, or to a zip file when its name ends with .zip.

    Args:
        source: the results.
        target: what to write; nothing may be there.
        with_models: whether the weights are in the crate; else they are named with their hashes.
        agent: who ran the workflow.
    """
    free_target(target, source, "the crate")
    graph = build_graph(source, with_models, agent)
    with whole(target) as draft:
        if target.suffix == ".zip":
            folder = draft.with_name("crate")
            graph.write(folder)
            files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
            write_zip(draft, target.stem, files)
        else:
            graph.write(draft)
    return target


def build_graph(source: Source, with_models: bool, agent: Party = ANONYMOUS) -> Graph:
    """All entities of the crate of `source`."""
    return _Builder(source, with_models, agent).graph


class _Builder:
    def __init__(self, source: Source, with_models: bool, agent: Party) -> None:
        self.source = source
        self.left_out = withheld(source, with_models)
        self.graph = Graph()
        self.citation = read_citation(source.home)
        self.authors = [add_party(self.graph, author, self.citation) for author in self.citation.authors]
        self.agent = add_party(self.graph, agent, self.citation)
        self.licence = self._licence()
        self.run = f"#run/{source.run}"
        self.checkout = workflow_files(source.home)
        self.rules = {
            path: place.read_text(encoding="utf-8") for path, place in self.checkout.items() if path.endswith(".smk")
        }
        self.entities: dict[str, str] = {}
        self._results()
        runs = Runs(self.graph, source, self.entities, self.agent, self.checkout)
        controls = runs.add()
        self._checkout_files(set(runs.stages))
        tools = self._tools(runs)
        self._workflow(runs, tools)
        self._engine(runs, controls)
        self._root(runs)

    # -- files

    def _results(self) -> None:
        """Every file of the results; a folder of weights is one entity with its files in it."""
        source = self.source
        files = source.files(without=self.left_out)
        inside: dict[str, list[str]] = {}
        for path, place in files.items():
            below = path.removeprefix(f"{source.prefix}/")
            folder = next((str(p) for p in PurePosixPath(below).parents if str(p) in source.records), None)
            record = source.records.get(below)
            about, text = None, ""
            if record is not None:
                text = artifact_sentence(source, below, record)
            elif below.endswith(RECORD_SUFFIX) and (made := source.records.get(below.removesuffix(RECORD_SUFFIX))):
                about, text = ref(f"#job/{made.job}"), record_sentence(below)
            elif below == layout.RUN_FILE:
                about, text = ref(self.run), "The id of this results folder, which stands in every record."
            elif folder is None:
                text = "No record names this file."
            identifier = self.graph.file(path, place, part=folder is None, about=about, description=text)
            if folder is None:
                self.entities[below] = identifier
            else:
                inside.setdefault(folder, []).append(identifier)
        for path, record in source.records.items():
            if path in self.left_out:
                self.entities[path] = self._named(path, record)
            elif record.artifact.kind == "directory" and path in inside:
                text = artifact_sentence(source, path, record)
                self.entities[path] = self.graph.folder(
                    f"{source.prefix}/{path}", inside[path], description=text, identifier=_folder_hash(record)
                )
            elif path not in self.entities:  # exported with findings: its record is there, the artifact is not
                self.entities[path] = self._named(path, record)

    def _named(self, path: str, record: Record) -> str:
        """An artifact that is not in the crate, by its hash."""
        return self.graph.add(
            f"#left-out/{path}",
            "CreativeWork",
            name=f"{self.source.prefix}/{path}",
            description=f"{artifact_sentence(self.source, path, record)} Not in this crate; "
            f"{record.artifact.size} bytes, hashes of its files in {path}{RECORD_SUFFIX}.",
            identifier=_folder_hash(record) if record.artifact.kind == "directory" else None,
            sha256=record.artifact.sha256 if record.artifact.kind == "file" else None,
        )

    def _checkout_files(self, stages: set[str]) -> None:
        """Workflow, configuration, environments and sources."""
        tools = {tool_id(stage): stage for stage in stages}
        scale_file = f"scales/{self.source.scale}.yaml"
        special = {
            CONFIGURATION: "The configuration of the workflow: which cells, seeds and statistics.",
            scale_file: f"The scale {self.source.scale}: what roles, data, engine and budgets are.",
            "report/claims.yaml": "The claims, their statistics and rules, declared before any run.",
            "envs/cpu.yaml": "The Python environment as a conda file.",
            "envs/constraints.txt": "Every package of the environment, pinned.",
        }
        for path, place in self.checkout.items():
            if path == SNAKEFILE:
                continue
            if path in tools:
                stage = tools[path]
                self.graph.file(
                    path,
                    place,
                    kind=["File", "SoftwareSourceCode", "SoftwareApplication"],
                    name=f"piretry {stage}",
                    description=self._purpose(stage),
                    version=__version__,
                    url=self._home_page(),
                    license=ref(self.licence),
                )
            elif path == "README.md":
                self.graph.file(path, place, about=ref("./"), description="What the workflow is and how it is run.")
            else:
                form = None
                if path.startswith("envs/"):
                    page, name = (CONDA_FILE, "Conda environment file") if path.endswith(".yaml") else (PIP_FILE, "pip")
                    form = ref(self.graph.add(page, "WebPageElement", name=name))
                self.graph.file(path, place, description=special.get(path), conformsTo=form)
        audit = self.source.report.to_json().encode() + b"\n"
        self.graph.file("audit.json", audit, about=ref("./"), description="The audit when this crate was made.")

    # -- the workflow

    def _tools(self, runs: Runs) -> list[str]:
        for stage in runs.stages:
            if tool_id(stage) not in self.graph:  # a stage of other code than is here: only in an unclean export
                self.graph.add(tool_id(stage), ["SoftwareSourceCode"], name=f"piretry {stage}", version="not known")
        return [runs.tool(stage, softwareRequirements=refs(runs.packages(stage)) or None) for stage in runs.stages]

    def _workflow(self, runs: Runs, tools: list[str]) -> None:
        graph = self.graph
        language = graph.add(
            LANGUAGE,
            "ComputerLanguage",
            name="Snakemake",
            identifier="https://doi.org/10.12688/f1000research.29032.2",
            url="https://snakemake.readthedocs.io",
        )
        scale = graph.add("#setting/workflow/scale", "PropertyValue", name="scale", value=self.source.scale)
        graph.add("#workflow/scale", "FormalParameter", name="scale", additionalType="Text")
        graph.set(scale, exampleOfWork=ref("#workflow/scale"))
        self.outputs: list[str] = []
        made = set()
        for path in self.source.records:
            identifier, kind = self.entities[path], _OUTPUTS_BY_STAGE.get(layout.maker(path) or "")
            if kind and not identifier.startswith("#"):
                names = {*runs.realised.get(identifier, ()), f"#workflow/{kind}"}
                graph.set(identifier, exampleOfWork=refs(sorted(names)))
                self.outputs.append(identifier)
                made.add(graph.add(f"#workflow/{kind}", "FormalParameter", name=kind, additionalType="File"))
        steps = [
            graph.add(
                step_id(stage),
                "HowToStep",
                name=stage,
                description=self._purpose(stage),
                position=str(number),
                workExample=ref(tool_id(stage)),
                isPartOf=ref(rules) if (rules := self._rule_file(stage)) else None,
            )
            for number, stage in enumerate(runs.stages)
        ]
        build = [path for path in ("envs/cpu.yaml", "envs/gpu.yaml") if path in self.checkout]
        graph.file(
            SNAKEFILE,
            self.checkout[SNAKEFILE],
            kind=["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            name=self.citation.title,
            description="The table of contents of the workflow; rules/ holds its rules, one concern a file.",
            encodingFormat="text/x-snakemake",
            programmingLanguage=ref(language),
            conformsTo=ref(graph.add(BIOSCHEMAS, "CreativeWork", name="Bioschemas ComputationalWorkflow 1.0")),
            version=self.citation.version or __version__,
            url=self._home_page(),
            license=ref(self.licence),
            creator=refs(self.authors),
            input=ref("#workflow/scale"),
            output=refs(sorted(made)) or None,
            step=refs(steps),
            hasPart=refs(tools),
            buildInstructions=refs(build) or None,
        )

    def _engine(self, runs: Runs, controls: dict[str, list[str]]) -> None:
        """The run of the whole workflow, and Snakemake, which orchestrated it."""
        records = list(self.source.records.values())
        start = iso_time(min(record.cost.start for record in records))
        end = iso_time(max(record.cost.end for record in records))
        configuration = [CONFIGURATION, f"scales/{self.source.scale}.yaml", "report/claims.yaml"]
        outside = [identifier for identifier in self.graph_inputs() if identifier]
        objects = ["#setting/workflow/scale", *(path for path in configuration if path in self.checkout), *outside]
        versions = sorted({str(record.packages["snakemake"]) for record in records if record.packages.get("snakemake")})
        self.graph.add(
            ENGINE,
            "SoftwareApplication",
            name="Snakemake",
            softwareVersion=", ".join(versions) or "not recorded",
            url=ENGINE,
        )
        self.graph.add(
            self.run,
            "CreateAction",
            name=f"Run of the workflow at scale {self.source.scale}",
            description=f"{len(runs.order)} jobs. Made by `snakemake all --config scale={self.source.scale}` or by "
            "parts of it; the description of each job has its command.",
            instrument=ref(SNAKEFILE),
            object=refs(objects),
            result=refs(self.outputs or self.entities.values()),
            agent=ref(self.agent),
            startTime=start,
            endTime=end,
            actionStatus=COMPLETED,
            resourceUsage=refs(usage(self.graph, f"{self.run}/usage", totals(records))),
        )
        self.graph.add(
            f"{self.run}/engine",
            "OrganizeAction",
            name=f"Run of Snakemake at scale {self.source.scale}",
            instrument=ref(ENGINE),
            object=refs(control for stage in controls.values() for control in stage),
            result=ref(self.run),
            agent=ref(self.agent),
            startTime=start,
            endTime=end,
            actionStatus=COMPLETED,
        )

    def graph_inputs(self) -> list[str]:
        """Entities for what the whole run read from outside: files, models and datasets that came from elsewhere."""
        kinds = ("#input/", "#model/", "#dataset/")
        ids = [entity.id for entity in self.graph.crate.get_entities()]
        return [identifier for identifier in ids if identifier.startswith(kinds) and identifier.count("/") == 1]

    # -- the root

    def _root(self, runs: Runs) -> None:
        source = self.source
        words = [
            f"Results of the workflow “{self.citation.title}” at scale {source.scale}, with all provenance.",
            f"{verdict_counts(source)}.",
            scale_sentence(source),
            left_out_sentence(self.left_out),
            audit_sentences(source),
            drift_sentence(source),
        ]
        self.graph.root(
            name=f"{self.citation.title}: results at scale {source.scale}",
            description="\n".join(filter(None, words)),
            datePublished=source.finished,
            license=ref(self.licence),
            author=refs(self.authors),
            publisher=ref(self.authors[0]),
            keywords=", ".join(self.citation.keywords),
            mainEntity=ref(SNAKEFILE),
            mentions=refs([self.run, f"{self.run}/engine", *runs.actions()]),
            identifier=source.run,
        )

    def _licence(self) -> str:
        spdx = self.citation.license
        page = f"https://spdx.org/licenses/{spdx}"
        return self.graph.add(page, "CreativeWork", name=spdx, identifier=spdx, url=page, description=f"SPDX {spdx}")

    def _home_page(self) -> object:
        """Where the software is described: its own page, or the README in the crate."""
        return self.citation.url or (ref("README.md") if "README.md" in self.checkout else None)

    def _purpose(self, stage: str) -> str | None:
        """What a stage does: the first line of its module's docstring."""
        place = self.checkout.get(tool_id(stage))
        text = ast.get_docstring(ast.parse(place.read_text(encoding="utf-8"))) if place else None
        return text.splitlines()[0] if text else None

    def _rule_file(self, stage: str) -> str | None:
        """The file of rules that runs `stage`."""
        own = [path for path, text in self.rules.items() if re.search(rf"^\s*rule {stage}:", text, re.MULTILINE)]
        calls = [path for path, text in self.rules.items() if f"piretry {stage} " in text]
        return next(iter([*own, *calls]), None)


def _folder_hash(record: Record) -> str:
    """The hash over a folder's files; docs/provenance.md says how it is taken."""
    return f"piretry-folder-sha256:{record.artifact.sha256}"
