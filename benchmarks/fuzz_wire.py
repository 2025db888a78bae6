"""Does the server survive what is no HTTP, half of it or too much?

In: a number of cases and a seed. Out: the first status of each answer counted, or that the server
hung up; one that neither answers nor hangs up, or does not answer afterwards, is an error.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from hypothesis import strategies as st

import fuzz_inputs
from faq_app.server import configuration
from fuzz_parsers import repeat
from fuzz_server import ASKED, FailedError, site

PATIENCE = 10.0  # seconds for one response


def wire(cases: int, number: int, count: Callable[[str], None]) -> None:
    """Rubbish on a socket: no HTTP, half of it, or too much; the server answers or hangs up."""
    with site() as here, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        server = uvicorn.Server(configuration(here.app))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        port = listener.getsockname()[1]
        try:
            while not server.started:
                time.sleep(0.02)

            def case(data: bytes) -> None:
                count(_sent(port, data))
                here.watch.require_silence(data)

            repeat(case, cases, number, data=_requests())
            after = _sent(port, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            if after != "200":
                raise FailedError(f"/healthz says {after!r}")
        finally:
            server.should_exit = True
            thread.join(30)


def _requests() -> st.SearchStrategy[bytes]:
    body = json.dumps(ASKED).encode()
    length = b"content-length: %d\r\n" % len(body)
    kind = b"content-type: application/json\r\n"
    lines = st.sampled_from(
        (
            *(length, kind, b"content-length: -1\r\n", b"content-length: 9e9\r\n", b": x\r\n"),
            *(b"transfer-encoding: chunked\r\n", b"transfer-encoding: x\r\n", b"host: y\r\n"),
            *(b"expect: 100-continue\r\n", b"upgrade: websocket\r\n", b"connection: upgrade\r\n"),
            *(b"x: " + b"y" * 40_000 + b"\r\n", b" folded\r\n", b"x-forwarded-for: \xff\r\n"),
            *(
                b"cookie: \x00=\xff; faq_session=\r\n",
                b"authorization: Bearer \xff\r\n",
                b"x\x00y: z\r\n",
            ),
            *(b"accept-encoding: br;q=x\r\n", b"range: bytes=0-,1-,-9\r\n", b"origin: \xff\r\n"),
        )
    )
    targets = st.sampled_from(
        (
            *(b"/", b"/api/v1/ask", b"/v1/embeddings", b"/admin/login", b"/admin/%2e%2e/", b"*"),
            *(b"http://x/api/v1/ask", b"/%ff%00", b"//", b"/gradio_api/queue/data?session_hash=x"),
            *(
                b"/admin//gradio_api/file=/etc/passwd",
                b"/gradio_api/queue/join",
                b"/%c0%ae/",
                b"/\xff",
            ),
            *(
                b"/static/..%2f..%2f",
                b"/assets/%00",
                b"/widget.js?\x7f",
                b"/api/v1/suggest?query=%ff",
            ),
        )
    )
    methods = st.sampled_from(
        (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"BREW", b"get", b"P\x00")
    )
    request = st.builds(
        lambda method, target, more, rest: (
            method + b" " + target + b" HTTP/1.1\r\nhost: x\r\n" + b"".join(more) + b"\r\n" + rest
        ),
        methods,
        targets,
        st.lists(lines, max_size=4),
        st.sampled_from((b"", body, b"0\r\n\r\n", b"FFFFFFFFFF\r\nx", b"5\r\nab", body * 3)),
    )
    return fuzz_inputs.damaged(request) | request | st.binary(max_size=200)


def _sent(port: int, data: bytes) -> str:
    """Send bytes, say that no more come, and return the first status, or that it hung up."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            got = connection.recv(4096)
        except TimeoutError:
            raise FailedError(f"no answer and no end: {data!r:.500}") from None
        except OSError:
            return "hung up"
        status = got[9:12].decode("latin-1") if got.startswith(b"HTTP/1.") else "hung up"
        if status[:1] == "5" and status != "503":
            raise FailedError(f"{status}: {data!r:.500}")
        return status
