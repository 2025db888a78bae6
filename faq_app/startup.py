"""What does a start do without? A second or two of work that serves nobody who waits for a server.

In: a block of imports, or of building. Out: the same, sooner. Used by app.py and server.py.
"""

import gc
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile, and never among what is there at the end: it is there to stay.

    So a collection while serving does not walk through all modules and all questions, either.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_stubs() -> Iterator[None]:
    """Import Gradio without its files for editors.

    Whenever Gradio is imported it parses its own source, component by component, to write .pyi
    files beside it if they are out of date: nearly half of its import. It leaves out components
    that come from no file, so it is told that none does.
    """
    getfile = inspect.getfile

    def no_file_for_gradio(thing: Any) -> str:
        if sys._getframe(1).f_globals.get("__name__") == "gradio.component_meta":
            raise OSError("not while starting")
        return getfile(thing)

    inspect.getfile = no_file_for_gradio
    try:
        yield
    finally:
        inspect.getfile = getfile
