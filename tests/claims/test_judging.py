"""Claims judged on completion tables with known effects: what is put in must come out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from piretry.claims.judging import Judge, claim_result, control_result
from piretry.claims.measure import Tables
from piretry.claims.model import Claim, ClaimsFile, Control
from piretry.claims.quantify import Options
from piretry.completions import CompletionRow, write_completions
from piretry.errors import PiretryError

ROOT = Path(__file__).parents[2]
SEEDS = (42, 123, 456)
ROW = CompletionRow("", 0, 0, "sampled", 1, "0" * 16, "", "stop", 3, 5, "1", "correct", "correct", "test")
COMMON = {"scale": "test", "reading": "paper", "primary": "sampled", "target": "t", "tables": []}


class Folder:
    """Completion tables of made-up states, under the keys that a judge looks them up with."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str] = {}

    def evaluation(self, series: str, accuracy: float, problems: int = 300, samples: int = 4, noise: int = 0) -> None:
        for seed in SEEDS:
            draw = np.random.default_rng([seed, noise, round(accuracy * 1000)])
            difficulty = np.random.default_rng(7).normal(0, 0.15, problems)  # the same problems for every state
            rows = []
            for number in range(problems):
                chance = min(1.0, max(0.0, accuracy + difficulty[number]))
                for decoding, count in (("greedy", 1), ("sampled", samples)):
                    for sample in range(count):
                        verdict = "correct" if draw.random() < chance else "wrong"
                        rows.append(
                            replace(ROW, problem_id=f"p{number:04d}", sample=sample, decoding=decoding, verdict=verdict)
                        )
            self._write(f"eval {series}/s{seed}", rows)

    def retries(self, series: str, fail: float, solve: float, lucky: list[float], problems: int = 400) -> None:
        for seed in SEEDS:
            draw = np.random.default_rng([seed, round(fail * 1000)])
            attempts, retries, repeats = [], [], []
            for number in range(problems):
                row = replace(ROW, problem_id=f"t{number:04d}")
                failed = draw.random() < fail
                attempts.append(replace(row, verdict="wrong" if failed else "correct"))
                for index in range(1, len(lucky) + 1) if failed else ():
                    solved = draw.random() < solve
                    retries.append(replace(row, attempt=index, verdict="correct" if solved else "wrong"))
                    if solved:
                        again = draw.random() >= lucky[index - 1]
                        repeats.append(replace(row, attempt=index, verdict="correct" if again else "wrong"))
                        break
            self._write(f"attempts {series}/s{seed}", attempts)
            self._write(f"retries {series}/s{seed} bare", retries)
            self._write(f"repeats {series}/s{seed} bare", repeats)

    def _write(self, key: str, rows: list[CompletionRow]) -> None:
        name = key.replace(" ", "_").replace("/", "-") + ".parquet"
        write_completions(self.root / name, rows)
        self.files[key] = name

    def judge(self, reading: str = "paper") -> Judge:
        options = Options(level=0.95, bootstrap=200, seed=1, primary="sampled")
        return Judge(Tables(self.files, lambda name: self.root / name), options, reading, 1200)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def claim(*tests: dict[str, object], name: str = "c") -> Claim:
    texts = dict.fromkeys(("section", "question", "says", "published", "statistic"), "x")
    return Claim.model_validate({"id": name, "family": "f", "tests": list(tests), **texts})


RETRY, OTHER = "small/retry-full/k3/bare/r1", "small/rejection-full/k3/none/r1"


def gain(series: str) -> dict[str, str]:
    return {"measure": "gain", "series": series}


def verdict(judge: Judge, one: Claim) -> str:
    return str(claim_result(judge, one, [one], COMMON)["verdict"])


def test_a_gain_is_measured_and_judged(folder: Folder) -> None:
    folder.evaluation("small/base", 0.40)
    folder.evaluation(RETRY, 0.50)
    met = claim({"test": "value", "of": gain(RETRY), "published": 10.0, "tolerance": 4.0})
    result = claim_result(folder.judge(), met, [met], COMMON)
    quantity = result["quantities"][0]
    assert quantity["value"] == pytest.approx(10, abs=3)
    assert quantity["low"] < quantity["value"] < quantity["high"]
    assert quantity["value"] == pytest.approx(quantity["after"] - quantity["before"])
    assert quantity["value"] == pytest.approx(np.mean(quantity["per_seed"]))
    parts = quantity["decomposition"]["parts"]
    assert sum(part["net"]["value"] for part in parts.values()) == pytest.approx(quantity["value"])
    assert [row["seed"] for row in quantity["mcnemar"]] == list(SEEDS)
    assert result["verdict"] == "reproduced"
    assert result["measured"]["value"] == quantity["value"]
    assert result["n"] == 300
    json.dumps(result, allow_nan=False)
    far = claim({"test": "value", "of": gain(RETRY), "published": 30.0, "tolerance": 4.0})
    assert verdict(folder.judge(), far) == "not reproduced"
    assert verdict(folder.judge("direction"), far) == "same direction"


def test_ratio_sign_and_equivalence(folder: Folder) -> None:
    folder.evaluation("small/base", 0.40)
    folder.evaluation(RETRY, 0.60)
    folder.evaluation(OTHER, 0.43)
    folder.evaluation("small/cross-full/k3/bare/r1", 0.60, noise=1)
    judge = folder.judge()
    sign = claim({"test": "sign", "greater": gain(RETRY), "smaller": gain(OTHER)})
    assert verdict(judge, sign) == "reproduced"
    turned = claim({"test": "sign", "greater": gain(OTHER), "smaller": gain(RETRY)})
    assert verdict(judge, turned) == "not reproduced"
    ratio = {"test": "ratio", "numerator": gain(RETRY), "denominator": gain(OTHER), "published": 7.0, "factor": 1.5}
    result = claim_result(judge, claim(ratio), [claim(ratio)], COMMON)
    assert result["quantities"][0]["measure"] == "ratio"
    assert result["measured"]["value"] == pytest.approx(
        result["quantities"][1]["value"] / result["quantities"][2]["value"]
    )
    same = claim({"test": "equivalence", "of": [gain(RETRY), gain("small/cross-full/k3/bare/r1")], "margin": 6.0})
    assert verdict(judge, same) == "reproduced"
    differ = claim({"test": "equivalence", "of": [gain(RETRY), gain(OTHER)], "margin": 6.0})
    assert verdict(judge, differ) == "not reproduced"


def test_yields_and_the_trend_of_lucky_guesses(folder: Folder) -> None:
    folder.retries("small/base", fail=0.5, solve=0.4, lucky=[0.1, 0.25, 0.4, 0.55, 0.7])
    folder.retries("large/base", fail=0.05, solve=0.4, lucky=[0.2] * 5)
    judge = folder.judge()
    small = {"measure": "yield", "series": "small/base", "prompt": "bare", "k": 3}
    large = {**small, "series": "large/base"}
    result = claim_result(judge, *_alone(claim({"test": "sign", "greater": small, "smaller": large})), COMMON)
    assert result["verdict"] == "reproduced"
    assert result["quantities"][0]["unit"] == "per 1,000"
    assert result["quantities"][0]["value"] == pytest.approx(500 * (1 - 0.6**3), abs=60)
    trend = claim({"test": "trend", "series": "small/base", "prompt": "bare", "k": 5})
    result = claim_result(judge, *_alone(trend), COMMON)
    assert result["verdict"] == "reproduced"
    assert [share["index"] for share in result["quantities"][0]["by_index"]] == [1, 2, 3, 4, 5]
    folder.retries("medium/base", fail=0.5, solve=0.4, lucky=[0.3] * 5)
    flat = claim({"test": "trend", "series": "medium/base", "prompt": "bare", "k": 5})
    assert verdict(judge, flat) == "inconclusive"


def _alone(one: Claim) -> tuple[Claim, list[Claim]]:
    return one, [one]


def test_controls_find_nothing_where_there_is_nothing_and_something_where_there_is(folder: Folder) -> None:
    folder.evaluation("small/base", 0.40)
    control = Control(id="null", says="x", series="small/base", kind="null", margin=8.0)
    result = control_result(folder.judge(), control, COMMON)
    assert result["verdict"] == "same"
    assert len(result["quantities"]) == 3
    broken = Folder(folder.root)
    broken.evaluation(RETRY, 0.4)
    broken.files[f"eval {RETRY}/s42"] = folder.files["eval small/base/s42"]
    broken.evaluation("medium/base", 0.7)
    broken.files[f"eval {RETRY}/s123"] = broken.files["eval medium/base/s123"]
    control = Control(id="aa", says="x", series=RETRY, kind="seeds", margin=5.0)
    assert control_result(broken.judge(), control, COMMON)["verdict"] == "different"


def test_states_with_other_problems_are_refused(folder: Folder) -> None:
    folder.evaluation("small/base", 0.4, problems=20)
    folder.evaluation(RETRY, 0.4, problems=20)
    other = Folder(folder.root)
    other.evaluation("medium/base", 0.4, problems=21)
    folder.files[f"eval {RETRY}/s123"] = other.files["eval medium/base/s123"]
    one = claim({"test": "value", "of": gain(RETRY), "published": 1.0, "tolerance": 1.0})
    with pytest.raises(PiretryError, match="different held-out problems"):
        claim_result(folder.judge(), one, [one], COMMON)


def test_the_real_claims_file_declares_every_claim_with_a_test_or_a_reason() -> None:
    claims = ClaimsFile.model_validate(yaml.safe_load((ROOT / "report/claims.yaml").read_text()))
    assert len(claims.claims) == 28
    assert not [c.id for c in claims.claims if c.not_run]
    tabled = {name for members in claims.tables.values() for name in members}
    assert tabled == {c.id for c in claims.claims} | {c.id for c in claims.controls}
    for one in claims.claims:
        assert one.not_run or one.tests_for("direction"), one.id
        assert one.not_run or one.tests_for("paper"), one.id


def _solutions(folder: Folder, series: str, kinds: int, rights: int, second: str) -> None:
    """An evaluation of 60 problems with 4 samples each, `rights` of them correct, written in `kinds` ways."""
    for seed in SEEDS:
        rows = []
        for number in range(60):
            row = replace(ROW, problem_id=f"p{number:04d}")
            rows.append(replace(row, decoding="greedy"))
            for sample in range(4):
                right = sample < rights
                rows.append(
                    replace(
                        row,
                        sample=sample,
                        completion=f"{(sample + number + seed) % kinds} + {number} = 7",
                        verdict="correct" if right else "wrong",
                        second_opinion="correct" if right or second == "errs" else "wrong",
                    )
                )
        folder._write(f"eval {series}/s{seed}", rows)


def test_diversity_compares_domains_at_equal_numbers_of_correct_samples(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    _solutions(folder, "small/base", kinds=4, rights=4, second="agrees")
    _solutions(folder, "prover/base", kinds=1, rights=3, second="errs")
    claim = _lean_claim(
        {
            "test": "sign",
            "greater": {"measure": "diversity", "series": "small/base", "size": 2},
            "smaller": {"measure": "diversity", "series": "prover/base", "size": 2},
        }
    )
    result = claim_result(folder.judge(), claim, [claim], COMMON)
    assert result["verdict"] == "reproduced"
    # Four different solutions: any two differ, share 2 of 2. All the same: 1 of 2, whatever their number.
    assert [quantity["value"] for quantity in result["quantities"]] == [pytest.approx(100.0), pytest.approx(50.0)]


@pytest.mark.parametrize(("threshold", "verdict"), [(5.0, "reproduced"), (60.0, "not reproduced")])
def test_disagreement_is_judged_against_its_declared_threshold(tmp_path: Path, threshold: float, verdict: str) -> None:
    folder = Folder(tmp_path)
    _solutions(folder, "prover/base", kinds=2, rights=3, second="errs")
    of = {"measure": "disagreement", "series": "prover/base"}
    claim = _lean_claim({"test": "above", "of": of, "threshold": threshold})
    result = claim_result(folder.judge(), claim, [claim], COMMON)
    assert result["measured"]["value"] == pytest.approx(25.0), "one of four samples is accepted by the heuristic alone"
    assert result["verdict"] == verdict


def test_diversity_without_enough_correct_samples_is_a_sentence(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    _solutions(folder, "prover/base", kinds=1, rights=1, second="agrees")
    of = {"measure": "diversity", "series": "prover/base", "size": 2}
    claim = _lean_claim({"test": "above", "of": of, "threshold": 1.0})
    with pytest.raises(PiretryError, match=r"only 0 held-out problems have 2 correct.*Raise evaluation\.samples"):
        claim_result(folder.judge(), claim, [claim], COMMON)


def _lean_claim(test: dict[str, object]) -> Claim:
    head = dict.fromkeys(("section", "question", "says", "published", "statistic"), "a test")
    return Claim.model_validate({"id": "lean-test", "family": "lean", **head, "tests": [test]})
