"""What does the student get wrong? Losses over batches of unit vectors.

In: vectors (b, d) and what they should be like. Out: one number to make smaller.
"""

import torch
from torch.nn import functional as F

from distill.config import LossConfig


def vector_loss(student: torch.Tensor, teacher: torch.Tensor, weights: LossConfig) -> torch.Tensor:
    """Return how far the student's vectors (b, d) are from the teacher's (b, d), all unit length.

    Cosine distance and squared distance of each vector; InfoNCE among the batch's teacher vectors
    (van den Oord et al. 2018); squared distance of the similarity matrices (relational
    distillation, Park et al. 2019; Passalis & Tefas 2018). Each counts by its weight.
    """
    teacher = F.normalize(teacher, dim=-1)
    cross = student @ teacher.T  # (b, b), the diagonal is each text with its own teacher vector
    loss = weights.cosine * (1 - cross.diagonal()).mean()
    if weights.squared:
        loss = loss + weights.squared * F.mse_loss(student, teacher) * student.shape[-1]
    if weights.contrast:
        target = torch.arange(len(student), device=student.device)
        loss = loss + weights.contrast * F.cross_entropy(cross / weights.temperature, target)
    if weights.similarity:
        loss = loss + weights.similarity * F.mse_loss(student @ student.T, teacher @ teacher.T)
    return loss


def pair_loss(
    first: torch.Tensor, second: torch.Tensor, labels: torch.Tensor, weights: LossConfig
) -> torch.Tensor:
    """Return the loss of labelled pairs: first, second (b, d) unit length, labels (b,) in 0 … 1.

    CoSENT (Su 2022): every pair should be nearer than every pair of a lower label. InfoNCE: the
    partner of a positive pair should be nearer than all other sentences of the batch, the second
    halves of the negative pairs (hard negatives) among them.
    """
    cosines = (first * second).sum(-1) * weights.pair_scale
    wrong_way = cosines[None, :] - cosines[:, None]  # (i, j): how much nearer j is than i
    ordered = labels[:, None] > labels[None, :]
    wrong_way = wrong_way[ordered]
    order = torch.logsumexp(torch.cat([wrong_way.new_zeros(1), wrong_way]), dim=0)
    loss = weights.pair_order * order
    positive = torch.nonzero(labels >= 0.8).squeeze(-1)
    if len(positive) > 1:
        cross = first[positive] @ second.T / weights.temperature
        loss = loss + weights.pair_contrast * F.cross_entropy(cross, positive)
    return loss
