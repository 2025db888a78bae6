"""How does the encoder stand in a scikit-learn Pipeline? As a transformer from texts to vectors.

In: a list, array or column of texts. Out: float32 (n, d), unit length. Nothing is learnt: ``fit``
opens the bundle. A pickle holds the bundle's path and fingerprint, never the model.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from distill.encoder import Encoder
from distill.errors import BundleError, TextError

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils import Tags
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise ImportError(
        "distill.sentence_encoder needs scikit-learn: pip install -e '.[tasks]'"
    ) from error

from distill.text import normalise


class SentenceEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Turns texts into sentence vectors; ``encoder`` is the bundle's directory."""

    def __init__(self, encoder: str | Path = "data/encoder", *, workers: int | None = None) -> None:
        """Keep the settings; ``workers`` as in ``Encoder.encode``, 1 inside a parallel search."""
        self.encoder = encoder
        self.workers = workers

    def fit(self, X: Iterable[str], y: object = None) -> "SentenceEncoder":  # noqa: N803
        """Open the bundle; raises BundleError. X is looked at, but nothing is learnt from it."""
        _texts(X)
        self._model = Encoder.load(Path(self.encoder))
        self.fingerprint_ = self._model.fingerprint
        self._n_features_out = self._model.dimension
        return self

    def transform(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """Return float32 (n, d); raises TextError for a row that holds no text."""
        check_is_fitted(self)
        texts = _texts(X)
        if not hasattr(self, "_model"):  # after unpickling
            model = Encoder.load(Path(self.encoder))
            if model.fingerprint != self.fingerprint_:
                raise BundleError(
                    f"{self.encoder}: 是编码器 {model.fingerprint}, 当初用的是 "
                    f"{self.fingerprint_}, 向量不能混用。怎么办: 放回那个编码器, 或重新 fit"
                )
            self._model = model
        return self._model.encode(texts, workers=self.workers)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_model", None)
        return state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags


def _texts(given: Iterable[str]) -> list[str]:
    if isinstance(given, str):
        raise TextError("给的是一个字符串。怎么办: 给一列文本, 如 [文本]")
    array = given if isinstance(given, list | tuple) else np.asarray(given, dtype=object)
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]  # a table of one column
    if isinstance(array, np.ndarray) and array.ndim != 1:
        raise TextError(f"给的是 {array.ndim} 维的 {array.shape}。怎么办: 给一列文本")
    texts = list(array)
    for row, text in enumerate(texts):
        if not isinstance(text, str) or not normalise(text):
            raise TextError(f"第 {row} 行 (从 0 数起) 不是文本或是空的: {text!r}。怎么办: 先删去")
    if not texts:
        raise TextError("一条文本也没有。怎么办: 至少给一条")
    return texts
