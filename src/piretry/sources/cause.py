"""Statements on causes: what else differs between the two conditions, and whether the prompts say what is credited."""

from __future__ import annotations

import re

from piretry.report.numbers import listed
from piretry.sources.figures import Figure, entry_figure, figures, key_name
from piretry.sources.finding import Finding
from piretry.sources.model import Key, Published, Row, Stated, Statement
from piretry.sources.protocol import value_text

# Words with which a prompt says that the answer before was wrong.
_FAILURE = re.compile(r"\b(incorrect|wrong|fail(ed|s|ure)?|mistake|error|not correct)\b", re.IGNORECASE)


def causes(published: Published) -> list[Finding]:
    """The findings on statements of kind `cause` and `signal`."""
    found = [_cause(published, one) for one in published.statements if one.kind == "cause"]
    return [*found, *(_signal(published, one) for one in published.statements if one.kind == "signal")]


def _cause(published: Published, statement: Statement) -> Finding:
    """What differs between two rows besides the factor that the statement names, and what only one of them states."""
    first, second = (published.row(name) for name in statement.rows)
    differs: list[str] = []
    one_sided: list[str] = []
    unstated: list[str] = []
    shown: list[Figure] = []
    for entry in published.protocol:
        # How many runs and of which seeds is asked of the rows themselves, below.
        if entry.setting in ("seeds", *statement.factor):
            continue
        if not (entry.scope.covers(first.of) and entry.scope.covers(second.of)):
            continue
        mine, theirs = _stated(published, entry.stated, first.of), _stated(published, entry.stated, second.of)
        if mine and theirs and set(mine).isdisjoint(theirs):
            differs.append(f"{_inside(entry.label)}: {listed(list(mine))} against {listed(list(theirs))}")
            shown += [*mine.values(), *theirs.values()]
        elif bool(mine) != bool(theirs):
            one_sided.append(_inside(entry.label))
        elif not mine:
            unstated.append(_inside(entry.label))
    differs += _key_differences(published, statement, first, second)
    rates = _rates(published, first, second)
    sentence = f"Said: {statement.says}. Between {key_name(published, first.of)} and {key_name(published, second.of)} "
    if differs:
        sentence += f"more differs than that: {'; '.join(differs)}."
    else:
        sentence += "nothing else is stated to differ."
    if one_sided:
        sentence += f" Stated for one of them alone: {listed(one_sided)}."
    sentence += rates
    return Finding(
        id=f"cause-{statement.id}",
        kind="cause",
        severity="unsupported" if differs or one_sided or rates else "consistent",
        sentence=sentence,
        figures=(
            entry_figure(published, statement, "statement", statement.says),
            *figures(published, first),
            *figures(published, second),
            *shown,
        ),
        claims=tuple(statement.claims),
        data={"differs": differs, "stated_for_one": one_sided, "stated_for_none": unstated},
    )


def _inside(label: str) -> str:
    """A label inside a sentence: LoRA rank stays, Batch size becomes batch size."""
    return label[:1].lower() + label[1:] if label[1:2].islower() and not label.startswith("LoRA") else label


def _stated(published: Published, stated: list[Stated], key: Key) -> dict[str, Figure]:
    """The values that are stated for a condition, each with the first place that states it."""
    found: dict[str, Figure] = {}
    for one in stated:
        if one.scope.covers(key):
            file = published.page(one.page).name
            found.setdefault(
                value_text(one.value), Figure(f"stated-{one.page}", "setting", value_text(one.value), file, one.at)
            )
    return found


def _key_differences(published: Published, statement: Statement, first: Row, second: Row) -> list[str]:
    """What the rows themselves say: one seed against a mean of seeds, or the figure of another condition."""
    found = []
    runs = [row.runs or (1 if row.seed is not None else None) for row in (first, second)]
    if runs[0] != runs[1]:
        says = ["not stated" if number is None else f"{number}" for number in runs]
        found.append(f"runs behind the figure: {says[0]} against {says[1]}")
    for row in (first, second):
        for other in published.rows:
            conflicts = set(row.of.conflicts(other.of)) & set(statement.factor)
            if other.seed is not None and other.page != row.page and other.gain == row.gain and conflicts:
                found.append(
                    f"{row.gain} is also what one run of the other kind has, seed {other.seed} of "
                    f"{key_name(published, other.of)} ({published.page(other.page).name})"
                )
                break
    return found


def _rates(published: Published, first: Row, second: Row) -> str:
    """How far the learning rates of a larger model lie below that of a smaller one, where pages state both."""
    entry = next((entry for entry in published.protocol if entry.setting == "learning_rate"), None)
    models = {model.role: model for model in published.models}
    if entry is None or first.of.role != second.of.role or first.of.role not in models:
        return ""
    own = sorted({float(one.value) for one in entry.stated for row in (first, second) if one.scope.covers(row.of)})
    smaller = [
        model for model in published.models
        if model.billions < models[first.of.role].billions and model.benchmark == models[first.of.role].benchmark
    ]  # fmt: skip
    for model in smaller:
        lora = Key(role=model.role, method="retry", tuning="lora")
        other = sorted({float(one.value) for one in entry.stated if one.scope.covers(lora)})
        if own and other and own[-1] < other[0]:
            own = own[::-1]
            ratios = [f"{other[0] / rate:.0f}" for rate in own]
            return (
                f" The learning rates tried ({listed([value_text(rate) for rate in own])}) are {listed(ratios)} times "
                f"below the {value_text(other[0])} of {model.name}: that may be the reason as well."
            )
    return ""


def _signal(published: Published, statement: Statement) -> Finding:
    """Which of the prompts say that the answer was wrong."""
    entry = next(entry for entry in published.protocol if entry.setting == "retry_prompt")
    silent: list[str] = []
    telling: list[str] = []
    shown: list[Figure] = []
    for name in statement.rows:
        key = published.row(name).of
        texts = _stated(published, entry.stated, key)
        # {wrong} is where an answer is filled in, not a word of the prompt.
        said = any(_FAILURE.search(re.sub(r"\{\w+\}", "", text)) for text in texts)
        (telling if said else silent).append(str(key.prompt))
        shown += list(texts.values())
    if silent:
        sentence = (
            f"Said: {statement.says}. The prompts {listed(silent)} do not say that the answer was wrong"
            + (f"; {listed(telling)} does" if len(telling) == 1 else f"; {listed(telling)} do" if telling else "")
            + ". Whether the failed answer stays in the context is not stated: nothing need have told the model."
        )
    else:
        sentence = f"Said: {statement.says}. All prompts say that the answer was wrong."
    return Finding(
        id=f"signal-{statement.id}",
        kind="cause",
        severity="unsupported" if silent else "consistent",
        sentence=sentence,
        figures=(entry_figure(published, statement, "statement", statement.says), *shown),
        claims=tuple(statement.claims),
        data={"silent": silent, "telling": telling},
    )
