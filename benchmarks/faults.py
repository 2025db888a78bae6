"""python benchmarks/faults.py --kills 200

Is the published revision whole, and every acknowledged write there, whenever the process is killed?
A child process builds, imports, publishes, changes a weight or logs, and says so after each write
that it was told is done. It is killed (SIGKILL) at a random moment; then the database is opened and
checked. A build or an import that was broken off is run again, and must end where an undisturbed
one ends. All rounds of an action, but for build, follow one another on one database. (Minutes.)
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from distill.encoder import Encoder
from indexer.build import plan_import, publish
from indexer.check import find_problems
from indexer.cli import main as indexer
from indexer.publication import Snapshot
from indexer.records import Entry
from indexer.store import Store
from indexer.table_import import read_table

ROOT = Path(__file__).parent.parent
BUNDLE = ROOT / "data" / "encoder"
FAQ = ROOT / "data" / "faq.csv"
RESULT = ROOT / "benchmarks" / "results" / "faults.json"
SHARES = {"import": 50, "publish": 50, "weight": 50, "log": 30, "build": 20}  # of 200 kills
FEW = 40  # entries, but for a build
BATCH = 7  # rows of the log in a transaction
LONGEST = 0.8  # seconds that a child writes before it is killed, at most; a build lasts longer
_BUILD = ("build", str(FAQ), "--encoder", str(BUNDLE))
ROW = {
    "query": "怎么退货",
    "decision": "reject",
    "reason": "low_score",
    "entry_key": "",
    "hits": [],
}


@dataclass
class Outcome:
    """What the kills of one kind of action led to; none of it is a failure."""

    action: str
    kills: int = 0
    acknowledged: int = 0  # writes; every one was found
    committed_unsaid: int = 0  # kills between a commit and its acknowledgement
    run_again: int = 0  # of builds and imports that were broken off; all ended as undisturbed ones


class BrokenError(Exception):
    """A promise was not kept; says which."""


def kill_at_random_points(
    action: str, rounds: int, folder: Path, encoder: Encoder, chance: random.Random
) -> Outcome:
    """Kill an action so many times; raises BrokenError if anything is lost or half done."""
    outcome = Outcome(action)
    db = folder / f"{action}.db"
    longest = LONGEST
    if action == "build":
        longest = _seconds_of_a_build(db, encoder)
    else:
        store = Store.create(db)
        publish(store, store.snapshot(), encoder, _faq(0, FEW))
        store.close()
    for _ in range(rounds):
        if action == "build":
            _forget(db)
        before = _writes_in(action, db)
        acknowledged = max([before, *_killed(action, db, encoder, chance.uniform(0, longest))])
        found = _looked_at(action, db, encoder, acknowledged)
        outcome.kills += 1
        outcome.acknowledged += acknowledged - before
        outcome.committed_unsaid += found - acknowledged
        if action in ("build", "import") and found == acknowledged and found < before + 1:
            _run_again(action, db, encoder, found + 1)
            outcome.run_again += 1
    return outcome


def _killed(action: str, db: Path, encoder: Encoder, seconds: float | None) -> list[int]:
    """Fork a child, kill it after so long, or let it end; return what it acknowledged."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reads)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            _child(action, db, encoder, writes)
        finally:
            os._exit(0)
    os.close(writes)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    with open(reads) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    # A last line without its end was never said.
    return [int(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]


def _seconds_of_a_build(db: Path, encoder: Encoder) -> float:
    began = time.monotonic()
    if _killed("build", db, encoder, None) != [1]:
        raise BrokenError("build: it did not end")
    return time.monotonic() - began


def _child(action: str, db: Path, encoder: Encoder, pipe: int) -> None:
    """Write again and again, and say the number of each write that is done."""
    if action == "build":
        indexer([*_BUILD, "--db", str(db)], standalone_mode=False)
        os.write(pipe, b"1\n")
        return
    store = Store.open(db)
    number = _writes(action, store)
    while True:
        number += 1
        _write(action, store, encoder, number)
        os.write(pipe, f"{number}\n".encode())


def _write(action: str, store: Store, encoder: Encoder, number: int) -> None:
    """Do the write of this number, the first being 1."""
    if action == "log":
        rows = ({"trace_id": f"{number}/{n}", "revision": 1} for n in range(BATCH))
        store.log_queries([ROW | row for row in rows])
    elif action == "weight":
        publish(store, store.snapshot(), encoder, settings={"keywords": _keywords(number)})
    elif action == "publish":
        publish(store, store.snapshot(), encoder, _faq(number, FEW)[:1])
    else:
        publish(store, store.snapshot(), encoder, _faq(number, FEW))


def _looked_at(action: str, db: Path, encoder: Encoder, acknowledged: int) -> int:
    """Return how many writes a database holds; raises BrokenError unless each is whole."""
    if not db.exists() and not acknowledged:
        return 0
    store = Store.open(db)
    try:
        problems = store.integrity_problems()
        if store.revision():
            problems = problems or find_problems(store, encoder)
        if problems:
            raise BrokenError(f"{action}: {problems[0]}")
        found = _writes(action, store)
        if found not in (acknowledged, acknowledged + 1):
            raise BrokenError(f"{action}: {acknowledged} acknowledged, {found} found")
        _require_whole(action, store, found)
        return found
    finally:
        store.close()


def _require_whole(action: str, store: Store, number: int) -> None:
    """Raise BrokenError if a database is not as it should be after a write."""
    snapshot = store.snapshot()
    if action == "log":
        wanted = {f"{n}/{i}" for n in range(1, number + 1) for i in range(BATCH)}
        whole = {row["trace_id"] for row in store.logged_queries()} == wanted
    elif action == "weight":
        whole = snapshot.settings.get("keywords") == _keywords(number)
    elif action == "publish":
        whole = [*snapshot.entries.values()][:1] == _faq(number, FEW)[:1]
    elif action == "import":
        whole = [*snapshot.entries.values()] == _faq(number, FEW)
    else:
        whole = [*snapshot.entries.values()] == (_faq(0) if number else [])
    if not whole:
        raise BrokenError(f"{action}: half of write {number} is there")


def _run_again(action: str, db: Path, encoder: Encoder, number: int) -> None:
    if action == "build":
        indexer([*_BUILD, "--db", str(db)], standalone_mode=False)
    else:
        store = Store.open(db)
        _write(action, store, encoder, number)
        store.close()
    if _looked_at(action, db, encoder, number) != number:
        raise BrokenError(f"{action}: run again, it ended otherwise")


def _writes_in(action: str, db: Path) -> int:
    if not db.exists():
        return 0
    store = Store.open(db)
    try:
        return _writes(action, store)
    finally:
        store.close()


def _writes(action: str, store: Store) -> int:
    """Return how many writes a database holds since its first revision."""
    if action == "log":
        return len(store.logged_queries()) // BATCH
    return store.revision() - (action != "build")


def _faq(number: int, count: int | None = None) -> list[Entry]:
    """Return the sample FAQ, or its beginning; from write 1 on, every answer says its number."""
    table = read_table(FAQ)
    if number:
        rows = [replace(row, answer=f"第 {number} 次: {row.answer}") for row in table.rows]
        table = replace(table, rows=tuple(rows))
    return list(plan_import(Snapshot(0, {}, {}, (), {}), table, "replace").added[:count])


def _keywords(number: int) -> dict[str, float] | None:
    return {"退货": 1 + number % 20 / 10 + 0.1} if number else None


def _forget(db: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        db.with_name(db.name + suffix).unlink(missing_ok=True)


def main() -> None:
    """Kill, print, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    encoder, chance = Encoder.load(BUNDLE), random.Random(options.seed)
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        for action, share in SHARES.items():
            rounds = round(options.kills * share / sum(SHARES.values()))
            found = kill_at_random_points(action, rounds, Path(folder), encoder, chance)
            print(found, flush=True)
            outcomes.append(found)
    result = {
        "what": "SIGKILL at a random moment of a process that writes; then open, check integrity,"
        " make every vector again and compare, look for every acknowledged write",
        "kills": sum(found.kills for found in outcomes),
        "acknowledged_writes": sum(found.acknowledged for found in outcomes),
        "lost_writes": 0,  # or there would be no result: the first lost one ends the run
        "broken_revisions": 0,
        "seed": options.seed,
        "actions": {found.action: _counts(found) for found in outcomes},
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _counts(found: Outcome) -> dict[str, int]:
    return {name: count for name, count in asdict(found).items() if name != "action"}


if __name__ == "__main__":
    main()
