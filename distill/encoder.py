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
from distill.text import normalise, segment
from distill.tokens import tokenise
from distill.weights import WeightedText, Weighting

_PART = 16  # texts a thread takes at a time; handing out single ones costs more than it balances
_ANOTHER = "怎么办: 换一个完整的编码器目录"


@dataclass(frozen=True)
class Encoder:
    """A loaded bundle. Immutable and safe to share between threads."""

    bundle: Bundle
    weighting: Weighting
    _tokenizer: Tokenizer
    _session: onnxruntime.InferenceSession

    @classmethod
    def load(cls, path: Path) -> "Encoder":
        """Open a bundle directory; raises BundleError, or DistillError without jieba's words."""
        bundle = Bundle.open(path)
        # The dictionary first: the session then takes the memory that reading it has freed.
        segment("预热")
        try:
            tokenizer = Tokenizer.from_file(str(path / TOKENIZER))
        except Exception as error:  # tokenizers raises nothing narrower
            raise BundleError(f"{path / TOKENIZER}: 不是词表 ({error})。{_ANOTHER}") from error
        session = open_session(path / MODEL)
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

        Texts go through the model one by one, many of them on ``workers`` threads (default: one a
        core). In a batch, int8 would make a vector depend on its neighbours; batches in float32,
        sorted by length, take as long as their texts alone in int8.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)

        def encode_part(start: int) -> None:
            for row in range(start, min(start + _PART, len(texts))):
                vectors[row] = self._encode_one(texts[row])
                progress(1)

        # For a few texts, even counting the cores would take as long as a token.
        if len(texts) <= _PART or workers == 1:
            for start in range(0, len(texts), _PART):
                encode_part(start)
        else:
            with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
                for _ in pool.map(encode_part, range(0, len(texts), _PART)):
                    pass
        return vectors

    def token_count(self, text: str) -> int:
        """Return how many tokens of a text are read: all, up to the bundle's limit."""
        found = self._tokenizer.encode(normalise(text), add_special_tokens=False)
        return min(len(found.ids), self.bundle.manifest.max_tokens)

    def _encode_one(self, text: str | WeightedText) -> np.ndarray:
        weighted = self.weigh(text) if isinstance(text, str) else text
        batch = tokenise(self._tokenizer, [weighted], self.bundle.manifest.max_tokens)
        return self._session.run(["vector"], vars(batch))[0][0]


def open_session(model: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Load a graph to run on the CPU; raises BundleError.

    One thread by default: a sentence is too little work to share, threads would only wait for one
    another, for milliseconds where the cores are busy.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises nothing narrower
        raise BundleError(f"{model}: onnxruntime 不能加载 ({error})。{_ANOTHER}") from error
