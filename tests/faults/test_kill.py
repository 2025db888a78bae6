import random

import pytest

from faults import SHARES, BrokenError, _looked_at, kill_at_random_points
from indexer.store import Store


@pytest.mark.parametrize(("action", "rounds"), list(zip(SHARES, (2, 3, 3, 3, 1), strict=True)))
def test_killed_at_a_random_point_nothing_acknowledged_is_lost(action, rounds, tmp_path, encoder):
    chance = random.Random(f"{action} 1")
    outcome = kill_at_random_points(action, rounds, tmp_path, encoder, chance)
    assert outcome.kills == rounds


def test_the_looking_finds_what_was_lost(tmp_path, encoder):
    kill_at_random_points("log", 1, tmp_path, encoder, random.Random(1))
    db = tmp_path / "log.db"
    store = Store.open(db)
    with store.transaction() as writing:
        writing.execute("delete from query_log")
    store.log_queries([])
    store.close()
    assert _looked_at("log", db, encoder, 0) == 0
    with pytest.raises(BrokenError, match="5 acknowledged, 0 found"):
        _looked_at("log", db, encoder, 5)
