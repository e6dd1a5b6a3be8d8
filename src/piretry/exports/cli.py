"""`piretry export`: a results folder as an RO-Crate, as a CODECHECK configuration, or as an archive with its audit."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `export` to the command line."""
    export = verbs.add_parser("export", help="write a results folder in a format that others check with")
    formats = export.add_subparsers(title="formats", required=True, metavar="FORMAT")

    crate = formats.add_parser("crate", help="a Workflow Run RO-Crate (Provenance Run Crate 0.5)")
    _common(crate, "the crate's folder, or a .zip file")
    _models(crate)
    crate.add_argument("--agent", metavar="NAME", help="who ran it, as 'Name' or 'Name <ORCID>' (default: anonymous)")
    crate.set_defaults(run=_crate)

    codecheck = formats.add_parser("codecheck", help="a codecheck.yml with the outputs and a summary of the verdicts")
    _common(codecheck, "the bundle's folder, which gets codecheck.yml (the checkout itself, or a new folder)")
    codecheck.add_argument("--codechecker", metavar="NAME", action="append", help="'Name <ORCID>'; may be repeated")
    codecheck.add_argument("--report", metavar="URL", help="URL or DOI of the published certificate")
    codecheck.add_argument("--certificate", metavar="YYYY-NNN", help="its number in the CODECHECK register")
    codecheck.add_argument("--check-time", metavar="TIME", help="when it was checked (default: end of the last job)")
    codecheck.add_argument("--repository", metavar="URL", help="where the workflow is kept")
    codecheck.add_argument("--paper-title", metavar="TITLE", help="the document checked (default: the FAQ)")
    codecheck.add_argument("--paper-author", metavar="NAME", action="append", help="'Name <ORCID>'; may be repeated")
    codecheck.add_argument("--paper-reference", metavar="URL", help="where it is (default: the source in claims.yaml)")
    codecheck.set_defaults(run=_codecheck)

    archive = formats.add_parser("archive", help="a zip with results, workflow and sources, and an audit to run in it")
    _common(archive, "the archive, a .zip file")
    _models(archive)
    archive.set_defaults(run=_archive)


def _common(parser: argparse.ArgumentParser, target: str) -> None:
    parser.add_argument("results", type=Path, help="folder of one scale, e.g. results/mini")
    parser.add_argument("target", type=Path, help=target)
    parser.add_argument("--home", type=Path, default=Path(), help="the checkout that made the results (default: here)")
    parser.add_argument(
        "--unclean", action="store_true", help="export although the audit finds something, and say in it what"
    )


def _models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--without-models",
        dest="with_models",
        action="store_false",
        help="leave the weights out; they are named with their hashes",
    )


def _crate(options: argparse.Namespace) -> int:
    from piretry.exports.citation import party
    from piretry.exports.crate import ANONYMOUS, export_crate
    from piretry.exports.source import open_source

    agent = party(options.agent, "--agent") if options.agent else ANONYMOUS
    source = open_source(options.results, options.home, options.unclean)
    _done(export_crate(source, options.target, options.with_models, agent))
    return 0


def _codecheck(options: argparse.Namespace) -> int:
    from piretry.exports.citation import party
    from piretry.exports.codecheck import TITLE, UNNAMED, Check, export_codecheck
    from piretry.exports.source import open_source

    check = Check(
        title=options.paper_title or TITLE,
        authors=tuple(party(name, "--paper-author") for name in options.paper_author or ()) or (UNNAMED,),
        reference=options.paper_reference,
        codecheckers=tuple(party(name, "--codechecker") for name in options.codechecker or ()),
        report=options.report,
        certificate=options.certificate,
        check_time=options.check_time,
        repository=options.repository,
    )
    target, missing = export_codecheck(
        open_source(options.results, options.home, options.unclean), options.target, check
    )
    _done(target)
    for sentence in missing:
        print(f"still missing: {sentence}", file=sys.stderr)
    return 0


def _archive(options: argparse.Namespace) -> int:
    from piretry.exports.archive import export_archive
    from piretry.exports.source import open_source
    from piretry.provenance.hashing import sha256_file

    source = open_source(options.results, options.home, options.unclean)
    target = export_archive(source, options.target, options.with_models)
    _done(target)
    print(f"sha256 {sha256_file(target)}: keep it somewhere else, it vouches for the whole", file=sys.stderr)
    return 0


def _done(target: Path) -> None:
    print(f"wrote {target}", file=sys.stderr)
