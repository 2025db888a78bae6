"""How is the server doing? Counts and times, in the text format that Prometheus reads.

In: every finished request, and the service. Out: a page of text. Written by hand, since the format
is a page of code and all that is counted lies in one process: no library is needed for it.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from faq_app.service import Service

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MOST_ROUTES = 200  # far more than there are: a bound, should templates ever not be templates
_OTHER = "other"
_PAGE_SIZE_KB = 4


class Metrics:
    """What is counted of requests; for one thread, the event loop's, and any that reads."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._times: dict[str, list[int]] = {}  # per route: requests in each bucket, and beyond
        self._seconds: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that is over; ``route`` is a template, never a path."""
        if route not in self._times:
            if len(self._times) >= _MOST_ROUTES:
                route = _OTHER
            self._times.setdefault(route, [0] * (len(BOUNDS) + 1))
        method = method if method in _METHODS else _OTHER
        self._requests[route, method, status] += 1
        self._times[route][bisect_left(BOUNDS, seconds)] += 1
        self._seconds[route] += seconds

    def limited(self, by: str) -> None:
        """Count a request that was refused; ``by``: key, address or load."""
        self._refused[by] += 1

    def text(self, service: Service, running: int) -> str:
        """Return everything, for Prometheus. Raises StoreError."""
        lines = [*self._of_requests(running), *_of_service(service)]
        return "\n".join(lines) + "\n"

    def _of_requests(self, running: int) -> Iterator[str]:
        yield from _head("faq_requests_total", "counter", "Finished requests")
        for (route, method, status), count in sorted(self._requests.copy().items()):
            labels = {"route": route, "method": method, "status": str(status)}
            yield _line("faq_requests_total", count, labels)
        yield from _head("faq_request_seconds", "histogram", "From request line to last byte")
        seconds = self._seconds.copy()
        for route, buckets in sorted(self._times.copy().items()):
            sums = list(accumulate(buckets))
            for bound, count in zip((*BOUNDS, math.inf), sums, strict=True):
                le = "+Inf" if math.isinf(bound) else repr(bound)
                yield _line("faq_request_seconds_bucket", count, {"route": route, "le": le})
            yield _line("faq_request_seconds_sum", round(seconds[route], 6), {"route": route})
            yield _line("faq_request_seconds_count", sums[-1], {"route": route})
        yield from _head("faq_requests_limited_total", "counter", "Refused with 429 or 503")
        for by in ("key", "address", "load"):
            yield _line("faq_requests_limited_total", self._refused[by], {"by": by})
        yield from _gauge("faq_requests_running", "Requests being worked on", running)


def _of_service(service: Service) -> Iterator[str]:
    searcher = service.searcher
    yield from _head("faq_replies_total", "counter", "Replies, by decision and its reason")
    for (decision, reason), count in sorted(service.decisions.items()):
        yield _line("faq_replies_total", count, {"decision": decision, "reason": reason})
    yield from _gauge("faq_revision", "Published revision being served", searcher.revision)
    yield from _gauge("faq_entries", "Entries that can be found", len(searcher.live_entries()))
    yield from _gauge("faq_index_vectors", "Questions in the index", len(searcher.questions))
    yield from _gauge("faq_log_backlog", "Replies not yet in the query log", service.log_backlog)
    yield from _head("faq_log_dropped_total", "counter", "Replies lost to the query log")
    yield _line("faq_log_dropped_total", service.log_dropped)
    helping = service.answering_processes
    yield from _gauge("faq_answering_processes", "Processes that help to answer", helping)
    yield from _gauge("faq_memory_bytes", "Resident memory of this process", memory())
    about = {"fingerprint": service.encoder_fingerprint}
    yield from _gauge("faq_encoder_info", "The encoder in use", 1, about)


def memory() -> int:
    """Return the resident memory of this process, bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * _PAGE_SIZE_KB * 1024


def _head(name: str, kind: str, what: str) -> tuple[str, str]:
    return f"# HELP {name} {what}", f"# TYPE {name} {kind}"


def _gauge(
    name: str, what: str, value: float, labels: Mapping[str, str] | None = None
) -> Iterator[str]:
    yield from _head(name, "gauge", what)
    yield _line(name, value, labels)


def _line(name: str, value: Any, labels: Mapping[str, str] | None = None) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in (labels or {}).items())
    return f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
