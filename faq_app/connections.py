"""How long may a client take to say what it wants? One that dawdles is hung up on.

In: bytes on a connection. Out: uvicorn's handling of them, with a limit on how long a request's
headers may take, which uvicorn has none for. Bodies are bodies.py's matter.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
# Longer than nginx keeps an idle connection to us (60 s), so that it never meets one just closed.
KEEP_ALIVE_SECONDS = 75
MOST_HEADER_BYTES = 32 * 1024
MOST_CONNECTIONS = 800  # of the 1024 files that a process may have open as a rule


class Patient(H11Protocol):
    """HTTP/1.1, for clients that begin a request within HEADER_SECONDS and end its headers too."""

    header_seconds = HEADER_SECONDS
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Go on waiting only while there is no request whose headers are whole."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            if self._deadline is None and not self.transport.is_closing():
                self._expect()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
