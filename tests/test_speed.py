import json

import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from click.testing import CliRunner  # noqa: E402

from distill.cli import main  # noqa: E402
from distill.speed import FLOAT32, GRAPH, INT8, OURS, SAMPLE, TORCH, cut  # noqa: E402

pytestmark = pytest.mark.torch


def test_texts_have_exactly_the_wanted_length_and_go_on_from_one_another():
    assert cut("退货运费", 3, 4) == ["退货运", "费退货", "运费退", "货运费"]
    assert {len(text) for text in cut(SAMPLE, 64, 64)} == {64}
    assert len(set(cut(SAMPLE, 16, 6))) == 6


def test_the_command_times_every_system_at_both_batches(tmp_path, monkeypatch):
    tiny = transformers.BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    monkeypatch.setattr("distill.speed.BertConfig", lambda: tiny)
    file = tmp_path / "speed.json"
    result = CliRunner().invoke(main, ["bench", "--rounds", "1", "--json", str(file)])
    assert result.exit_code == 0, (result.output, result.exception)
    timings = json.loads(file.read_text(encoding="utf-8"))["timings"]
    systems = (OURS, GRAPH, TORCH, FLOAT32, INT8)
    assert [(t["batch"], t["system"]) for t in timings] == [
        (b, s) for b in (1, 64) for s in systems
    ]
    for timing in timings:
        assert timing["median_ms"] > 0
        assert timing["calls"] >= 1
        assert timing["system"] in result.output
