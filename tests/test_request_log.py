import io
import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq_app import request_log
from faq_app.keys import Keys
from faq_app.request_log import JsonLines, TextLines
from indexer.store import Store
from tests.fronted import ELSEWHERE, Fronted

LOG = logging.getLogger("tests.request_log")


@pytest.fixture
def written():
    """Run something while all is logged; return the lines."""

    def run(act, level="info", shape="json"):
        stream = io.StringIO()
        loggers = [logging.getLogger(name) for name in (None, *request_log.OURS)]
        before = [logger.level for logger in loggers]
        log = request_log.start(level, shape, stream)
        try:
            act()
        finally:
            log.stop()
            for logger, was in zip(loggers, before, strict=True):
                logger.setLevel(was)
        return stream.getvalue().splitlines()

    return run


@pytest.fixture
def server(tmp_path):
    store = Store.create(tmp_path / "faq.db")
    keys = Keys(store)
    yield Fronted(keys)
    keys.close()
    store.close()


def requests(lines):
    return [row for row in map(json.loads, lines) if row["logger"] == request_log.REQUESTS]


def test_a_request_is_one_line_of_what_matters(server, written):
    secret = server.keys.create("网站", ["read"], by="test")
    (row,) = requests(written(lambda: server.ask(secret, scope="read", **{"x-request-id": "r-1"})))
    assert row.pop("time").endswith("+00:00")
    assert row.pop("ms") >= 0
    assert row == {
        "level": "info",
        "logger": request_log.REQUESTS,
        "message": "request",
        "id": "r-1",
        "method": "POST",
        "route": "/api/v1/read",
        "status": 200,
        "key": "网站",
        "address": ELSEWHERE,
    }


def test_a_path_is_written_as_its_template_and_never_its_query(server, written):
    def act():
        server.client().get("/api/v1/entries/secret-key?query=13812345678")

    lines = written(act)
    assert requests(lines)[0]["route"] == "/api/v1/entries/{key}"
    assert "secret-key" not in "".join(lines)
    assert "1381234" not in "".join(lines)


def test_what_customers_write_is_there_at_debug_only_and_masked(server, written):
    def act():
        body = '{"query": "怎么退货 13812345678 １３８１２３４５６７８"}'.encode()
        headers = {"content-type": "application/json"}
        server.client().post("/api/v1/ask", content=body, headers=headers)

    assert "怎么退货" not in "".join(written(act))
    lines = "".join(written(act, "debug"))
    assert "怎么退货 [手机号] [手机号]" in lines
    assert "13812345678" not in lines


def test_quiet_is_the_default_but_failures_are_written_with_the_id(server, written):
    assert written(lambda: server.ask(), "warning") == []

    def act():
        server.client().post("/api/v1/raise", json={}, headers={"x-request-id": "r-2"})

    failed, request = map(json.loads, written(act, "warning"))
    assert (failed["level"], failed["id"], request["id"]) == ("error", "r-2", "r-2")
    assert "RuntimeError: 怎么退货 [手机号]" in failed["traceback"]  # once, and masked
    assert request["status"] == 500


def test_lines_that_a_route_writes_in_its_thread_carry_the_id(server, written):
    def act():
        server.client().post("/api/v1/tell", headers={"x-request-id": "r-3"})

    told, request = map(json.loads, written(act))
    assert (told["message"], told["id"], request["id"]) == ("told", "r-3", "r-3")
    assert request_log.request_id.get() == ""


@pytest.mark.parametrize("shape", ["text", "json"])
@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\x00"])
def test_no_client_can_begin_a_line(written, shape, end):
    lines = written(lambda: LOG.error("a%sERROR forged", end), shape=shape)
    assert len(lines) == 1
    if shape == "json":
        assert json.loads(lines[0])["message"] == f"a{end}ERROR forged"
    else:
        assert end not in lines[0]


def test_a_traceback_cannot_begin_a_line_either(written):
    def act():
        try:
            raise ValueError("\n".join(["x", "ERROR forged"]))
        except ValueError:
            LOG.exception("failed")

    first, *more = written(act, shape="text")
    assert "failed" in first
    assert more[-1] == "  | ERROR forged"
    assert all(line.startswith("  | ") for line in more)


@given(st.text())
def test_any_text_is_one_line_that_can_be_written(text):
    record = logging.LogRecord("x", logging.INFO, "", 0, text, None, None)
    for line in (JsonLines().format(record), TextLines().format(record)):
        assert len(line.splitlines()) == 1
        line.encode("utf-8")
    assert "message" in json.loads(JsonLines().format(record))


def test_a_long_message_is_cut(written):
    (line,) = written(lambda: LOG.error("x" * 10**6))
    assert len(line) < 2 * request_log.LONGEST


def test_text_reads_well(server, written):
    (line,) = written(lambda: server.ask(**{"x-request-id": "r-4"}), shape="text")
    assert re.search(
        r"INFO faq_app.requests: request id=r-4 method=POST route=/api/v1/ask status=200 "
        rf"ms=[\d.]+ address={ELSEWHERE}$",
        line,
    )


def test_a_reader_that_hangs_costs_lines_not_memory(monkeypatch):
    monkeypatch.setattr(request_log, "MOST_WAITING", 3)
    import queue

    handler = request_log._Waiting(queue.SimpleQueue())
    for number in range(5):
        handler.handle(logging.LogRecord("x", logging.INFO, "", 0, str(number), None, None))
    assert (handler.queue.qsize(), handler.dropped) == (3, 2)
