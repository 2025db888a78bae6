"""What does the server write down while it runs? One line for each request, and what goes wrong.

In: log records of any part of the program. Out: lines of text or JSON on standard error, written by
a thread of its own. Numbers of telephones and identity are masked; whatever a client sends, a line
stays one line.
"""

import json
import logging
import queue
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Literal, TextIO

from indexer.masking import masked

Format = Literal["text", "json"]
OURS = ("faq_app", "indexer", "distill")
REQUESTS = "faq_app.requests"
LONGEST = 4000  # characters of a message; a traceback is at the end of one
MOST_WAITING = 10_000  # records; beyond these they are dropped and counted: no reply waits for them

request_id: ContextVar[str] = ContextVar("request_id", default="")

# Control characters, ends of lines of any kind, what turns the direction of text, half characters.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_HALF_WIDTH = {0xFF10 + digit: str(digit) for digit in range(10)}


class RequestLog:
    """Logging from ``start`` to ``stop``: to be stopped last, so that nothing said is lost."""

    def __init__(self, handler: "_Waiting", listener: QueueListener) -> None:
        self._handler = handler
        self._listener = listener

    def stop(self) -> None:
        """Write what waits, and end."""
        logging.getLogger().removeHandler(self._handler)
        self._listener.stop()
        if self._handler.dropped:
            print(f"{self._handler.dropped} log lines were dropped", file=sys.stderr)  # noqa: T201


def start(level: str, shape: Format, stream: TextIO | None = None) -> RequestLog:
    """Log everything from ``level`` on; requests are INFO, what customers wrote is DEBUG."""
    lines = logging.StreamHandler(stream or sys.stderr)
    lines.setFormatter(JsonLines() if shape == "json" else TextLines())
    waiting = _Waiting(queue.SimpleQueue())
    logging.getLogger().addHandler(waiting)
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    # What libraries say when all is well says nothing about this server.
    for ours in OURS:
        logging.getLogger(ours).setLevel(level.upper())
    listener = QueueListener(waiting.queue, lines)
    listener.start()
    return RequestLog(waiting, listener)


class _Waiting(QueueHandler):
    """Puts records into the queue as they are; a full queue drops them.

    SimpleQueue has no bound of its own, but takes a twentieth of Queue's time.
    """

    dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.request_id = request_id.get()
        if record.args:  # what they refer to may change
            record.msg, record.args = record.getMessage(), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        if self.queue.qsize() < MOST_WAITING:
            self.queue.put(record)
        else:
            self.dropped += 1


class TextLines(logging.Formatter):
    """For people: time, level, request, where from, what."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line; a traceback follows, each line of it marked."""
        about = _about(record)
        fields = [f"{key}={_clean(str(value))}" for key, value in about.items() if value != ""]
        said = _clean(_shortened(record.getMessage()))
        line = f"{_moment(record)} {record.levelname} {record.name}: {said}"
        line = " ".join([line, *fields])
        for each in _traceback_of(record):
            line += f"\n  | {_clean(each)}"
        return line


class JsonLines(logging.Formatter):
    """For programs: one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        fields: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _masked(_shortened(record.getMessage())),
            **_about(record),
        }
        if lines := _traceback_of(record):
            fields["traceback"] = "\n".join(lines)
        written = json.dumps(fields, ensure_ascii=False)
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def _about(record: logging.LogRecord) -> Mapping[str, Any]:
    about = getattr(record, "request", None)
    if about is not None:
        return about
    number = getattr(record, "request_id", "")
    return {"id": number} if number else {}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _traceback_of(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[1] is None:
        return []
    # An exception's message may hold what a customer wrote.
    return _masked("".join(traceback.format_exception(record.exc_info[1]))).splitlines()


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _masked(text: str) -> str:
    return masked(text.translate(_HALF_WIDTH))


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", _masked(text))
