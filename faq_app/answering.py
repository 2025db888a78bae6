"""How does one server use several cores? Processes beside it that decide replies, and only read.

In: a revision and a normalised question. Out: the reply of that very revision, or None, and then
the caller decides itself: no process ready, a new revision not loaded yet, a process that died. So
they can make replies sooner, and never other ones. Pages, keys, limits and the log stay with the
server: Python runs one thread at a time, and half of an answer is Python.

Run by the server as `python -m faq_app.answering`, which ends when the server does.
"""

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from distill.errors import DistillError
from faq_app.current import Current, encoder_for
from faq_app.reply import Reply, decided
from indexer.errors import IndexerError, StoreError
from indexer.store import Store

PATIENCE = 5.0  # seconds for a reply; a process that takes longer hangs, and is replaced
# Between a process that ended by itself and the next; twice as long each time, until one lived for
# LATER_SECONDS, so that they do not take a machine from the server that has too much to do.
AGAIN_SECONDS = 5.0
LATER_SECONDS = 60.0

_READY = b"ready"
_log = logging.getLogger(__name__)


class Answerers:
    """The processes, as the server sees them; safe to share between threads."""

    def __init__(self, count: int, db: Path, encoder: Path | None = None) -> None:
        """Begin ``count`` processes over this database; they help once they have loaded it."""
        if os.name != "posix":
            raise StoreError("--workers: 只能在 Linux 或 macOS 上用。怎么办: 去掉 --workers")
        self.count = count
        self._command = [sys.executable, "-m", "faq_app.answering", str(db), _identity(db)]
        self._command += [str(encoder)] if encoder else []
        self._idle: deque[_Process] = deque()  # the last to be done is the next to be asked
        self._closing = threading.Event()
        self._alive: set[_Process] = set()
        self._keepers = [threading.Thread(target=self._keep, daemon=True) for _ in range(count)]
        for keeper in self._keepers:
            keeper.start()

    @property
    def ready(self) -> int:
        """Return how many processes have loaded the FAQ and live."""
        return sum(process.loaded for process in self._alive.copy())

    def reply(self, revision: int, text: str) -> Reply | None:
        """Return what a process decides, None if none can be asked now."""
        try:
            process = self._idle.pop()
        except IndexError:
            return None
        try:
            reply = process.ask(revision, text)
        except (OSError, EOFError) as error:
            _log.error("an answering process is lost: %s", error or type(error).__name__)
            process.kill()  # its keeper begins another
            return None
        self._idle.append(process)
        return reply

    def close(self) -> None:
        """End the processes."""
        self._closing.set()
        for process in self._alive.copy():
            process.kill()
        for keeper in self._keepers:
            keeper.join()

    def _keep(self) -> None:
        """Keep one process alive until the end."""
        pause = AGAIN_SECONDS
        while not self._closing.is_set():
            begun = time.monotonic()
            try:
                code: object = self._run(_Process(self._command))
            except OSError as error:  # no memory, or no more open files
                code = error
            pause = AGAIN_SECONDS if time.monotonic() - begun > LATER_SECONDS else pause
            if not self._closing.wait(pause):
                _log.error("an answering process ended (%s); another begins", code)
            pause = min(2 * pause, LATER_SECONDS)

    def _run(self, process: "_Process") -> int:
        """Let a process answer until it ends; return its exit status."""
        self._alive.add(process)
        if self._closing.is_set():  # it was not there yet when the others were ended
            process.kill()
        # What it says goes the way of all that the server logs, in the form chosen for it.
        said = threading.Thread(target=process.log_what_it_says, daemon=True)
        said.start()
        if process.load():
            self._idle.append(process)
        code = process.wait()
        said.join()
        self._alive.discard(process)
        with suppress(ValueError):
            self._idle.remove(process)
        return code


class _Process:
    """One of them, and the connection to it."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # A group of its own: Ctrl-C is the server's to deal with.
            self._process = subprocess.Popen(
                command,
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        self.loaded = False

    def load(self) -> bool:
        """Wait until it has loaded, however large the FAQ is; say whether it could."""
        with suppress(OSError, EOFError):
            self.loaded = self._connection.recv_bytes() == _READY
        return self.loaded

    def ask(self, revision: int, text: str) -> Reply | None:
        """Return its reply. Raises OSError or EOFError if it is gone, or hangs."""
        self._connection.send_bytes(pickle.dumps((revision, text)))
        if not self._connection.poll(PATIENCE):
            raise TimeoutError(f"no reply within {PATIENCE:g} s")
        return pickle.loads(self._connection.recv_bytes())

    def log_what_it_says(self) -> None:
        """Log each line of its standard error until it ends."""
        with self._process.stderr as lines:
            for line in lines:
                said = line.decode("utf-8", "replace").rstrip()
                _log.warning("answering process %d: %s", self._process.pid, said)

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()

    def wait(self) -> int:
        """Wait for its end and return its exit status."""
        code = self._process.wait()
        self.loaded = False
        return code


def answer(connection: Connection, current: Current) -> None:
    """Answer what comes over a connection until it ends."""
    loading: threading.Thread | None = None
    with suppress(EOFError, ConnectionError):
        connection.send_bytes(_READY)
        while True:
            revision, text = pickle.loads(connection.recv_bytes())
            searcher, reply = current.loaded, None
            if searcher.revision == revision:
                try:
                    reply = decided(searcher, text)
                except Exception:  # the server meets the same, and says so to whoever asked
                    _log.exception("a question could not be decided")
            elif loading is None or not loading.is_alive():
                # Meanwhile the server answers by itself.
                loading = threading.Thread(target=_load, args=(current,), daemon=True)
                loading.start()
            connection.send_bytes(pickle.dumps(reply))


def _load(current: Current) -> None:
    """Load what is published, and what its first question makes."""
    with suppress(Exception):  # the server meets the same
        decided(current.searcher(), "预热")


def _identity(db: Path) -> str:
    """Return what tells a file from another that was put in its place. Raises StoreError."""
    try:
        found = db.stat()
    except OSError as error:
        raise StoreError(f"{db}: {error.strerror or error}") from error
    return f"{found.st_dev}:{found.st_ino}"


def main(db: str, identity: str, encoder: str | None = None) -> None:
    """Serve the server that holds the other end of standard input."""
    try:
        if _identity(Path(db)) != identity:
            sys.exit(f"{db}: 已不是服务打开的那个文件。怎么办: 重启服务")
        store = Store.open(Path(db))
        loaded = encoder_for(store, Path(encoder) if encoder else None)
        if loaded.fingerprint != store.setting("encoder"):
            loaded = encoder_for(store, None)  # operators have published with another since
        current = Current(store, loaded)
    except (IndexerError, DistillError) as error:
        sys.exit(str(error))
    _load(current)
    # Whoever stops all processes of a service means the server, which has replies to finish.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answer(Connection(os.dup(0)), current)


if __name__ == "__main__":
    main(*sys.argv[1:])
