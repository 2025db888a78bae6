"""Clients that dawdle, against a real server on a real socket."""

import asyncio
import contextlib
import socket
import threading

import pytest
import uvicorn

from faq_app import connections
from faq_app.connections import Patient


class Impatient(Patient):
    header_seconds = 0.3


async def answer(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(0.6 if scope["path"] == "/long" else 0)
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port():
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(answer, http=Impatient, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(20)


@contextlib.contextmanager
def connected(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client


def hung_up(client):
    """Wait until the server ends the connection; say whether it did without a word."""
    try:
        return client.recv(1000) == b""
    except ConnectionResetError:
        return True


WHOLE = b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"


def test_who_says_nothing_is_hung_up_on(port):
    with connected(port) as client:
        assert hung_up(client)


def test_who_says_it_bit_by_bit_is_hung_up_on(port):
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ")
        with contextlib.suppress(OSError):
            for _ in range(100):  # each byte shows life, and buys no time
                client.sendall(b"a")
                client.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    if client.recv(1000) == b"":
                        return
            pytest.fail("still connected")


def test_who_dawdles_over_the_second_request_is_hung_up_on(port):
    with connected(port) as client:
        client.sendall(WHOLE % b"")
        assert b"200 OK" in client.recv(1000)
        client.sendall(b"GET / HTTP/1.1\r\n")
        assert hung_up(client)


def test_a_long_reply_is_no_fault_of_the_client(port):
    with connected(port) as client:
        for _ in range(2):
            client.sendall(WHOLE % b"long")
            assert b"200 OK" in client.recv(1000)


def test_the_server_has_these_limits():
    from faq_app.server import configuration

    config = configuration(None)
    assert config.http is Patient
    assert Patient.header_seconds == connections.HEADER_SECONDS
    assert config.limit_concurrency == connections.MOST_CONNECTIONS
    assert config.h11_max_incomplete_event_size == connections.MOST_HEADER_BYTES
