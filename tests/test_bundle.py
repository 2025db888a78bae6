import json
import shutil

import pytest

from distill.bundle import Bundle, Manifest, seal
from distill.encoder import Encoder
from distill.errors import BundleError
from tests.conftest import BUNDLE


@pytest.fixture
def bundle(tmp_path):
    return shutil.copytree(BUNDLE, tmp_path / "encoder")


def edit(bundle, **changes):
    path = bundle / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(values), encoding="utf-8")


def test_a_bundle_opens_and_knows_its_size(bundle):
    opened = Bundle.open(bundle)
    assert len(opened.fingerprint) == 16
    files = [f for f in bundle.iterdir() if f.name != "MODEL_CARD.md"]
    assert opened.size == sum(f.stat().st_size for f in files)


def test_the_default_bundle_is_small():
    assert Bundle.open(BUNDLE).size <= 8_000_000


def test_the_fingerprint_tells_what_decides_a_vector_and_nothing_else(bundle):
    before = Bundle.open(bundle).fingerprint
    edit(bundle, name="another name", metrics={"x": 1.0})
    assert Bundle.open(bundle).fingerprint == before
    edit(bundle, smoothing=0.123)
    assert Bundle.open(bundle).fingerprint != before


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "idf.tsv.gz"])
def test_a_changed_or_missing_file_is_named(bundle, name):
    (bundle / name).write_bytes((bundle / name).read_bytes()[:-1] + b"?")
    with pytest.raises(BundleError, match=f"{name}: 校验和不对"):
        Bundle.open(bundle)
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: 没有这个文件"):
        Bundle.open(bundle)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "格式是 99, 本版本只读格式 1"),
        ({"segmenter": "jieba-9"}, "分词器 jieba-9"),
        ({"normaliser": "old"}, "文字规范化 old"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bundle_of_another_version_is_refused(bundle, changes, message):
    edit(bundle, **changes)
    with pytest.raises(BundleError, match=message):
        Bundle.open(bundle)


def test_an_absent_bundle_names_the_option(tmp_path):
    with pytest.raises(BundleError, match="--encoder"):
        Bundle.open(tmp_path / "nowhere")


def test_a_manifest_that_is_not_json_is_named(bundle):
    (bundle / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(BundleError, match=r"manifest\.json: 无法读取"):
        Bundle.open(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "idf.tsv.gz"])
def test_a_sealed_file_that_is_none_is_refused_by_the_encoder(bundle, name):
    values = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    (bundle / name).write_bytes(b"nonsense")
    seal(bundle, Manifest(**values))
    with pytest.raises(BundleError, match=name):
        Encoder.load(bundle)
