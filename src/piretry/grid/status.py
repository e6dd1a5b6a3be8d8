"""`piretry status`: which files of the whole grid are made, by stage, and which claims can be read already."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from piretry.grid.plan import make_plan
from piretry.grid.project import Project
from piretry.grid.tasks import all_tasks


def status_text(project: Project, root: Path) -> str:
    """One line a stage (made of declared), the claims that are judged, and folders of interrupted jobs."""
    made: Counter[str] = Counter()
    total: Counter[str] = Counter()
    judged: list[str] = []
    waiting: list[str] = []
    for task in all_tasks(project):
        whole = all((root / path).exists() for path in task.outputs.values())
        total[task.stage] += 1
        made[task.stage] += whole
        if task.stage == "judge":
            (judged if whole else waiting).append(task.target)
    lines = [f"{root}: {sum(made.values())} of {sum(total.values())} jobs done"]
    lines += [f"  {stage:<10}{made[stage]:>5} of {total[stage]}" for stage in make_plan(project).jobs]
    lines.append(f"Claims judged: {', '.join(sorted(judged)) or 'none'}")
    if waiting:
        lines.append(f"Claims waiting for cells: {', '.join(sorted(waiting))}")
    for folder in sorted(root.glob("**/.partial/*")):
        lines.append(f"Interrupted, resumes when run again: {folder.relative_to(root)}")
    return "\n".join(lines)
