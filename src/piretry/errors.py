"""The one exception that a user's mistake raises: its message is a sentence that says how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PiretryError(Exception):
    """A mistake that the user can mend.

    The message names the file and key, the value, what was expected and what to do. The command line
    prints it without a traceback and exits with status 2.
    """


def nearest(value: str, choices: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest of `choices`, or the list of them when none is close.

    The result starts with a space, so that it can be appended to a finished sentence.
    """
    known = sorted(str(choice) for choice in choices)
    close = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Valid choices: {', '.join(known)}." if known else " Nothing can be chosen here."
