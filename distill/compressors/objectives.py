"""What does a student have to bring near its teacher? One loss for each paper's idea.

In: scores (b, k), states (b, t, d), attentions (b, heads, t, t) of both. Out: one number to make
smaller, 0 where the student is like the teacher.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from distill.errors import TrainingError


def score_distance(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean squared distance of scores before softmax (Ba & Caruana 2014; Tang 2019)."""
    return F.mse_loss(student, teacher)


def softened(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return KL divergence of softened labels, × T² to keep its gradients' size (Hinton 2015)."""
    wanted = F.log_softmax(teacher / temperature, dim=-1)
    found = F.log_softmax(student / temperature, dim=-1)
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True) * temperature**2


def patient(
    student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor], layers: Sequence[int]
) -> torch.Tensor:
    """Return the squared distance of [CLS] states scaled to length 1 (Sun et al. 2019, PKD-Skip).

    The states of both begin with those below the first layer; ``layers`` are of the teacher, from
    0, one for each layer of the student. The last layers are left to the scores.
    """
    _require_layers(student, layers)
    pairs = list(zip(student[1:], layers, strict=True))[:-1]
    distances = [
        (F.normalize(own[:, 0], dim=-1) - F.normalize(teacher[layer + 1][:, 0], dim=-1))
        .square()
        .sum(-1)
        .mean()
        for own, layer in pairs
    ]
    return torch.stack(distances).mean() if distances else student[0].new_zeros(())


def direction(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return 1 − cosine of the states of each token, padding left out (Sanh et al. 2019)."""
    cosine = F.cosine_similarity(student, teacher, dim=-1)
    return 1 - (cosine * mask).sum() / mask.sum()


def transformer_distance(
    states: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]],
    attentions: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]],
    mask: torch.Tensor,
    layers: Sequence[int],
) -> torch.Tensor:
    """Return TinyBERT's distance (Jiao et al. 2020): embeddings, and of each layer states and
    attention; both come as (student's, teacher's).

    Attention is compared after softmax, and summed over the tokens that are attended to; states
    are as wide in the student, so that nothing has to be projected.
    """
    own, theirs = states
    _require_layers(own, layers)
    loss = _masked(own[0], theirs[0], mask)
    for number, layer in enumerate(layers):
        loss = loss + _masked(own[number + 1], theirs[layer + 1], mask)
        apart = (attentions[0][number] - attentions[1][layer]).square().sum(-1).mean(1)  # (b, t)
        loss = loss + (apart * mask).sum() / mask.sum()
    return loss


def spread(layers: int, among: int) -> list[int]:
    """Return which of the teacher's ``among`` layers, from 0, belong to so many of a student.

    Evenly spread, and the last belongs to the last: 3 of 12 are layers 4, 8 and 12.
    """
    if not 0 < layers <= among:
        raise TrainingError(f"{among} 层里取不出 {layers} 层")
    return [among * (i + 1) // layers - 1 for i in range(layers)]


def _masked(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    apart = (student - teacher).square().mean(-1)  # (b, t)
    return (apart * mask).sum() / mask.sum()


def _require_layers(states: Sequence[torch.Tensor], layers: Sequence[int]) -> None:
    if len(states) != len(layers) + 1:
        raise TrainingError(f"{len(states) - 1} 层的学生, 却对着教师的 {len(layers)} 层")
