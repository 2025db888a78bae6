import dataclasses
import io
import json
import resource

import numpy as np
import pytest

from distill.errors import CorpusError, DistillError
from distill.shards import ShardPlan, corpus_digest, read_plan, read_shards, write_shards

PAIRS = [(f"学生{i}", f"teacher {i}") for i in range(10)]


def plan_for(pairs, shard_size=4):
    return ShardPlan(
        teacher="teacher",
        teacher_sha256="12ab",
        pooling="mean",
        prefix="",
        idf_sha256="",
        perturbations=0,
        corpus_sha256=corpus_digest(pairs),
        rows=len(pairs),
        shard_size=shard_size,
    )


PLAN = plan_for(PAIRS)


class CountingTeacher:
    def __init__(self, dies_at=None):
        self.calls, self.dies_at = [], dies_at

    def __call__(self, texts):
        if len(self.calls) == self.dies_at:
            raise KeyboardInterrupt
        self.calls.append(list(texts))
        return np.array([[[float(text.split()[1]), 1]] for text in texts], dtype=np.float32)


def test_texts_and_vectors_stay_together_and_in_order(tmp_path):
    assert write_shards(tmp_path, PLAN, PAIRS, CountingTeacher()) == 10
    shards = list(read_shards(tmp_path))
    assert [text for shard in shards for text in shard.texts] == [s for s, _ in PAIRS]
    assert np.concatenate([shard.vectors for shard in shards])[:, 0, 0].tolist() == list(range(10))
    assert shards[0].vectors.dtype == np.float16


def test_a_killed_run_computes_only_what_is_missing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_shards(tmp_path, PLAN, PAIRS, CountingTeacher(dies_at=2))
    teacher = CountingTeacher()
    assert write_shards(tmp_path, PLAN, PAIRS, teacher) == 2
    assert teacher.calls == [["teacher 8", "teacher 9"]]


def test_a_torn_shard_is_found_and_computed_again(tmp_path):
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    torn = tmp_path / "00001.npz"
    data = bytearray(torn.read_bytes())
    data[len(data) // 3] ^= 0xFF
    torn.write_bytes(data)
    with pytest.raises(CorpusError, match=r"00001\.npz: missing, torn .* computes only what"):
        list(read_shards(tmp_path))
    assert write_shards(tmp_path, PLAN, PAIRS, CountingTeacher()) == 4
    assert len(list(read_shards(tmp_path))) == 3


def everything_in(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize(
    "change",
    [
        {"teacher": "other"},
        {"teacher_sha256": "cd34"},
        {"pooling": "cls"},
        {"prefix": "query: "},
        {"idf_sha256": "56ef"},
        {"perturbations": 1},
        {"corpus_sha256": "0"},
        {"shard_size": 5},
    ],
)
def test_a_directory_begun_otherwise_is_refused_not_mixed(tmp_path, change):
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    before = everything_in(tmp_path)
    with pytest.raises(CorpusError, match=next(iter(change))):
        write_shards(tmp_path, dataclasses.replace(PLAN, **change), PAIRS, CountingTeacher())
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (None, "no plan.json"),  # somebody deleted it: whose shards are these?
        ("{", "plan.json: cannot be read"),
        ("[1]", "plan.json: cannot be read"),
    ],
)
def test_shards_of_nobody_are_not_gone_on_with(tmp_path, plan, message):
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    (tmp_path / "plan.json").unlink()
    if plan:
        (tmp_path / "plan.json").write_text(plan, encoding="utf-8")
    with pytest.raises(CorpusError, match=f"{message}.*Give an empty -o directory"):
        write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    with pytest.raises(CorpusError, match="python -m distill teach"):
        list(read_shards(tmp_path))


def test_any_flipped_bit_is_found_or_harmless(tmp_path):
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    whole = list(read_shards(tmp_path))
    path = tmp_path / "00001.npz"
    data = path.read_bytes()
    for place in range(0, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        try:
            shard = list(read_shards(tmp_path))[1]
        except CorpusError:
            continue
        assert shard.texts == whole[1].texts
        assert np.array_equal(shard.vectors, whole[1].vectors)


@pytest.mark.parametrize("kept", [0, 1, 30, -30, -1])
def test_a_truncated_shard_is_computed_again(tmp_path, kept):
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    before = everything_in(tmp_path)
    torn = tmp_path / "00002.npz"
    torn.write_bytes(torn.read_bytes()[:kept])
    with pytest.raises(CorpusError, match=r"00002\.npz: missing, torn"):
        list(read_shards(tmp_path))
    assert write_shards(tmp_path, PLAN, PAIRS, CountingTeacher()) == 2
    assert everything_in(tmp_path) == before


def test_a_shard_in_anothers_place_is_computed_again(tmp_path):
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    before = everything_in(tmp_path)
    (tmp_path / "00001.npz").write_bytes(before["00000.npz"])
    assert write_shards(tmp_path, PLAN, PAIRS, CountingTeacher()) == 4
    assert everything_in(tmp_path) == before


def test_a_vector_that_is_not_finite_trains_nobody(tmp_path):
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    path = tmp_path / "00000.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays["vectors"][2] = np.nan
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(CorpusError, match=r"00000\.npz: .* not finite.*distill teach"):
        list(read_shards(tmp_path))
    assert write_shards(tmp_path, PLAN, PAIRS, CountingTeacher()) == 4


def test_a_teacher_without_a_finite_vector_names_the_row(tmp_path):
    def teacher(texts):
        vectors = CountingTeacher()(texts)
        vectors[[text == "teacher 6" for text in texts]] = np.inf
        return vectors

    with pytest.raises(CorpusError, match=r"00001\.npz: .*'teacher 6' \(row 7\)"):
        write_shards(tmp_path, PLAN, PAIRS, teacher)
    assert sorted(everything_in(tmp_path)) == ["00000.npz", "plan.json"]


def test_a_full_disk_keeps_finished_shards_and_says_so(tmp_path):
    """A limit on the size of a file stands for the full disk: the third shard does not fit."""
    pairs = [("短" * (1 if i < 8 else 1500), f"teacher {i}") for i in range(10)]
    plan = plan_for(pairs)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(DistillError, match=r"00002\.npz: cannot be written .* Make room"):
            write_shards(tmp_path, plan, pairs, CountingTeacher())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(everything_in(tmp_path)) == ["00000.npz", "00001.npz", "plan.json"]
    assert write_shards(tmp_path, plan, pairs, CountingTeacher()) == 2


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_shards(tmp_path, PLAN, PAIRS, CountingTeacher(dies_at=1))
    (tmp_path / "00001.4711.part").write_bytes(b"half a shard")
    with pytest.raises(CorpusError, match=r"00001\.npz: missing"):
        list(read_shards(tmp_path))
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    assert not list(tmp_path.glob("*.part"))
    assert len(list(read_shards(tmp_path))) == 3


def test_processes_share_the_work_and_leave_the_same_files(tmp_path):
    for part in (1, 0):
        write_shards(tmp_path / "two", PLAN, PAIRS, CountingTeacher(), part=part, parts=2)
    write_shards(tmp_path / "one", PLAN, PAIRS, CountingTeacher())
    assert everything_in(tmp_path / "two") == everything_in(tmp_path / "one")


@pytest.mark.parametrize("change", [{"rows": 0}, {"shard_size": 0}, {"rows": "x"}, {"new": 1}])
def test_a_plan_that_makes_no_sense_is_refused(tmp_path, change):
    values = dataclasses.asdict(PLAN) | change
    (tmp_path / "plan.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(CorpusError, match="holds no teacher shards"):
        read_plan(tmp_path)


def test_an_empty_directory_names_the_command(tmp_path):
    with pytest.raises(CorpusError, match="python -m distill teach"):
        list(read_shards(tmp_path))
