"""The tokenizer of the mini models, and its chat template."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piretry.data.chains import generate_problems
from piretry.prompts import RetryPrompts
from piretry.settings.mini import ChainSettings
from piretry.training.tokenizer import SPECIAL_TOKENS, build_tokenizer, tokenizer_texts

CHAINS = ChainSettings(operations={2: 1.0, 3: 1.0, 4: 1.0}, train_share=0.1, eval_share=0.1, seed=42)
CHAT = {"system": None, "instruction": "", "template_options": {}}
PROMPTS = RetryPrompts(
    {
        "bare": "Your previous answer was incorrect. Try again carefully.",
        "gold": "The correct answer is {gold}. Please solve the problem showing how to arrive at this answer.",
        "gibberish": "The correct answer is XYZZY. Please solve the problem.",
        "wrong": "The correct answer is {wrong}. Please solve the problem.",
    }
)
# Text that spells a special token is encoded as that token, as Qwen's own tokenizer does: see the test of it below.
TEXT = st.text(st.characters(exclude_categories=("Cs",))).filter(lambda text: "<|" not in text)


def make_tokenizer() -> Any:
    return build_tokenizer(tokenizer_texts(CHAINS, PROMPTS, CHAT), 512)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer()


def test_special_tokens_and_size(tokenizer: Any) -> None:
    assert 259 < len(tokenizer) <= 512
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2]
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token) == ("<|endoftext|>", "<|im_end|>", None)


def test_a_small_vocabulary_has_bytes_and_special_tokens_only() -> None:
    tokenizer = build_tokenizer(tokenizer_texts(CHAINS, PROMPTS, CHAT), 259)
    assert len(tokenizer) == 259
    assert tokenizer.decode(tokenizer("Start with é")["input_ids"]) == "Start with é"


def test_digits_and_operators_are_single_tokens_everywhere(tokenizer: Any) -> None:
    for problem in generate_problems(CHAINS, "eval", 100, "chains"):
        pieces = tokenizer.tokenize(f"{problem.problem}\n{problem.solution}")
        for piece in pieces:
            assert len(piece) == 1 or not set(piece) & set("0123456789+*=-\n")


def test_the_words_of_problems_and_prompts_are_few_tokens(tokenizer: Any) -> None:
    """Merges do their work: a problem of two operations is 16 tokens, and its worked answer 15."""
    assert len(tokenizer("Start with 3, then +0, -8. Work modulo 10.")["input_ids"]) == 16
    assert len(tokenizer("3+0=3, 3-8=5. \\boxed{5}")["input_ids"]) == 15
    for name in PROMPTS.names:
        text = PROMPTS.render(name, "1", "2")
        assert len(tokenizer(text)["input_ids"]) <= len(text.split()) + 2


@given(TEXT)
@settings(deadline=None)
def test_any_text_survives(text: str) -> None:
    shared = SHARED.setdefault("tokenizer", make_tokenizer())
    assert shared.decode(shared(text)["input_ids"], clean_up_tokenization_spaces=False) == text


@given(problem=TEXT, failure=TEXT, prompt=TEXT, completion=TEXT, system=st.none() | TEXT)
@settings(max_examples=60, deadline=None)
def test_a_prompt_is_an_exact_token_prefix_of_prompt_and_completion(
    problem: str, failure: str, prompt: str, completion: str, system: str | None
) -> None:
    shared = SHARED.setdefault("tokenizer", make_tokenizer())
    turns = [{"role": "system", "content": system}] if system is not None else []
    turns += [
        {"role": "user", "content": problem},
        {"role": "assistant", "content": failure},
        {"role": "user", "content": prompt},
    ]
    answer = {"role": "assistant", "content": completion}
    before = shared.apply_chat_template(turns, add_generation_prompt=True, tokenize=True)["input_ids"]
    whole = shared.apply_chat_template([*turns, answer], tokenize=True)["input_ids"]
    assert whole[: len(before)] == before
    assert whole[-2:] == shared("<|im_end|>\n")["input_ids"]


SHARED: dict[str, Any] = {}  # hypothesis calls a test many times, and a fixture would be flagged


def test_the_template_renders_chatml(tokenizer: Any) -> None:
    turns = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "P"},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "again"},
    ]
    assert tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nP<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
        "<|im_start|>user\nagain<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.apply_chat_template(turns[1:2], tokenize=False) == "<|im_start|>user\nP<|im_end|>\n"


def test_the_template_refuses_an_unknown_role(tokenizer: Any) -> None:
    with pytest.raises(Exception, match="role tool; expected system, user or assistant"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_special_tokens_spelled_in_text_are_those_tokens(tokenizer: Any) -> None:
    assert tokenizer("<|im_end|>")["input_ids"] == [tokenizer.eos_token_id]


def test_another_process_builds_the_same_files(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path / "here")
    code = (
        "import sys; from pathlib import Path;"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r});"
        "from test_tokenizer import make_tokenizer;"
        "make_tokenizer().save_pretrained(sys.argv[1])"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")], check=True, env={"PYTHONHASHSEED": "7"}, timeout=120
    )
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert files == ["chat_template.jinja", "tokenizer.json", "tokenizer_config.json"]
    for name in files:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_a_saved_tokenizer_loads_by_the_auto_class(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    turns = [{"role": "user", "content": "Start with 3, then +0, -8. Work modulo 10.\n é😀"}]
    options = {"add_generation_prompt": True, "tokenize": True}
    assert loaded.apply_chat_template(turns, **options) == tokenizer.apply_chat_template(turns, **options)
    assert (loaded.eos_token_id, loaded.pad_token_id) == (2, 0)
