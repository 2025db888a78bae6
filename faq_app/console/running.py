"""How far has a long action come, and how does one stop it? A bar over its place, a button 取消.

In: a page's long handler. Out: the same one, wired so that the button is there while it runs and
makes its progress callback raise ``Cancelled``: before anything is written, or not at all.
"""

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from faq_app.console.acting import LONG, QUIET
from indexer.errors import Cancelled
from indexer.progress import Progress

_SHOWN_EVERY = 0.2  # seconds; a bar that moves a thousand times a second costs more than the work


class Stop:
    """The button that stops one kind of long action, each page for itself."""

    def __init__(self, elem_id: str) -> None:
        """Put the button, unseen, into the surrounding page."""
        self._asked: set[str | None] = set()
        self._button = gr.Button(
            "取消", visible=False, size="sm", scale=0, min_width=100, elem_id=elem_id
        )
        self._button.click(self._stop, None, self._button, **QUIET)

    def wire(
        self,
        event: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Any,
        outputs: Any,
        start: Sequence[gr.Button] = (),
    ) -> Any:
        """Let ``event`` run a long handler; ``start`` cannot be pressed again meanwhile.

        Returns the handler's event, for what follows.
        """
        buttons = [self._button, *start]

        def begin(request: gr.Request) -> Any:
            self._asked.discard(request.session_hash)
            return _all(gr.Button("取消", visible=True, interactive=True), start, False)

        def end(request: gr.Request) -> Any:
            self._asked.discard(request.session_hash)
            return _all(gr.Button(visible=False), start, True)

        running = event(begin, None, buttons, **QUIET).then(handler, inputs, outputs, **LONG)
        running.then(end, None, buttons, **QUIET)
        return running

    def telling(self, request: gr.Request, what: str) -> Progress:
        """Return a callback that moves a bar, and raises Cancelled once the button was pressed.

        It may be called from any thread.
        """
        context, moving, last = contextvars.copy_context(), threading.Lock(), 0.0
        bar = gr.Progress()

        def tell(done: int, total: int) -> None:
            nonlocal last
            if request.session_hash in self._asked:
                raise Cancelled
            now = time.monotonic()
            if (done < total and now - last < _SHOWN_EVERY) or not moving.acquire(blocking=False):
                return
            try:
                last = now
                # Gradio knows by the context whose bar it is; an encoder's threads have another.
                context.run(bar, (done, total), desc=what, unit="条")
            finally:
                moving.release()

        return tell

    def _stop(self, request: gr.Request) -> gr.Button:
        self._asked.add(request.session_hash)
        return gr.Button("正在停止…", interactive=False)


def _all(stop: gr.Button, start: Sequence[gr.Button], interactive: bool) -> Any:
    """Return what the buttons look like; Gradio takes one output as it is, and not in a list."""
    return [stop, *(gr.Button(interactive=interactive) for _ in start)] if start else stop
