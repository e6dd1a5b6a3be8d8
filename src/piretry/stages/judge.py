"""judge: the verdict on one claim, or on a negative control, from the completion tables alone.

The whole family of the claim is measured, because Holm's correction needs all of it. Run alone:
``piretry judge headline``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from piretry.claims.judging import Judge, claim_result, control_result
from piretry.claims.measure import Tables
from piretry.claims.model import Claim, Control
from piretry.claims.quantify import Options

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the claim's result file."""
    settings = job.settings
    statistics = settings["statistics"]
    options = Options(statistics["level"], statistics["bootstrap"], statistics["seed"], settings["primary"])
    tables = Tables(settings["files"], lambda path: job.root / path)
    judge = Judge(tables, options, settings["reading"], settings["declared_train_problems"])
    common = {key: settings[key] for key in ("scale", "reading", "primary", "target", "tables")}
    if "control" in settings:
        result = control_result(judge, Control.model_validate(settings["control"]), common)
    else:
        family = [Claim.model_validate(member) for member in settings["family"]]
        result = claim_result(judge, Claim.model_validate(settings["claim"]), family, common)
    job.output("claim").write_text(
        json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
