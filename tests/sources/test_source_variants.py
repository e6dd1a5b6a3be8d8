"""A sound source gives no fault; one planted mistake gives its own finding."""

from __future__ import annotations

import pytest
from sound_source import KEY, added, changed, faults, plain

from piretry.sources.audit import audit_sources
from piretry.sources.finding import Finding
from piretry.sources.model import Published


def found(published: Published, kind: str) -> list[Finding]:
    return [finding for finding in faults(published) if finding.kind == kind]


def test_a_sound_source_has_no_fault() -> None:
    published = Published.model_validate(plain())
    assert faults(published) == []
    assert {finding.kind for finding in audit_sources(published)} >= {
        "granularity",
        "arithmetic",
        "spread",
        "ratio",
        "cause",
        "support",
        "sampling error",
    }


def test_a_score_between_two_counts() -> None:
    (finding,) = found(changed(a_1={"after": "50.5", "gain": "+10.3"}), "granularity")
    assert finding.severity == "impossible" and finding.data["impossible"] == ["50.5"]
    assert "runs.html" in finding.sentence and "500 problems of Bench" in finding.sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a_2": {"gain": "+11.8"}}, "from 40.2% to 51.0% is 10.8 points, and +11.8 is printed"),
        ({"a_mean": {"base": "40.4", "gain": "+10.6"}}, "the mean of 40.2, 40.2 and 40.2 is 40.20, and 40.4"),
        ({"count_b": {"correct_retries": "810"}}, "imply 2,200 and 3,240 failures"),
    ],
)
def test_a_sum_that_does_not_come_out(change: dict, words: str) -> None:
    sentences = [finding.sentence for finding in found(changed(**change), "arithmetic")]
    assert any(words in sentence for sentence in sentences), sentences


def test_rounds_that_do_not_add_up() -> None:
    key = {**KEY, "round": 2}
    second = {"id": "r2", "page": "runs", "at": "x", "of": key, "gain": "+4.0", "against": "round before"}
    total = {"id": "sum", "page": "runs", "at": "x", "of": key, "gain": "+15.0", "cumulative": ["a-mean", "r2"]}
    (finding,) = found(added("rows", second, total), "arithmetic")
    assert "+10.6" not in finding.sentence and "10.6 + 4.0 = 14.6, and +15.0 is printed" in finding.sentence
    assert not found(added("rows", second, {**total, "gain": "+14.6"}), "arithmetic")


def test_a_standard_deviation_that_is_called_an_interval() -> None:
    sentences = [finding.sentence for finding in found(changed(a_mean={"plus_minus": "0.2"}), "spread")]
    assert any("is called 95% CI, but equals" in s or "together are not one quantity" in s for s in sentences)
    assert not found(
        changed(a_mean={"plus_minus": "0.2", "plus_minus_is": None}, b_mean={"plus_minus": "0.5"}), "overlap"
    )


@pytest.mark.parametrize(("gap", "severity"), [("0.5", "contradiction"), ("2.7", "consistent")])
def test_overlap_said_and_real(gap: str, severity: str) -> None:
    statement = {
        "id": "meet",
        "page": "faq",
        "at": "x",
        "kind": "overlap",
        "says": "all meet",
        "rows": ["a-mean", "b-mean"],
    }
    published = changed(a_mean={"plus_minus": gap}, b_mean={"plus_minus": gap})
    published = published.model_copy(
        update={"statements": [*published.statements, added("statements", statement).statements[-1]]}
    )
    (finding,) = [f for f in audit_sources(published) if f.kind == "overlap"]
    assert finding.severity == severity
    assert finding.data["pairs"][0]["p_holm"] < 0.05 and "1 of the 1 pairs differs" in finding.sentence


def test_a_multiple_that_its_figures_do_not_give() -> None:
    (finding,) = found(changed(twice={"times": "3.0"}), "ratio")
    assert finding.severity == "contradiction" and "does not round to it" in finding.sentence


def test_one_condition_with_two_values() -> None:
    row = {"id": "other", "page": "faq", "at": "x", "of": {"role": "small", "method": "resample"}, "gain": "+9.0"}
    (finding,) = found(added("rows", row), "contradiction")
    assert finding.data["rows"] == ["other"] and "+5.4" in finding.sentence and "+9.0" in finding.sentence
    assert not found(added("rows", {**row, "gain": "+5.4"}), "contradiction")


def test_one_number_for_two_conditions() -> None:
    row = {"id": "other", "page": "faq", "at": "x", "of": {**KEY, "k": 3}, "gain": "+10.6"}
    (finding,) = found(added("rows", row), "contradiction")
    assert set(finding.data["fields"]["k"]) == {"1", "3"}


def test_a_base_that_changes_between_pages() -> None:
    pages = [*plain()["pages"], {"id": "more", "file": "more.html", "kind": "experiment", "read": "whole"}]
    row = {"id": "other", "page": "more", "at": "x", "of": {**KEY, "prompt": "gold"}, "seed": 1, "base": "42.0"}
    published = Published.model_validate({**plain(), "pages": pages, "rows": [*plain()["rows"], row]})
    (finding,) = found(published, "contradiction")
    assert finding.data["values"] == [40.2, 42.0] and "more.html" in finding.sentence


def test_a_larger_model_that_is_weaker() -> None:
    large = {"role": "large", "name": "Model-9B", "billions": 9, "benchmark": "bench"}
    row = {"id": "big", "page": "runs", "at": "x", "of": {"role": "large", "method": "retry"}, "base": "30.0"}
    value = {**plain(), "models": [*plain()["models"], large], "rows": [*plain()["rows"], row]}
    (finding,) = found(Published.model_validate(value), "contradiction")
    assert "Model-9B has 30.0% on Bench, less than Model-1B" in finding.sentence


def test_pages_that_state_one_setting_differently() -> None:
    value = plain()
    value["protocol"][3]["stated"].append({"value": "full", "page": "faq", "at": "answer"})
    (finding,) = found(Published.model_validate(value), "contradiction")
    assert finding.data["values"] == {"lora": ["runs.html"], "full": ["faq.html"]} and finding.claims == ("k-1",)


def test_a_second_difference_between_compared_conditions() -> None:
    value = plain()
    stated = value["protocol"][4]["stated"]
    stated[0]["scope"] = {"method": ["retry"]}
    stated.append({"value": 1e-6, "page": "runs", "at": "x", "scope": {"method": ["resample"]}})
    (finding,) = found(Published.model_validate(value), "cause")
    assert finding.data["differs"] == ["learning rate: 2e-5 against 1e-6"]
    stated.pop()
    (finding,) = found(Published.model_validate(value), "cause")
    assert finding.data["stated_for_one"] == ["learning rate"]


def test_a_prompt_that_hides_the_failure_it_is_credited_for() -> None:
    value = plain()
    value["protocol"][2]["stated"][0]["value"] = "The answer is {wrong}. Solve the problem."
    (finding,) = found(Published.model_validate(value), "cause")
    assert finding.data["silent"] == ["bare"]


def test_training_on_a_part_of_the_benchmark() -> None:
    value = plain()
    value["protocol"][0]["stated"][0]["value"] = "Bench, its training part"
    (finding,) = found(Published.model_validate(value), "support")
    assert finding.severity == "contradiction" and "Bench has the parts train and test" in finding.sentence


@pytest.mark.parametrize(
    ("value", "severity"), [("0.6", "consistent"), ("0.9", "contradiction"), ("0.8", "contradiction")]
)
def test_a_number_that_is_said_to_be_smaller(value: str, severity: str) -> None:
    plainly = plain()
    other = {"page": "runs", "at": "x", "of": {"role": "small"}, "what": "width"}
    plainly["others"] = [{"id": "one", **other, "value": value}, {"id": "two", **other, "value": "0.8"}]
    statement = {
        "id": "less",
        "page": "faq",
        "at": "x",
        "kind": "smaller",
        "says": "one is narrower",
        "rows": ["one", "two"],
    }
    denial = {"id": "not", "page": "runs", "at": "x", "kind": "denial", "says": "they are alike", "denies": "less"}
    plainly["statements"] = [statement, denial]
    findings = {finding.id: finding for finding in audit_sources(Published.model_validate(plainly))}
    assert findings["smaller-less"].severity == severity
    assert findings["denial-not"].sentence == "faq.html says that one is narrower; runs.html that they are alike."


def test_a_figure_that_no_page_shows() -> None:
    (finding,) = found(changed(answer={"gain": "+12.0"}), "support")
    assert "is on no other page that was read" in finding.sentence and "+10.8" in finding.sentence
    statement = {"id": "k9", "page": "faq", "at": "x", "kind": "unquantified", "says": "nine overfit", "of": {"k": 9}}
    (finding,) = found(added("statements", statement), "support")
    assert finding.sentence == "Said: nine overfit. No page that was read has a figure for it."
