"""Verifiers: they turn completions into verdicts. Importing this package loads neither SymPy nor math-verify."""

from piretry.verifiers.base import Grade, GradeRequest, Verdict, Verifier
from piretry.verifiers.math import MathVerifier

__all__ = ["Grade", "GradeRequest", "MathVerifier", "Verdict", "Verifier"]
