"""`piretry export archive`: results, workflow, configuration and sources in one zip, with an audit that runs inside it.

The zip holds one folder. `python audit.py` in it needs Python 3.11 or newer and nothing else, least of all the folder
that the archive was made from. The same results and the same checkout give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from piretry import __version__
from piretry.errors import PiretryError
from piretry.exports.citation import read_citation
from piretry.exports.describing import audit_sentences, left_out_sentence, scale_sentence, verdict_counts
from piretry.exports.drift import drift_sentence
from piretry.exports.placing import whole, write_zip
from piretry.exports.source import Source, free_target, withheld
from piretry.exports.standalone import DESCRIPTION, FORMAT, MANIFEST, SCRIPT, Description
from piretry.exports.workflow import workflow_files
from piretry.provenance.hashing import sha256_file
from piretry.provenance.model import Record

AUDIT_SCRIPT = '''\
"""Audit this archive: every file, the results against their records, every claim down to data and models.

Run it in the unpacked archive: `python audit.py` (Python 3.11 or newer; no package is needed). `--claims` lists what
each claim rests on. It ends with "ARCHIVE OK" and status 0, or with what was found and status 1.
"""

import sys
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("audit.py needs Python 3.11 or newer; this is " + sys.version.split()[0])
sys.dont_write_bytecode = True  # a cache beside the sources would be a file that the manifest does not name
HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME / "src"))

from piretry.exports.standalone import main  # noqa: E402

sys.exit(main(HOME))
'''


def export_archive(source: Source, target: Path, with_models: bool = True) -> Path:
    """Write the archive of `source` to the new file `target`, a zip."""
    if target.suffix != ".zip":
        raise PiretryError(f"{target} is no zip file: an archive needs a target that ends with .zip.")
    free_target(target, source, "the archive")
    left_out = withheld(source, with_models)
    found: dict[str, Path | bytes] = {**workflow_files(source.home), **source.files(without=left_out)}
    found |= {
        SCRIPT: AUDIT_SCRIPT.encode(),
        DESCRIPTION: _json(asdict(_description(source, left_out))),
        "audit.json": source.report.to_json().encode() + b"\n",
        "ARCHIVE.md": _readme(source, left_out).encode(),
    }
    found[MANIFEST] = "".join(f"{_digest(found[path])}  {path}\n" for path in sorted(found)).encode()
    with whole(target) as draft:
        write_zip(draft, f"piretry-{source.scale}", found)
    return target


def _description(source: Source, left_out: dict[str, Record]) -> Description:
    return Description(
        format=FORMAT,
        scale=source.scale,
        results=source.prefix,
        run=source.run,
        left_out={path: record.artifact.sha256 for path, record in sorted(left_out.items())},
        findings=len(source.report.findings),
    )


def _readme(source: Source, left_out: dict[str, Record]) -> str:
    citation = read_citation(source.home)
    words = [
        f"# {citation.title}: results at scale {source.scale}",
        f"Made by piretry {__version__}, run {source.run}, finished {source.finished}. License: {citation.license}.",
        f"{verdict_counts(source)}. {scale_sentence(source)}",
        "## What is here",
        f"`{source.prefix}/` has the results; `{source.prefix}/report/index.html` shows them. Beside each file lies "
        "its provenance record (`.prov.json`). Snakefile, rules, scales, report and src are the workflow, in the "
        f"layout that runs it. `{MANIFEST}` names every file with its SHA-256, as sha256sum writes it.",
        left_out_sentence(left_out),
        "## The audit",
        f"`python {SCRIPT}` reads every byte again: the files against the manifest, the results against their records, "
        "the code that made them against the sources here, and every claim down to data and models. It needs Python "
        "3.11 or newer and no package. Neither the manifest nor the records are signed: who keeps the SHA-256 of the "
        "zip file itself in another place can tell that the whole was not exchanged.",
        audit_sentences(source),
        drift_sentence(source),
    ]
    return "\n\n".join(filter(None, words)) + "\n"


def _digest(content: Path | bytes) -> str:
    return sha256_file(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=True) + "\n").encode()
