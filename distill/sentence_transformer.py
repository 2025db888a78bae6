"""How do sentence-transformers' own tools use the encoder? As the only module of a model.

In: a bundle. Out: ``SentenceTransformer(modules=[BundleModule("data/encoder")])``, whose vectors
are those of ``Encoder``, byte for byte; saved, it is the bundle with a few files of theirs beside.
It serves and is measured; it does not train: that is finetune.py's.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from distill.bundle import IDF, MANIFEST, MODEL, TOKENIZER
from distill.encoder import Encoder

try:
    from sentence_transformers.base.modules import InputModule
except ImportError:  # before version 6
    from sentence_transformers.models import InputModule


class BundleModule(InputModule):
    """Texts → ``sentence_embedding``, through onnxruntime, one text a call."""

    def __init__(self, bundle: str | Path = "data/encoder") -> None:
        """Open a bundle; raises BundleError."""
        super().__init__()
        self.encoder = Encoder.load(Path(bundle))

    def preprocess(
        self, inputs: Sequence[str], prompt: str | None = None, **_: object
    ) -> dict[str, Any]:
        """Return the texts: they are cut and weighed where they are encoded."""
        return {"texts": [(prompt or "") + text for text in inputs]}

    def tokenize(self, texts: Sequence[str], **_: object) -> dict[str, Any]:
        """Do the same under its name before version 6."""
        return self.preprocess(texts)

    def forward(self, features: dict[str, Any], **_: object) -> dict[str, Any]:
        """Add float32 (b, d), unit length."""
        vectors = torch.from_numpy(self.encoder.encode(features["texts"]))
        return {**features, "sentence_embedding": vectors}

    def get_embedding_dimension(self) -> int:
        """Return d."""
        return self.encoder.dimension

    @property
    def max_seq_length(self) -> int:
        """Return how many tokens of a text are read."""
        return self.encoder.bundle.manifest.max_tokens

    def save(self, output_path: str, *_: object, **__: object) -> None:
        """Copy the bundle's files."""
        for name in (MODEL, TOKENIZER, IDF, MANIFEST):
            shutil.copyfile(self.encoder.bundle.path / name, Path(output_path) / name)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **_: object) -> "BundleModule":
        """Open what ``save`` wrote."""
        return cls(Path(model_name_or_path) / subfolder)
