"""Is the database consistent? What `python -m indexer check` looks at.

In: a store and the encoder it should fit. Out: problems in words, each with its remedy; none if
all is well.
"""

import numpy as np

from distill.encoder import Encoder
from distill.text import normalise
from indexer.store import Store


def find_problems(store: Store, encoder: Encoder) -> list[str]:
    """Return what is wrong, most basic first."""
    problems = [f"SQLite: {text}" for text in store.integrity_problems()]
    if problems:  # whatever else is read from such a file cannot be trusted
        return [*problems, f"remedy: move {store.path} away and build it again"]
    snapshot = store.snapshot()
    if snapshot.revision == 0:
        return [f"{store.path}: holds no FAQ yet; remedy: python -m indexer build FAQ_FILE"]
    refresh = (
        f"remedy: python -m indexer refresh --db {store.path} --encoder {encoder.bundle.path}"
    )
    if snapshot.settings.get("encoder") != encoder.fingerprint:
        return [
            f"vectors are of encoder {snapshot.settings.get('encoder')}, not of "
            f"{encoder.fingerprint}; {refresh}"
        ]

    standard = {q.entry_key: q.text for q in snapshot.questions if q.kind == "standard"}
    for entry in snapshot.entries.values():
        if standard.get(entry.key) != entry.question:
            problems.append(f"entry {entry.key}: its standard question is not stored as a question")
        if not entry.answer:
            problems.append(f"entry {entry.key}: has no answer")
    owner: dict[str, str] = {}
    for question in snapshot.questions:
        if snapshot.entries[question.entry_key].enabled:
            other = owner.setdefault(normalise(question.text), question.entry_key)
            if other != question.entry_key:
                problems.append(
                    f"entries {other} and {question.entry_key} share the question "
                    f"{question.text!r}; remedy: remove it from one of them and build again"
                )

    stored = store.vectors(sorted(set(snapshot.vector_keys.values())))
    for question in snapshot.questions:
        key = snapshot.vector_keys[question.id]
        vector = stored.get(key)
        if key != encoder.vector_key(encoder.weigh(question.text)):
            fault = "is out of date"
        elif vector is None or vector.shape != (encoder.dimension,):
            fault = "is missing or of the wrong size"
        elif abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
            fault = "is not of unit length"
        else:
            continue
        problems.append(f"question {question.id} {question.text!r}: its vector {fault}; {refresh}")
    return problems
