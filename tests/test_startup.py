import gc
import subprocess
import sys

from faq_app import startup
from tests.conftest import ROOT

IMPORTS = """
import ast, sys
parsed = []
parse = ast.parse
ast.parse = lambda code, *more, **named: parsed.append(code) or parse(code, *more, **named)
from faq_app import startup
with startup.without_stubs():
    import gradio as gr
assert not [code for code in parsed if "(Component" in code or "(FormComponent" in code]
with gr.Blocks():
    gr.Textbox(label="x").change(lambda text: text, None, None)
import inspect
assert inspect.getfile(gr.Textbox).endswith("textbox.py")
"""


def test_gradio_is_whole_without_having_read_its_own_source():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_collected_meanwhile_and_afterwards_not_what_was_there():
    before = gc.get_freeze_count()
    try:
        with startup.uncollected():
            assert not gc.isenabled()
            held = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(held)
    finally:
        gc.unfreeze()
