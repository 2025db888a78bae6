import numpy as np
import pytest

from distill.corpus import LabelledPair
from distill.evaluate import evaluate_pairs, spearman


@pytest.mark.parametrize(
    ("a", "b", "rho"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        # Ties share their mean rank: 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
        ([1, 2, 2, 3], [1, 2, 3, 4], 0.9486833),
        ([0.1, 0.9, 0.5, 0.7, 0.3], [0, 1, 1, 0, 0], 0.5773503),
    ],
)
def test_spearman_is_pearson_of_mean_ranks(a, b, rho):
    assert spearman(np.array(a), np.array(b)) == pytest.approx(rho, abs=1e-6)


def test_like_pairs_score_above_unlike_ones(encoder):
    pairs = [
        LabelledPair("怎么退货", "怎么退货呢", 1.0),
        LabelledPair("发票怎么开", "怎么开发票", 1.0),
        LabelledPair("怎么退货", "密码忘记了", 0.0),
        LabelledPair("发票怎么开", "几点下班", 0.0),
    ]
    assert evaluate_pairs(encoder, pairs) > 80
