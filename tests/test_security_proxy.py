"""Can a request be smuggled past nginx, inside another one? The real nginx of test_nginx.py."""

import socket
import ssl
from urllib.parse import urlsplit

import pytest

# A fixture, and what skips where it cannot be had.
from tests.test_nginx import pytestmark, site  # noqa: F401

SMUGGLED = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    "lengths",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"content-length: 5\r\ncontent-length: 60\r\n",
        b"content-length: 5\r\ntransfer-encoding: \x0bchunked\r\n",
        b"content-length: 5\r\nx: y\rtransfer-encoding: chunked\r\n",
    ],
)
def test_nothing_is_smuggled_past_nginx(site, lengths):  # noqa: F811
    address = urlsplit(site[0])
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address.hostname, address.port), 10) as plain,
        trusting.wrap_socket(plain) as secure,
    ):
        head = b"POST /api/v1/ask HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
        secure.sendall(head + lengths + b"\r\n" + SMUGGLED)
        said = b""
        while part := secure.recv(65536):
            said += part
    assert said.count(b"HTTP/1.1 ") == 1 and said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501"))
    assert b"faq_requests" not in said
