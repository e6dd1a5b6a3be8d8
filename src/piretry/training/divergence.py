"""Kullback-Leibler divergence between a teacher's and a student's next-token distributions, over the full vocabulary.

With 150,000 tokens in the vocabulary the scores of a batch of rollouts do not fit into memory twice, so the loss is
summed over chunks of positions whose scores are made from the hidden states when they are needed, and made again
for the backward pass.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

Direction = Literal["forward", "reverse"]


def divergence(student: Any, teacher: Any, direction: Direction, temperature: float) -> Any:
    """The divergence at each position, in nats: shape (positions,) from scores of shape (positions, vocabulary).

    `forward` is KL(teacher ‖ student), which makes the student cover whatever the teacher may say; `reverse` is
    KL(student ‖ teacher), which keeps the student from what the teacher would not say. Both distributions are
    softmax(scores / temperature), computed in float32. The teacher gets no gradient. The result is not multiplied by
    temperature² (Hinton et al. 2015 do so to keep the size of gradients when this loss is added to another one, and
    here there is no other).
    """
    return _function().apply(student, teacher, direction, temperature)


@cache
def _function() -> Any:
    import torch

    class Divergence(torch.autograd.Function):
        """The divergence with its gradient in closed form, which is exactly 0 where the two scores are the same.

        Autograd's own would leave rounding errors there, and AdamW divides a gradient by its size: a student that has
        reached its teacher would be pushed about by noise.
        """

        @staticmethod
        def forward(context: Any, student: Any, teacher: Any, direction: Direction, temperature: float) -> Any:
            log_student = torch.log_softmax(student.float() / temperature, dim=-1)
            log_teacher = torch.log_softmax(teacher.float() / temperature, dim=-1)
            if direction == "forward":
                value = (log_teacher.exp() * (log_teacher - log_student)).sum(-1)
            else:
                value = (log_student.exp() * (log_student - log_teacher)).sum(-1)
            context.save_for_backward(log_student, log_teacher, value)
            context.direction, context.temperature, context.dtype = direction, temperature, student.dtype
            return value

        @staticmethod
        def backward(context: Any, upstream: Any) -> Any:
            log_student, log_teacher, value = context.saved_tensors
            if context.direction == "forward":
                slope = log_student.exp() - log_teacher.exp()
            else:
                slope = log_student.exp() * (log_student - log_teacher - value[:, None])
            return (upstream[:, None] * slope / context.temperature).to(context.dtype), None, None, None

    return Divergence


def mean_divergence(
    student: tuple[Any, Any],
    teacher: tuple[Any, Any],
    direction: Direction,
    temperature: float,
    chunk: int,
) -> Any:
    """The mean of :func:`divergence` over positions, with the scores of at most `chunk` positions in memory at once.

    Args:
        student: hidden states of shape (positions, width), and the output layer that makes scores of them.
        teacher: the same of the teacher, for the same positions; no gradient goes there.
        direction: see :func:`divergence`.
        temperature: see :func:`divergence`.
        chunk: positions; the result does not depend on it but for rounding.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    (hidden, head), (hidden_teacher, head_teacher) = student, teacher

    def part(states: Any, states_teacher: Any) -> Any:
        with torch.no_grad():
            scores_teacher = head_teacher(states_teacher)
        return divergence(head(states), scores_teacher, direction, temperature).sum()

    total = hidden.new_zeros((), dtype=torch.float32)
    for start in range(0, len(hidden), chunk):
        piece, piece_teacher = hidden[start : start + chunk], hidden_teacher[start : start + chunk]
        total = total + checkpoint(part, piece, piece_teacher, use_reentrant=False)
    return total / len(hidden)
