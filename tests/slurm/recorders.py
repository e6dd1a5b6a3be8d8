"""Programs that stand in for Slurm's commands and Apptainer: they write down how they are called.

`sbatch` runs what it is given at once, as the one job that it is, and `srun` what follows its options: so one call of
Snakemake on the submit host leads through both of its layers in the job down to the call of `apptainer`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEAD = f"""#!{sys.executable}
import json, os, subprocess, sys
words = sys.argv[1:]
def note(**more):
    with open(os.environ["RECORD"], "a") as sink:
        sink.write(json.dumps({{"tool": os.path.basename(sys.argv[0]), "words": words, **more}}) + "\\n")
"""
_SBATCH = """
note()
inside = {**os.environ, "SLURM_JOB_ID": "1"}
if any(word.startswith("--gpus") for word in words):
    inside["CUDA_VISIBLE_DEVICES"] = "0"
(script,) = (word.removeprefix("--wrap=") for word in words if word.startswith("--wrap="))
subprocess.run(["sh", "-c", script], env=inside, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(1)
"""
_SRUN = """
note()
start = next(number for number, word in enumerate(words) if not word.startswith("-"))
os.execvp(words[start], words[start:])
"""
_APPTAINER = """
if words == ["--version"]:
    print("apptainer version 1.4.0")
else:
    note(variables={name: value for name, value in os.environ.items() if name.startswith("APPTAINER")})
"""
# The outputs of these jobs are never made, so that they count as failed.
_SQUEUE = "\nprint('1|FAILED')\n"
_SCONTROL = "\nprint('MinJobAge = 300 sec')\n"
_SILENT = "\n"


@dataclass(frozen=True)
class Call:
    """How a program was called; `variables` are those of Apptainer."""

    tool: str
    words: list[str]
    variables: dict[str, str]


def install_recorders(folder: Path) -> None:
    """Write the programs into `folder`, which must then stand first on PATH; $RECORD is where they write."""
    folder.mkdir()
    silent = dict.fromkeys(("sinfo", "sacctmgr", "sshare", "sacct", "scancel"), _SILENT)
    known = {"sbatch": _SBATCH, "srun": _SRUN, "apptainer": _APPTAINER, "squeue": _SQUEUE, "scontrol": _SCONTROL}
    for name, body in {**known, **silent}.items():
        program = folder / name
        program.write_text(_HEAD + body)
        program.chmod(0o755)


def calls(record: Path) -> list[Call]:
    """What was written down, in order."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in record.read_text().splitlines()]
    return [Call(row["tool"], row["words"], row.get("variables", {})) for row in rows]
