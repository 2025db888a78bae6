import subprocess
import sys

import numpy as np
import pytest

from distill.encoder import Encoder, open_session
from distill.errors import BundleError, TextError
from tests.conftest import ROOT

TEXTS = [
    "怎么退货",
    "如何开具电子发票？",
    "我上周五买的那个扫地机器人到现在还没发货，想问一下到底什么时候能发",
    "iPhone15 Pro 能用优惠券吗",
    "運費誰出",
    "好😀",
] * 8


def test_vectors_are_float32_and_of_unit_length(encoder):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_alone_has_the_same_bytes_as_among_others(encoder):
    together = encoder.encode(TEXTS, workers=2)
    for text, vector in zip(TEXTS[:6], together, strict=False):
        assert encoder.encode([text])[0].tobytes() == vector.tobytes()


def test_bytes_are_the_same_on_any_number_of_threads_and_in_another_process(encoder):
    alone = encoder.encode(TEXTS, workers=1).tobytes()
    assert encoder.encode(TEXTS, workers=3).tobytes() == alone
    code = (
        "import sys; from distill.encoder import Encoder; from pathlib import Path;"
        f"encoder = Encoder.load(Path({str(encoder.bundle.path)!r}));"
        f"sys.stdout.buffer.write(encoder.encode({TEXTS!r}).tobytes())"
    )
    again = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
    assert again.stdout == alone


@pytest.mark.parametrize("count", [1, 16, 17, 48])
def test_progress_counts_every_text_once(encoder, count):
    counted = []
    vectors = encoder.encode(TEXTS[:count], workers=2, progress=counted.append)
    assert sum(counted) == count
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)  # no row was left out


def test_a_text_with_nothing_in_it_is_refused_among_many(encoder):
    with pytest.raises(TextError):
        encoder.encode([*TEXTS[:20], " ", *TEXTS[20:]], workers=2)


def test_a_graph_that_is_none_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"model\.onnx: onnxruntime 不能加载"):
        open_session(tmp_path / "model.onnx")


def test_nothing_in_gives_nothing_out(encoder):
    assert encoder.encode([]).shape == (0, encoder.dimension)


@pytest.mark.parametrize("text", ["", "  ", "\u200b"])
def test_a_text_with_nothing_in_it_is_refused(encoder, text):
    with pytest.raises(TextError):
        encoder.encode([text])


def test_normal_forms_share_a_vector(encoder):
    a, b = encoder.encode(["ＡＰＰ怎麼退貨", "app怎么退货"])
    assert (a == b).all()


def test_a_keyword_moves_the_texts_that_contain_it_and_no_other(encoder):
    heavier = encoder.with_keywords({"退货": 4.0})
    before, after = encoder.encode(TEXTS[:2]), heavier.encode(TEXTS[:2])
    assert (before[0] != after[0]).any()
    assert (before[1] == after[1]).all()


def test_a_vectors_key_follows_text_weights_and_nothing_else(encoder):
    def key(model, text):
        return model.vector_key(model.weigh(text))

    heavier = encoder.with_keywords({"退货": 4.0})
    assert key(encoder, "怎么退货") == key(encoder, "怎麼 退貨".replace(" ", ""))
    assert key(encoder, "怎么退货") != key(encoder, "怎么退款")
    assert key(encoder, "怎么退货") != key(heavier, "怎么退货")
    assert key(encoder, "怎么付款") == key(heavier, "怎么付款")


def test_a_very_long_text_is_cut_not_refused(encoder):
    assert encoder.encode(["怎么退货" * 3000]).shape == (1, encoder.dimension)


def test_serving_never_loads_torch():
    code = (
        "import sys; from distill.encoder import Encoder; from pathlib import Path;"
        "Encoder.load(Path('data/encoder')).encode(['怎么退货']);"
        "assert not {'torch', 'transformers', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_is_repeatable(encoder):
    again = Encoder.load(encoder.bundle.path)
    assert again.fingerprint == encoder.fingerprint
    assert (again.encode(TEXTS[:2]) == encoder.encode(TEXTS[:2])).all()
