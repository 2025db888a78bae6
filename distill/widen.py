"""How does a student go on learning with more hidden units, and lose nothing that it knows?

In: the weights of a narrower BiLSTM. Out: those of a wider one that gives the same vectors
(Net2WiderNet: Chen, Goodfellow & Shlens 2016). A new unit is a copy of an old one, and what read
the old one reads both, each by a random share. The shares make copies learn apart, without noise.
"""

from collections.abc import Mapping

import torch

from distill.errors import TrainingError
from distill.student import BiLstmStudent, Student

_STACKS = ("forward_lstm", "backward_lstm")
_FIRST_STATE = "forward_lstm.weight_hh_l0"


def take_over(student: Student, weights: Mapping[str, torch.Tensor]) -> None:
    """Give ``student`` these weights, widened where they are of a BiLSTM with fewer hidden units.

    Raises TrainingError if the two differ in anything else, or the student is the narrower one.
    """
    if isinstance(student, BiLstmStudent) and _FIRST_STATE in weights:
        hidden, narrow = student.forward_lstm.hidden_size, weights[_FIRST_STATE].shape[1]
        if hidden < narrow:
            raise TrainingError(
                f"has {narrow} hidden units a direction and cannot be narrowed to {hidden}. "
                f"Set student.hidden to {narrow} or more, or leave out --init"
            )
        if hidden > narrow:
            weights = _widen(weights, narrow, hidden)
    try:
        student.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainingError(
            "its student has another shape or vocabulary; only a bilstm's hidden may be larger. "
            "Give this run the same student and tokenizer, or leave out --init"
        ) from error


def _widen(
    weights: Mapping[str, torch.Tensor], narrow: int, hidden: int
) -> dict[str, torch.Tensor]:
    wide = dict(weights)
    origin = torch.arange(hidden) % narrow  # of which old unit each unit is a copy
    for name, values in weights.items():
        stack, _, part = name.partition(".")
        if stack not in _STACKS:
            continue
        wide[name] = torch.cat([gate[origin] for gate in values.chunk(4)])  # i, f, g, o
        if part.startswith("weight_hh") or (part.startswith("weight_ih") and part[-1] != "0"):
            wide[name] = _shared(wide[name], origin)
    embedded, *states = weights["project.weight"].split(
        [weights["project.weight"].shape[1] - 2 * narrow, narrow, narrow], dim=1
    )
    shared = [_shared(columns, origin) for columns in states]
    wide["project.weight"] = torch.cat([embedded, *shared], dim=1)
    return wide


def _shared(weights: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Return (n, wide) from (n, narrow): a weight's copies add up to it, each by a random share."""
    shares = 1 - torch.rand(len(weights), len(origin))  # never 0, which nothing could divide
    totals = torch.zeros_like(weights).index_add_(1, origin, shares)
    return (weights / totals)[:, origin] * shares
