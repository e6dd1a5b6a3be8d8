"""Shared fixtures, and the count of what was skipped, said loudly at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from piretry.prompts import RetryPrompts
from piretry.settings.mini import ChainSettings, ModelShape

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def mini() -> dict[str, Any]:
    """scales/mini.yaml as plain values."""
    value: dict[str, Any] = yaml.safe_load((ROOT / "scales/mini.yaml").read_text())
    return value


@pytest.fixture(scope="session")
def tokenizer(mini: dict[str, Any]) -> Any:
    """The mini scale's tokenizer."""
    from piretry.training.tokenizer import build_tokenizer, tokenizer_texts

    chains = ChainSettings.model_validate(mini["data"]["chains"])
    return build_tokenizer(tokenizer_texts(chains, RetryPrompts(mini["retry"]["prompts"]), mini["chat"]), 384)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory, mini: dict[str, Any], tokenizer: Any) -> Path:
    """The folder of an untrained model of the small role's shape: enough for sampling and fine-tuning mechanics."""
    from piretry.training.pretrain import new_model

    folder = tmp_path_factory.mktemp("model")
    shape = ModelShape.model_validate(mini["roles"]["small"]["shape"])
    new_model(shape, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was not tested, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        reasons = sorted({str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped})
        terminalreporter.section(f"NOT TESTED: {len(skipped)} skipped", sep="!", yellow=True, bold=True)
        for reason in reasons:
            terminalreporter.line(f"  {reason}")
