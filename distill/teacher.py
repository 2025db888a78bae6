"""What does the teacher say a sentence means? Transformer checkpoints that turn text into vectors.

In: raw text. Out: unit vectors. A teacher is a BERT-family checkpoint pooled by us, or a
sentence-transformers model with its own pooling; either by path or by hub name.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import cached_file

from distill.errors import TextError, TrainingError
from distill.text import normalise
from distill.tokens import tokenise_for_teacher
from distill.weights import Weighting

Pooling = Literal["own", "cls", "mean", "first-last", "idf"]


class TransformerTeacher:
    """A transformer checkpoint whose token vectors are pooled into one.

    ``cls``: the first token of the last layer. ``mean``: all tokens of the last layer alike.
    ``first-last``: all tokens alike, mean of the first and the last layer (Su 2021). ``idf``: the
    LTD-BERT way, last layer weighted by word-level IDF spread over characters. ``own``: a
    sentence-transformers model as its ``modules.json`` says; only this one reads the raw text, the
    others the normalised one.

    ``perturbations`` K adds K vectors of each text, pooled as if an operator had changed some
    words' weights (``Weighting.perturb``, seeds 1 … K); ``cls`` has no weights to change.
    """

    def __init__(
        self,
        name_or_path: str,
        pooling: Pooling,
        weighting: Weighting | None = None,
        *,
        perturbations: int = 0,
        prefix: str = "",
        bfloat16: bool = False,
        max_tokens: int = 128,
        batch_tokens: int = 2048,
        device: torch.device | None = None,
    ) -> None:
        """Load, and encode one text to see that it works; raises TrainingError if it does not."""
        self.pooling = _own_pooling(name_or_path) if pooling == "own" else pooling
        if weighting is None and (self.pooling == "idf" or perturbations):
            raise TrainingError("pooling idf and perturbations need word weights: give --idf FILE")
        if perturbations and self.pooling == "cls":
            raise TrainingError("pooling cls has no word weights that could be perturbed")
        self._raw_text = pooling == "own" and not perturbations
        self._weighting = weighting
        self._perturbations = perturbations
        self._prefix = prefix
        self._tokenizer, self._model = load_checkpoint(
            name_or_path, torch.bfloat16 if bfloat16 else torch.float32
        )
        # A checkpoint may carry padding of its own, whose tokens would count as text here.
        self._tokenizer.backend_tokenizer.no_padding()
        self._tokenizer.backend_tokenizer.no_truncation()
        self._device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model.to(self._device)
        self._batch_tokens = batch_tokens
        try:
            self._max_tokens = min(max_tokens, self._model.config.max_position_embeddings)
            self.dimension = self._model.config.hidden_size
            finite = np.isfinite(self.encode(["怎么退货 a1"])).all()
        except Exception as error:  # each architecture fails in its own way
            raise TrainingError(
                f"teacher {name_or_path}: does not turn a text into token vectors "
                f"({_brief(error)}). Give an encoder like BERT"
            ) from error
        if not finite:
            raise _unloadable(
                name_or_path, "its vectors are not finite, so its weights are damaged"
            )

    @property
    def sha256(self) -> str:
        """A checksum of the checkpoint's weights, but a pooler's: unused, and perhaps random."""
        return weights_sha256(self._model)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, 1 + K, d), unit length; texts of like length share a batch."""
        rows = [self._tokenise(text) for text in texts]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i][0]))
        vectors = np.empty((len(rows), 1 + self._perturbations, self.dimension), dtype=np.float32)
        start = 0
        while start < len(order):
            # The first is the longest: its length bounds the padded batch.
            size = max(1, self._batch_tokens // len(rows[order[start]][0]))
            batch = order[start : start + size]
            vectors[batch] = self._encode_batch([rows[i] for i in batch])
            start += size
        return vectors

    def _tokenise(self, text: str) -> tuple[list[int], np.ndarray]:
        """Return token ids (t,) and the pooling weights of each variant (1 + K, t)."""
        tokenizer = self._tokenizer.backend_tokenizer
        even = self.pooling != "idf"
        if self._raw_text or self._weighting is None:
            text = text if self._raw_text else normalise(text)
            ids = tokenizer.encode(self._prefix + text).ids
            if len(ids) > self._max_tokens:
                ids = [*ids[: self._max_tokens - 1], ids[-1]]
            return ids, np.ones((1, len(ids)), dtype=np.float32)
        plain = self._weighting.weigh(text)
        variants = [
            self._weighting.perturb(plain, seed, even=even)
            for seed in range(1, 1 + self._perturbations)
        ]
        try:
            weighed = [
                tokenise_for_teacher(tokenizer, variant, self._max_tokens, self._prefix)
                for variant in (plain, *variants)
            ]
        except TextError:  # its tokenizer drops the whole text, such as a lone accent
            ids = tokenizer.encode(self._prefix).ids[: self._max_tokens]
            return ids, np.ones((1 + self._perturbations, len(ids)), dtype=np.float32)
        ids = weighed[0][0]
        weights = np.stack([shares for _, shares in weighed])
        if even:
            weights[0] = 1  # special tokens and prefix too, as the checkpoint was trained
        return ids, weights

    @torch.inference_mode()
    def _encode_batch(self, rows: Sequence[tuple[list[int], np.ndarray]]) -> np.ndarray:
        longest = max(len(ids) for ids, _ in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        weights = torch.zeros(len(rows), 1 + self._perturbations, longest)
        for i, (tokens, shares) in enumerate(rows):
            ids[i, : len(tokens)] = torch.tensor(tokens)
            mask[i, : len(tokens)] = 1
            weights[i, :, : len(tokens)] = torch.from_numpy(shares)
        output = self._model(
            input_ids=ids.to(self._device),
            attention_mask=mask.to(self._device),
            output_hidden_states=self.pooling == "first-last",
        )
        hidden = output.last_hidden_state.float()
        if self.pooling == "first-last":
            hidden = (output.hidden_states[1].float() + hidden) / 2
        # (b, 1 + K, t) @ (b, t, d): the weighted sum; a mean once it is scaled to unit length.
        pooled = hidden[:, :1] if self.pooling == "cls" else weights.to(self._device) @ hidden
        return torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()


def load_teacher(
    name_or_path: str,
    pooling: Pooling | None = None,
    weighting: Weighting | None = None,
    **options: object,
) -> TransformerTeacher:
    """Load a teacher; without ``pooling``, its own if it has one, else ``idf``.

    ``options`` are those of ``TransformerTeacher``. bfloat16 takes 0.4 to 0.6 of the time on a CPU
    that has it; the vectors keep a cosine of 0.9998 or more with the float32 ones (both measured).
    """
    if pooling is None:
        pooling = "own" if _file(name_or_path, "modules.json") else "idf"
    return TransformerTeacher(name_or_path, pooling, weighting, **options)


def weights_sha256(model: PreTrainedModel) -> str:
    """Return a checksum of a checkpoint's weights, but a pooler's."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if name.startswith("pooler."):
            continue
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _own_pooling(name_or_path: str) -> Pooling:
    modules = _file(name_or_path, "modules.json")
    if modules is None:
        raise TrainingError(
            f"teacher {name_or_path}: has no modules.json, so no pooling of its own. "
            f"Give --pooling cls, mean or idf"
        )
    pooling = None
    try:
        for module in json.loads(modules.read_text(encoding="utf-8")):
            kind = module["type"].rsplit(".", 1)[-1]
            if kind == "Pooling":
                config = _file(name_or_path, f"{module['path']}/config.json")
                modes = json.loads(config.read_text(encoding="utf-8"))
                on = {k for k, v in modes.items() if k.startswith("pooling_mode_") and v is True}
                pooling = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}.get(
                    on.pop() if len(on) == 1 else ""
                )
            elif kind not in ("Transformer", "Normalize"):
                raise TrainingError(
                    f"teacher {name_or_path}: its module {kind} is not supported. "
                    f"Give --pooling cls, mean or idf"
                )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise TrainingError(
            f"teacher {name_or_path}: modules.json or the config.json of its pooling is missing or "
            f"damaged ({_brief(error)}). Fetch it again, or give --pooling cls, mean or idf"
        ) from error
    if pooling is None:
        raise TrainingError(
            f"teacher {name_or_path}: its own pooling is neither mean nor cls. "
            f"Give --pooling cls, mean or idf"
        )
    return pooling


def load_checkpoint(
    name_or_path: str, dtype: torch.dtype
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Load tokenizer and model; raises TrainingError where a part is missing or damaged.

    transformers itself makes up what is missing: random weights, a tokenizer that knows no word.
    """
    if _file(name_or_path, "config.json") is None:
        raise _unloadable(name_or_path, "it holds no config.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_path, use_fast=True)
        model, found = AutoModel.from_pretrained(
            name_or_path, dtype=dtype, output_loading_info=True
        )
    except Exception as error:  # transformers, safetensors and torch raise nothing narrower
        raise _unloadable(name_or_path, _brief(error)) from error
    if not tokenizer.is_fast:
        raise _unloadable(
            name_or_path,
            f"{type(tokenizer).__name__} is no fast tokenizer: it does not tell which characters a "
            f"token stands for",
        )
    words = tokenizer.backend_tokenizer.get_vocab_size(with_added_tokens=False)
    if words <= len(tokenizer.all_special_tokens):
        raise _unloadable(name_or_path, "its tokenizer.json or vocab.txt is missing or empty")
    # A pooler is not used: a checkpoint may lack it.
    random = [
        name
        for name, _ in model.named_parameters()
        if name in found["missing_keys"] and not name.startswith("pooler.")
    ]
    if random:
        raise _unloadable(
            name_or_path, f"its weights lack {len(random)} that config.json asks for: {random[0]} …"
        )
    embedding = model.get_input_embeddings()
    if words > len(embedding.weight):
        raise _unloadable(
            name_or_path,
            f"its tokenizer has {words} tokens and its weights {len(embedding.weight)}: they do "
            f"not belong together",
        )
    return tokenizer, model.eval()


def _file(name_or_path: str, file: str) -> Path | None:
    local = Path(name_or_path)
    if local.is_dir():
        return local / file if (local / file).exists() else None
    if local.exists():
        raise _unloadable(name_or_path, "it is a file, not a directory")
    if local.is_absolute() or name_or_path.startswith(".") or name_or_path.count("/") > 1:
        raise _unloadable(name_or_path, "no such directory")
    try:
        found = cached_file(name_or_path, file, _raise_exceptions_for_missing_entries=False)
    except (OSError, ValueError) as error:
        raise _unloadable(name_or_path, _brief(error)) from error
    return Path(found) if found else None


def _unloadable(name_or_path: str, reason: str) -> TrainingError:
    return TrainingError(
        f"teacher {name_or_path}: cannot be loaded ({reason}). Give a transformers checkpoint: a "
        f"directory with config.json, weights and tokenizer.json, or a hub name"
    )


def _brief(error: Exception) -> str:
    """Return the first line of an error: transformers writes pages."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
