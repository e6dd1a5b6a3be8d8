"""The simulated verdicts of benchmarks/designs.py, for the tests that check coverage."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
