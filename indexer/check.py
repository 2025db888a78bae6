"""Is the database consistent? What `python -m indexer check` looks at.

In: a store and the encoder it should fit. Out: problems in words, each with its remedy; none if
all is well. Every vector is made again and compared: no checksum could tell that it belongs to its
text. Making it anew in the database is repair.py's matter.
"""

from dataclasses import dataclass

import numpy as np

from distill.encoder import Encoder
from distill.text import normalise
from indexer.build import answer_beginning, counter_examples
from indexer.lexicon import Lexicon
from indexer.publication import Snapshot
from indexer.store import Store

# Cosine with the vector made now. Other processors and versions of onnxruntime round differently,
# by less than 1e-6; a flipped sign of one number of 256 gives 0.99.
_SAME = 0.9999


@dataclass(frozen=True)
class FaultyVector:
    """A text whose stored vector is not the one it should have, under the key it should have."""

    name: str  # whose text, in words
    text: str
    key: str
    fault: str


def find_problems(store: Store, encoder: Encoder) -> list[str]:
    """Return what is wrong, most basic first."""
    mend = f"怎么办: python -m indexer check --repair --db {store.path}"
    problems = [f"SQLite: {text}" for text in store.integrity_problems()]
    if problems:  # whatever else is read from such a file cannot be trusted
        return [*problems, f"{mend}; 修不好, 就恢复最近的备份: python -m indexer restore"]
    snapshot = store.snapshot()
    if snapshot.revision == 0:
        return [f"{store.path}: 里面还没有问答。先建库: python -m indexer build 问答表"]
    if snapshot.settings.get("encoder") != encoder.fingerprint:
        return [
            f"向量属于编码器 {snapshot.settings.get('encoder')}, 不是 {encoder.fingerprint}; "
            f"怎么办: python -m indexer refresh --db {store.path} --encoder {encoder.bundle.path}"
        ]
    problems += [
        f"条目 {key}: 标准问没有存为问题; {mend}" for key in wrong_standard_questions(snapshot)
    ]
    problems += [
        f"条目 {entry.key}: 没有答案" for entry in snapshot.entries.values() if not entry.answer
    ]
    owner: dict[str, str] = {}
    for question in snapshot.questions:
        if snapshot.entries[question.entry_key].enabled:
            other = owner.setdefault(normalise(question.text), question.entry_key)
            if other != question.entry_key:
                problems.append(
                    f"条目 {other} 和 {question.entry_key} 有相同的问题「{question.text}」; "
                    f"怎么办: 从其中一个删去, 再导入"
                )
    problems += [
        f"{found.name}「{found.text}」: 向量{found.fault}; {mend} --encoder {encoder.bundle.path}"
        for found in faulty_vectors(store, encoder, snapshot)
    ]
    return problems


def wrong_standard_questions(snapshot: Snapshot) -> list[str]:
    """Return the keys of entries whose standard question is not what is searched."""
    standard: dict[str, list[str]] = {}
    for question in snapshot.questions:
        if question.kind == "standard":
            standard.setdefault(question.entry_key, []).append(question.text)
    return [
        entry.key
        for entry in snapshot.entries.values()
        if standard.get(entry.key) != [entry.question]
    ]


def faulty_vectors(store: Store, encoder: Encoder, snapshot: Snapshot) -> list[FaultyVector]:
    """Return the texts whose vector is out of date, missing, or not what the encoder gives."""
    reader = Lexicon.of(snapshot.settings).reader(encoder)
    texts = [
        (f"问题 {question.id}", question.text, snapshot.vector_keys[question.id])
        for question in snapshot.questions
    ]
    texts += [
        (f"条目 {entry.key} 的{kind}", text, snapshot.other_keys.get(text, ""))
        for entry in snapshot.entries.values()
        for kind, own in (("反例", counter_examples(entry)), ("答案", (answer_beginning(entry),)))
        for text in filter(None, own)
    ]
    weighted = [reader.read_stored(text) for _, text, _ in texts]
    wanted = [encoder.vector_key(weight) for weight in weighted]
    stored = store.vectors(sorted(set(wanted)))
    first = dict(zip(reversed(wanted), reversed(weighted), strict=True))
    present = [key for key in first if key in stored and stored[key].shape == (encoder.dimension,)]
    right = dict(zip(present, encoder.encode([first[key] for key in present]), strict=True))
    faulty = []
    for (name, text, key), current in zip(texts, wanted, strict=True):
        if key and key != current:
            fault = "已过时"
        elif current not in right:
            fault = "缺失或长度不对"
        # Asked so that what is no number is faulty too.
        elif not abs(float(np.linalg.norm(stored[current])) - 1) <= 1e-3:
            fault = "不是单位长度"
        elif float(stored[current] @ right[current]) < _SAME:
            fault = "和文字不符"
        else:
            continue
        faulty.append(FaultyVector(name, text, current, fault))
    return faulty
