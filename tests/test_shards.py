import dataclasses

import numpy as np
import pytest

from distill.errors import CorpusError
from distill.shards import ShardPlan, corpus_digest, read_shards, write_shards

PAIRS = [(f"学生{i}", f"teacher {i}") for i in range(10)]
PLAN = ShardPlan("teacher", "mean", corpus_digest(PAIRS), len(PAIRS), 4)


class CountingTeacher:
    def __init__(self, dies_at=None):
        self.calls, self.dies_at = [], dies_at

    def __call__(self, texts):
        if len(self.calls) == self.dies_at:
            raise KeyboardInterrupt
        self.calls.append(list(texts))
        return np.array([[float(text.split()[1]), 1] for text in texts], dtype=np.float32)


def test_texts_and_vectors_stay_together_and_in_order(tmp_path):
    assert write_shards(tmp_path, PLAN, PAIRS, CountingTeacher()) == 10
    shards = list(read_shards(tmp_path))
    assert [text for shard in shards for text in shard.texts] == [s for s, _ in PAIRS]
    assert np.concatenate([shard.vectors for shard in shards])[:, 0].tolist() == list(range(10))
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
    with pytest.raises(CorpusError, match=r"00001\.npz: missing or torn"):
        list(read_shards(tmp_path))
    assert write_shards(tmp_path, PLAN, PAIRS, CountingTeacher()) == 4
    assert len(list(read_shards(tmp_path))) == 3


@pytest.mark.parametrize("change", [{"teacher": "other"}, {"pooling": "cls"}, {"shard_size": 5}])
def test_a_directory_begun_otherwise_is_refused_not_mixed(tmp_path, change):
    write_shards(tmp_path, PLAN, PAIRS, CountingTeacher())
    with pytest.raises(CorpusError, match=next(iter(change))):
        write_shards(tmp_path, dataclasses.replace(PLAN, **change), PAIRS, CountingTeacher())


def test_an_empty_directory_names_the_command(tmp_path):
    with pytest.raises(CorpusError, match="python -m distill teach"):
        list(read_shards(tmp_path))
