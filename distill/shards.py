"""Where do the teacher's vectors lie? One file a shard, written whole or not at all.

In: texts for the student with a teacher vector each. Out: float16 shards that a killed run goes on
from: a finished shard is never computed again, a torn one is found by its checksum and replaced.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from distill.errors import CorpusError
from distill.files import write_whole

PLAN = "plan.json"


@dataclass(frozen=True)
class Shard:
    """Texts for the student, and the teacher's vectors: float16 (n, 1 + K, d), unit length.

    ``vectors[:, 0]`` are pooled with the plain word weights, the K others with perturbed ones.
    """

    texts: tuple[str, ...]
    vectors: np.ndarray


@dataclass(frozen=True)
class ShardPlan:
    """What a shard directory holds; a directory with another plan is refused, not mixed."""

    teacher: str
    teacher_sha256: str  # of its weights: another checkpoint of the same name is another teacher
    pooling: str
    prefix: str
    idf_sha256: str  # "" where no word weights were needed
    perturbations: int  # K; the k-th is drawn with seed k (``Weighting.perturb``)
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
    *,
    part: int = 0,
    parts: int = 1,
) -> int:
    """Compute the shards that are missing or torn; return how many rows were computed.

    Several processes share the work by taking every ``parts``-th shard, from the ``part``-th on.
    Raises CorpusError for a directory begun with another plan, and for a vector that is not finite.
    """
    _begin(directory, plan)
    computed = 0
    for number, start in list(enumerate(range(0, plan.rows, plan.shard_size)))[part::parts]:
        rows = pairs[start : start + plan.shard_size]
        path = directory / f"{number:05d}.npz"
        shard = _read(path)
        if shard is None or shard.texts != tuple(student for student, _ in rows):
            for left_over in directory.glob(f"{path.stem}.*.part"):  # of a process that was killed
                left_over.unlink(missing_ok=True)
            vectors = encode([teacher for _, teacher in rows]).astype(np.float16)
            if not np.isfinite(vectors).all():
                worst = int(np.flatnonzero(~np.isfinite(vectors).all(axis=(1, 2)))[0])
                raise CorpusError(
                    f"{path}: the teacher gives no finite vector for {rows[worst][1][:40]!r} "
                    f"(row {start + worst + 1}). Leave the sentence out, or run without --bfloat16"
                )
            buffer = io.BytesIO()
            texts = "\n".join(student for student, _ in rows).encode("utf-8")
            np.savez(buffer, vectors=vectors, texts=np.frombuffer(texts, dtype=np.uint8))
            write_whole(path, buffer.getvalue())
            computed += len(rows)
        progress(len(rows))
    return computed


def read_plan(directory: Path) -> ShardPlan:
    """Return what the directory was made with; raises CorpusError."""
    try:
        plan = ShardPlan(**json.loads((directory / PLAN).read_text(encoding="utf-8")))
        if min(plan.rows, plan.shard_size) < 1:
            raise ValueError("its plan counts no rows")
        return plan
    except (OSError, ValueError, TypeError) as error:
        raise CorpusError(
            f"{directory}: holds no teacher shards ({error}). Make them: "
            f"python -m distill teach --teacher NAME CORPUS -o {directory}"
        ) from error


def read_shards(directory: Path) -> Iterator[Shard]:
    """Yield all shards in order; raises CorpusError if one is missing, torn or not finite."""
    plan = read_plan(directory)
    for number, start in enumerate(range(0, plan.rows, plan.shard_size)):
        path = directory / f"{number:05d}.npz"
        shard = _read(path)
        if shard is None or len(shard.texts) != min(plan.shard_size, plan.rows - start):
            raise CorpusError(
                f"{path}: missing, torn or holds a vector that is not finite. Run the same "
                f"`python -m distill teach` again: it computes only what is missing"
            )
        yield shard


def _begin(directory: Path, plan: ShardPlan) -> None:
    """Write the plan into a new directory; raises CorpusError if it was begun with another."""
    directory.mkdir(parents=True, exist_ok=True)
    # In this order: another process of the same run may be beginning it, the plan before a shard.
    shards, file = any(directory.glob("*.npz")), directory / PLAN
    if file.exists():
        try:
            found = dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise CorpusError(
                f"{file}: cannot be read ({error}), so nobody knows what the shards were made of. "
                f"Give an empty -o directory"
            ) from error
        wanted = asdict(plan)
        if differing := [k for k in wanted | found if wanted.get(k) != found.get(k)]:
            raise CorpusError(
                f"{directory}: was begun with another {', '.join(differing)}. "
                f"Give an empty -o directory, or the options it was begun with"
            )
    elif shards:
        raise CorpusError(
            f"{directory}: holds .npz files but no {PLAN}, so nobody knows what they were made of. "
            f"Give an empty -o directory"
        )
    else:
        write_whole(file, json.dumps(asdict(plan), ensure_ascii=False, indent=1).encode())


def _read(path: Path) -> Shard | None:
    try:
        with np.load(path) as file:  # each member's CRC is checked while reading
            texts = file["texts"].tobytes().decode("utf-8").split("\n")
            vectors = file["vectors"]
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile):
        return None  # RuntimeError: a flipped bit can make a member "encrypted" or "compressed"
    whole = len(texts) == len(vectors) and np.isfinite(vectors).all()
    return Shard(tuple(texts), vectors) if whole else None
