"""cross: another role's model writes the retries after the student's failed attempts; the correct ones are kept.

What is kept of a retry file is the same as for method retry; who wrote the file is what differs.
"""

from __future__ import annotations

from piretry.methods.retry import select

__all__ = ["select"]
