"""Where do the teacher's vectors lie? One file a shard, written whole or not at all.

In: texts for the student with a teacher vector each. Out: float16 shards that a killed run goes on
from: a finished shard is never computed again, a torn one is found by its checksum and replaced.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from distill.errors import CorpusError


@dataclass(frozen=True)
class Shard:
    """Texts for the student, and the teacher's vectors: float16 (n, d), unit length."""

    texts: tuple[str, ...]
    vectors: np.ndarray


@dataclass(frozen=True)
class ShardPlan:
    """What a shard directory holds; a directory with another plan is refused, not mixed."""

    teacher: str
    pooling: str
    corpus_sha256: str
    rows: int
    shard_size: int


def corpus_digest(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a checksum over all rows in their order."""
    digest = hashlib.sha256()
    for student, teacher in pairs:
        digest.update(f"{student}\t{teacher}\n".encode())
    return digest.hexdigest()


def write_shards(
    directory: Path,
    plan: ShardPlan,
    pairs: Sequence[tuple[str, str]],
    encode: Callable[[Sequence[str]], np.ndarray],
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Compute the shards that are missing or torn; return how many rows were computed."""
    directory.mkdir(parents=True, exist_ok=True)
    plan_file = directory / "plan.json"
    if plan_file.exists():
        found = json.loads(plan_file.read_text(encoding="utf-8"))
        if found != asdict(plan):
            differing = [k for k, v in asdict(plan).items() if found.get(k) != v]
            raise CorpusError(
                f"{directory}: was begun with another {', '.join(differing)}. "
                f"Give an empty -o directory, or the options it was begun with"
            )
    else:
        _write_whole(plan_file, json.dumps(asdict(plan), ensure_ascii=False, indent=1).encode())
    computed = 0
    for number, start in enumerate(range(0, plan.rows, plan.shard_size)):
        rows = pairs[start : start + plan.shard_size]
        path = directory / f"{number:05d}.npz"
        if _read(path) is None:
            vectors = encode([teacher for _, teacher in rows]).astype(np.float16)
            buffer = io.BytesIO()
            texts = "\n".join(student for student, _ in rows).encode("utf-8")
            np.savez(buffer, vectors=vectors, texts=np.frombuffer(texts, dtype=np.uint8))
            _write_whole(path, buffer.getvalue())
            computed += len(rows)
        progress(len(rows))
    return computed


def read_plan(directory: Path) -> ShardPlan:
    """Return what the directory was made with; raises CorpusError."""
    try:
        return ShardPlan(**json.loads((directory / "plan.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CorpusError(
            f"{directory}: holds no teacher shards ({error}). Make them: "
            f"python -m distill teach --teacher NAME CORPUS -o {directory}"
        ) from error


def read_shards(directory: Path) -> Iterator[Shard]:
    """Yield all shards in order; raises CorpusError if one is missing or torn."""
    plan = read_plan(directory)
    for number in range(-(-plan.rows // plan.shard_size)):
        path = directory / f"{number:05d}.npz"
        shard = _read(path)
        if shard is None:
            raise CorpusError(
                f"{path}: missing or torn. Run the same `python -m distill teach` again: "
                f"it computes only what is missing"
            )
        yield shard


def _read(path: Path) -> Shard | None:
    try:
        with np.load(path) as file:  # each member's CRC is checked while reading
            texts = file["texts"].tobytes().decode("utf-8").split("\n")
            vectors = file["vectors"]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    return Shard(tuple(texts), vectors) if len(texts) == len(vectors) else None


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
