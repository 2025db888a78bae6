"""Is the database consistent? What `python -m indexer check` looks at.

In: a store and the encoder it should fit. Out: problems in words, each with its remedy; none if
all is well.
"""

import numpy as np

from distill.encoder import Encoder
from distill.text import normalise
from indexer.build import answer_beginning, counter_examples
from indexer.lexicon import Lexicon
from indexer.store import Store


def find_problems(store: Store, encoder: Encoder) -> list[str]:
    """Return what is wrong, most basic first."""
    problems = [f"SQLite: {text}" for text in store.integrity_problems()]
    if problems:  # whatever else is read from such a file cannot be trusted
        return [*problems, f"怎么办: 把 {store.path} 移走, 重新建库"]
    snapshot = store.snapshot()
    if snapshot.revision == 0:
        return [f"{store.path}: 里面还没有问答。先建库: python -m indexer build 问答表"]
    refresh = f"怎么办: python -m indexer refresh --db {store.path} --encoder {encoder.bundle.path}"
    if snapshot.settings.get("encoder") != encoder.fingerprint:
        return [
            f"向量属于编码器 {snapshot.settings.get('encoder')}, "
            f"不是 {encoder.fingerprint}; {refresh}"
        ]

    standard = {q.entry_key: q.text for q in snapshot.questions if q.kind == "standard"}
    for entry in snapshot.entries.values():
        if standard.get(entry.key) != entry.question:
            problems.append(f"条目 {entry.key}: 标准问没有存为问题")
        if not entry.answer:
            problems.append(f"条目 {entry.key}: 没有答案")
    owner: dict[str, str] = {}
    for question in snapshot.questions:
        if snapshot.entries[question.entry_key].enabled:
            other = owner.setdefault(normalise(question.text), question.entry_key)
            if other != question.entry_key:
                problems.append(
                    f"条目 {other} 和 {question.entry_key} 有相同的问题「{question.text}」; "
                    f"怎么办: 从其中一个删去, 再导入"
                )

    reader = Lexicon.of(snapshot.settings).reader(encoder)
    texts = [
        (f"问题 {question.id}", question.text, snapshot.vector_keys[question.id])
        for question in snapshot.questions
    ]
    texts += [
        (f"条目 {entry.key} 的{kind}", text, "")
        for entry in snapshot.entries.values()
        for kind, own in (("反例", counter_examples(entry)), ("答案", (answer_beginning(entry),)))
        for text in filter(None, own)
    ]
    wanted = [encoder.vector_key(reader.read_stored(text)) for _, text, _ in texts]
    stored = store.vectors(sorted(set(wanted)))
    for (name, text, key), current in zip(texts, wanted, strict=True):
        vector = stored.get(current)
        if key and key != current:
            fault = "已过时"
        elif vector is None or vector.shape != (encoder.dimension,):
            fault = "缺失或长度不对"
        elif abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
            fault = "不是单位长度"
        else:
            continue
        problems.append(f"{name}「{text}」: 向量{fault}; {refresh}")
    return problems
