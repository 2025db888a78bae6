"""How does a text become a vector when serving? onnxruntime, one text a call, no torch.

In: text. Out: float32 unit vectors, the same bytes for the same text whatever else is encoded.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from distill.bundle import IDF, MODEL, TOKENIZER, Bundle
from distill.errors import BundleError
from distill.idf import WordIdf
from distill.tokens import tokenise
from distill.weights import WeightedText, Weighting


@dataclass(frozen=True)
class Encoder:
    """A loaded bundle. Immutable and safe to share between threads."""

    bundle: Bundle
    weighting: Weighting
    _tokenizer: Tokenizer
    _session: onnxruntime.InferenceSession

    @classmethod
    def load(cls, path: Path) -> "Encoder":
        """Open a bundle directory; raises BundleError."""
        bundle = Bundle.open(path)
        try:
            tokenizer = Tokenizer.from_file(str(path / TOKENIZER))
        except Exception as error:  # tokenizers raises nothing narrower
            raise BundleError(f"{path / TOKENIZER}: not a tokenizer ({error})") from error
        options = onnxruntime.SessionOptions()
        # A sentence is too little work to share: more threads only wait for one another.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(
                str(path / MODEL), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises nothing narrower
            raise BundleError(f"{path / MODEL}: onnxruntime refuses it ({error})") from error
        weighting = Weighting(WordIdf.load(path / IDF), bundle.manifest.smoothing)
        return cls(bundle, weighting, tokenizer, session)

    @property
    def fingerprint(self) -> str:
        """Equal fingerprints, and equal weights, give equal vectors."""
        return self.bundle.fingerprint

    @property
    def dimension(self) -> int:
        """Return d."""
        return self.bundle.manifest.dimension

    def with_keywords(self, factors: Mapping[str, float]) -> "Encoder":
        """Return an encoder in which these words weigh IDF × factor; the session is shared."""
        return replace(self, weighting=self.weighting.with_keywords(factors))

    def weigh(self, text: str) -> WeightedText:
        """Return the text's words and character weights, as the vector is made from them."""
        return self.weighting.weigh(text)

    def vector_key(self, text: WeightedText) -> str:
        """Return what a stored vector is valid for: this encoder, this text, these weights."""
        digest = hashlib.sha256(f"{self.fingerprint}\0{text.text}\0".encode())
        digest.update(text.weights.tobytes())
        return digest.hexdigest()

    def encode(
        self,
        texts: Sequence[str | WeightedText],
        *,
        workers: int | None = None,
        progress: Callable[[int], None] = lambda texts: None,
    ) -> np.ndarray:
        """Return float32 (n, d), unit length. Raises TextError for a text with nothing in it.

        Texts go through the model one by one, on ``workers`` threads (default: one a core): a
        batch would cost its padding, and make a vector depend on its neighbours' rounding.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)

        def encode_row(row: int) -> None:
            vectors[row] = self._encode_one(texts[row])
            progress(1)

        workers = min(workers or os.cpu_count() or 1, len(texts) // 16)
        if workers <= 1:
            for row in range(len(texts)):
                encode_row(row)
        else:
            with ThreadPoolExecutor(workers) as pool:
                for _ in pool.map(encode_row, range(len(texts))):
                    pass
        return vectors

    def _encode_one(self, text: str | WeightedText) -> np.ndarray:
        weighted = self.weigh(text) if isinstance(text, str) else text
        batch = tokenise(self._tokenizer, [weighted], self.bundle.manifest.max_tokens)
        feed = {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "weights": batch.weights,
        }
        return self._session.run(["vector"], feed)[0][0]
