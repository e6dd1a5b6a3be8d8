"""The mini models' tokenizer: byte-level BPE trained on the generator's own text, with a ChatML template.

Special tokens and template are those of Qwen. Three rules of how text is cut up keep it safe and small:

- the 256 bytes are in the vocabulary, so any text has an encoding and decodes to itself;
- digits, operators and `=` stand alone, so that a step of arithmetic has the same tokens everywhere;
- a line break stands alone, so that a rendered prompt, which ends in one, is an exact token prefix of the prompt
  with any completion after it: what TRL relies on to mask the prompt out of the loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from piretry.data.chains import generate_problems
from piretry.dialogue import opening
from piretry.prompts import RetryPrompts
from piretry.settings.mini import ChainSettings

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END)

# The line breaks of the template stand inside the quotes; `{%-` and `-%}` eat those of this layout.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
    {%- if message['role'] not in ('system', 'user', 'assistant') -%}
        {{- raise_exception('a turn has the role ' ~ message['role'] ~ '; expected system, user or assistant') -}}
    {%- endif -%}
    {{- '<|im_start|>' ~ message['role'] ~ '\\n' ~ message['content'] ~ '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}"""

# A word keeps the one space after it (`then ` is one token, and `, `), which spares a token a word; GPT-2's pattern
# gives a word the space before it, and would split a space from every digit.
_PIECES = r"\n|[0-9+*=\-]|[^\s0-9+*=\-]+ ?|\s"
_SAMPLE = 1000


def tokenizer_texts(chains: ChainSettings, prompts: RetryPrompts, chat: Mapping[str, Any]) -> list[str]:
    """Text to train the tokenizer on: problems of the pretraining split with their worked answers, and all prompts.

    It depends on no role, so that all roles of a scale share one tokenizer.
    """
    texts = ["system", "user", "assistant"] * _SAMPLE
    for number, problem in enumerate(generate_problems(chains, "pretrain", _SAMPLE, "tokenizer")):
        name = prompts.names[number % len(prompts.names)]
        texts += [turn["content"] for turn in opening(chat, problem.problem)]
        texts += [problem.solution or "", prompts.render(name, problem.gold, str(number % 10))]
    return texts


def build_tokenizer(texts: Iterable[str], vocabulary: int, pieces: str = _PIECES) -> Any:
    """A `PreTrainedTokenizerFast` of at most `vocabulary` tokens (259 and the merges that `texts` support).

    `pieces` is the pattern of how text is cut up before merges are learnt; a line break must stand alone in it.

    Deterministic: equal texts give equal files. Padding is `<|endoftext|>`, a turn ends with `<|im_end|>`.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pieces), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=END_OF_TEXT,
        eos_token=TURN_END,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
