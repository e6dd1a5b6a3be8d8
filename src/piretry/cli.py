"""The `piretry` command: one verb a stage, plus plan, status, claims, audit, export, grade, image, recover and more.

A stage's verb runs one task: `piretry attempt small/base/s42` resolves it from config.yaml in the working directory;
the workflow passes the resolved task itself with --task.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from piretry import __version__
from piretry.compare import cli as compare
from piretry.errors import PiretryError, nearest
from piretry.exports import cli as exports
from piretry.grid.plan import add_plan_arguments, run_plan
from piretry.grid.project import Project, load_project
from piretry.grid.task import Task
from piretry.grid.tasks import BUILDERS
from piretry.images import cli as images
from piretry.slurm import commands as slurm
from piretry.sources import cli as sources

STAGE_HELP = {
    "prepare": "make the training pool and the held-out problems",
    "overlap": "find and remove matches between training pool and held-out problems",
    "theorems": "make the prover's training and held-out theorems",
    "pretrain": "pretrain the base model of a role from nothing",
    "fetch": "fetch the base model of a role, or a dataset, at its pinned revision",
    "attempt": "sample a state's first attempts on the training problems",
    "resample": "sample fresh attempts of a state on all training problems",
    "retry": "sample a state's retries after its failed attempts",
    "repeat": "sample every successful retry once more",
    "skeleton": "sample a prover's attempts with the sub-goals of the known proof shown",
    "select": "choose a cell's training examples",
    "train": "fine-tune a cell's model",
    "distill": "distil a prover that sees sub-goals into itself without them",
    "evaluate": "sample a state's completions of the held-out problems",
    "gather": "put the shards of a state's completions together",
    "judge": "give the verdict on one claim",
    "table": "write one table of the report",
    "cost": "count the tokens generated, and saved by sharing",
    "report": "write the report",
}
TARGET_HELP = {
    "prepare": None,
    "overlap": None,
    "theorems": None,
    "cost": None,
    "report": None,
    "pretrain": "ROLE",
    "fetch": "ROLE, train or eval",
    "judge": "CLAIM",
    "table": "TABLE",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 ok, 1 findings, 2 a mistake that the user can mend)."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except PiretryError as error:
        print(f"piretry: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="piretry", description="Re-run and audit the published claims about PI distillation via retry."
    )
    parser.add_argument("--version", action="version", version=f"piretry {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for stage, text in STAGE_HELP.items():
        _stage_parser(verbs, stage, text)

    plan = verbs.add_parser("plan", help="cells, jobs, tokens and time of a run, before it is started")
    _project_options(plan)
    add_plan_arguments(plan)
    plan.set_defaults(run=_plan)

    status = verbs.add_parser("status", help="what of a run is made, and what is missing")
    _project_options(status)
    status.set_defaults(run=_status)

    claims = verbs.add_parser("claims", help="list the claims with published and measured values and verdicts")
    _project_options(claims)
    claims.add_argument("--json", action="store_true", help="print a JSON list")
    claims.set_defaults(run=_claims)

    audit = verbs.add_parser("audit", help="re-hash a results folder and walk every claim down to data and models")
    audit.add_argument("results", type=Path, help="folder of one scale, e.g. results/mini")
    audit.add_argument("--json", action="store_true", help="print JSON")
    audit.set_defaults(run=_audit)

    grade = verbs.add_parser("grade", help="grade a JSON-lines file of {id, gold, completion} rows")
    grade.add_argument("source", type=Path, help="JSON lines with id, gold, completion (and finish_reason)")
    grade.add_argument("target", type=Path, nargs="?", help="where to write the graded rows (default: standard output)")
    grade.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")
    grade.add_argument("--timeout", type=float, default=5.0, help="seconds for one answer (default: 5)")
    grade.add_argument(
        "--disagreements", action="store_true", help="write only the rows on which the second opinion differs"
    )
    grade.set_defaults(run=_grade)

    regrade = verbs.add_parser("regrade", help="grade a state's stored completions again, without a model")
    regrade.add_argument("results", type=Path, help="folder of one scale, e.g. results/mini")
    regrade.add_argument("files", type=Path, nargs="+", help="completions tables in it, e.g. .../eval.parquet")
    regrade.add_argument("--problems", type=Path, required=True, help="the problems table with the gold answers")
    regrade.set_defaults(run=_regrade)

    compare.add_parser(verbs)
    exports.add_parser(verbs)
    images.add_parser(verbs)
    slurm.add_parsers(verbs)
    sources.add_parser(verbs)

    schema = verbs.add_parser("schema", help="write the JSON schemas and docs/configuration.md")
    schema.add_argument("--home", type=Path, default=Path(), help="the checkout (default: here)")
    schema.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    schema.set_defaults(run=_schema)
    return parser


def _stage_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser], stage: str, text: str) -> None:
    parser = verbs.add_parser(stage, help=text)
    target = TARGET_HELP.get(stage, "STATE")
    if target:
        parser.add_argument("target", nargs="?", metavar=target, help="what to make it for")
    if stage == "retry":
        parser.add_argument("--writer", help="role whose model writes the retries (default: the state's own)")
    if stage in ("retry", "repeat"):
        parser.add_argument("--prompt", default="bare", help="retry prompt (default: bare)")
    if stage == "gather":
        parser.add_argument("--table", default="attempts", help="completions table, e.g. retries-bare")
    parser.add_argument("--task", help="the resolved task as JSON, as the workflow passes it")
    parser.add_argument("--root", type=Path, help="results folder of the scale; goes with --task")
    parser.add_argument("--code", help="digest that the stage's code must have, as the workflow took it")
    _project_options(parser)
    parser.set_defaults(run=_stage, stage=stage)


def _project_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, default=Path(), help="folder with config.yaml (default: here)")
    parser.add_argument("--scale", help="scale to use instead of the one in config.yaml")


def _project(options: argparse.Namespace) -> Project:
    project = load_project(options.home, {"scale": options.scale} if options.scale else None)
    if project.notice:
        print(f"piretry: {project.notice}", file=sys.stderr)
    return project


def _stage(options: argparse.Namespace) -> int:
    from piretry.runner import run_task

    if options.task:
        if options.root is None:
            raise PiretryError("--task needs --root, the results folder that its paths start from.")
        task, root = Task.from_json(options.task), options.root
    else:
        project = _project(options)
        root = options.home / project.results
        arguments = [getattr(options, "target", None) or _default_target(options.stage, project)]
        if options.stage in ("retry", "repeat"):
            arguments.append(options.prompt)
        if options.stage == "gather":
            arguments.append(options.table)
        if options.stage == "retry" and options.writer:
            arguments.append(options.writer)
        task = BUILDERS[options.stage](project, *arguments)
    if task.stage != options.stage:
        raise PiretryError(f"--task is a task of stage {task.stage!r}, but the verb is {options.stage!r}.")
    if options.code is not None:
        from piretry.images.guard import check_code

        check_code(task.modules, options.code)
    run_task(task, root, ["piretry", *sys.argv[1:]])
    return 0


def _default_target(stage: str, project: Project) -> str:
    if TARGET_HELP.get(stage, "STATE") is None:
        return project.scale.name
    examples = {"pretrain": "small", "fetch": "small", "judge": "headline", "table": "k_ablation"}
    raise PiretryError(f"Say what to make it for, for example: piretry {stage} {examples.get(stage, 'small/base/s42')}")


def _plan(options: argparse.Namespace) -> int:
    project = _project(options)
    if not options.power:
        return run_plan(options, project)
    from piretry.claims.power import power_table

    table = power_table(project)
    print(json.dumps(table.plain(), indent=2) if options.json else table.text())
    return 0


def _status(options: argparse.Namespace) -> int:
    from piretry.grid.status import status_text

    project = _project(options)
    print(status_text(project, options.home / project.results))
    return 0


def _claims(options: argparse.Namespace) -> int:
    from piretry.claims.listing import claims_text, list_claims

    project = _project(options)
    rows = list_claims(project, options.home / project.results)
    print(json.dumps(rows, indent=2) if options.json else claims_text(rows))
    return 0


def _audit(options: argparse.Namespace) -> int:
    from piretry.provenance.audit import audit
    from piretry.provenance.code import code_digest

    if not options.results.is_dir():
        beside = [str(path) for path in options.results.parent.glob("*") if path.is_dir()]
        raise PiretryError(
            f"{options.results} is not a folder: audit takes the results folder of one scale, for example results/mini."
            f"{nearest(str(options.results), beside) if beside else ''}"
        )
    report = audit(options.results, lambda record: code_digest(record.modules))
    print(report.to_json() if options.json else report.text())
    return 0 if report.ok else 1


def _grade(options: argparse.Namespace) -> int:
    from piretry.verifiers.files import grade_file

    done = grade_file(
        options.source,
        options.target,
        workers=options.workers,
        timeout_s=options.timeout,
        disagreements_only=options.disagreements,
    )
    told = ", ".join(f"{verdict} {count}" for verdict, count in done.verdicts.items()) or "no rows"
    print(f"{done.rows} rows: {told}; {done.disagreements} disagreements; {done.verifier}", file=sys.stderr)
    return 0


def _regrade(options: argparse.Namespace) -> int:
    from piretry.regrade import regrade_tables

    print(regrade_tables(options.results, options.files, options.problems))
    return 0


def _schema(options: argparse.Namespace) -> int:
    from piretry.settings.schema import stale_files, write_files

    if options.check:
        stale = stale_files(options.home)
        for path in stale:
            print(f"{path} is out of date: run `piretry schema`.", file=sys.stderr)
        return 1 if stale else 0
    for path in write_files(options.home):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
