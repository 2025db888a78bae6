"""How many questions a second does a server answer? A client of plain sockets, kept alive.

In: an address and queries. Out: milliseconds of each, and the seconds that all took. Imported by
load.py; the client is a process's only work, on the machine that also serves.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PATH = "/api/v1/ask"


@dataclass(frozen=True)
class Load:
    """What a number of connections saw."""

    connections: int
    milliseconds: Sequence[float]
    seconds: float
    decisions: Mapping[str, int]

    def summary(self) -> dict[str, Any]:
        """Return counts, requests a second and percentiles."""
        times = np.array(self.milliseconds)
        return {
            "connections": self.connections,
            "requests": len(times),
            "seconds": round(self.seconds, 2),
            "requests_per_second": round(len(times) / self.seconds, 1),
            "p50_ms": round(float(np.percentile(times, 50)), 2),
            "p99_ms": round(float(np.percentile(times, 99)), 2),
            "max_ms": round(float(times.max()), 2),
            "decisions": dict(sorted(self.decisions.items())),
        }


def ask_all(port: int, queries: Iterable[str], connections: int) -> Load:
    """Ask each query once, ``connections`` at a time. Raises RuntimeError for any but a 200."""
    return asyncio.run(_ask_all(port, deque(queries), connections))


async def _ask_all(port: int, queries: deque[str], connections: int) -> Load:
    times: list[float] = []
    decisions: dict[str, int] = {}
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_customer(port, queries, times, decisions))
    return Load(connections, times, time.perf_counter() - started, decisions)


async def _customer(
    port: int, queries: deque[str], times: list[float], decisions: dict[str, int]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while queries:
        body = json.dumps({"query": queries.popleft()}, ensure_ascii=False).encode()
        begun = time.perf_counter()
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        reply = await reader.readexactly(length)
        times.append(1000 * (time.perf_counter() - begun))
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head[:80]!r}: {reply[:200]!r}")
        decision = json.loads(reply)["decision"]
        decisions[decision] = decisions.get(decision, 0) + 1
    writer.close()
    await writer.wait_closed()
