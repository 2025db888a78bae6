"""From a student to a bundle and back: the same vectors, and never half a bundle on disk."""

import dataclasses
import errno
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnx.numpy_helper import to_array  # noqa: E402
from tokenizers import Tokenizer, models  # noqa: E402

from distill.bundle import IDF, MODEL, TOKENIZER, Bundle, Manifest  # noqa: E402
from distill.config import StudentConfig  # noqa: E402
from distill.encoder import Encoder  # noqa: E402
from distill.errors import BundleError, TrainingError  # noqa: E402
from distill.export import export, load_student  # noqa: E402
from distill.graph import INPUTS, quantise, to_onnx  # noqa: E402
from distill.idf import WordIdf  # noqa: E402
from distill.student import STUDENTS, make_student  # noqa: E402
from distill.tokens import tokenise, train_tokenizer  # noqa: E402
from tests.conftest import ROOT  # noqa: E402

pytestmark = pytest.mark.torch

TEXTS = ["怎么申请退货", "请问电子发票什么时候能开,我等了3天了还没有收到", "运费", "app打不开😀"]
SHAPES = [(kind, layers) for kind in STUDENTS for layers in (1, 2)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What a training run leaves behind for an export."""
    path = tmp_path_factory.mktemp("run")
    train_tokenizer(TEXTS * 2, 200).save(str(path / TOKENIZER))
    WordIdf(10, {"退货": 3, "运费": 2}).save(path / IDF)
    return path


@pytest.fixture
def student(run):
    return student_of(run)


def student_of(run, kind="bilstm", layers=1):
    torch.manual_seed(3)
    config = StudentConfig(kind=kind, embedding=48, hidden=64, layers=layers, dimension=32)
    return make_student(config, Tokenizer.from_file(str(run / TOKENIZER)).get_vocab_size()).eval()


def manifest_of(student, kind="bilstm", layers=1):
    config = StudentConfig(kind=kind, embedding=48, hidden=64, layers=layers, dimension=32)
    training = {
        "config": {"student": dataclasses.asdict(config)},
        "vocabulary": student.embedding.num_embeddings,
    }
    return Manifest(dimension=32, max_tokens=128, smoothing=0.5, training=training)


def batch_of(encoder, texts=TEXTS):
    """Return the encoder's tokens of these texts, padded to one batch."""
    tokenizer = Tokenizer.from_file(str(encoder.bundle.path / TOKENIZER))
    return vars(tokenise(tokenizer, [encoder.weigh(text) for text in texts], 128))


def in_torch(student, encoder, texts=TEXTS):
    with torch.inference_mode():
        return student(*(torch.tensor(batch_of(encoder, texts)[n]) for n in INPUTS)).numpy()


def in_onnx(model, feed):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)[0]


def files_in(directory):
    return {p.relative_to(directory): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("kind", "layers"), SHAPES)
def test_the_graph_gives_torchs_vectors_alone_and_in_a_padded_batch(run, kind, layers):
    student = student_of(run, kind, layers)
    rng = np.random.default_rng(5)
    lengths = np.array([1, 9, 4, 17])
    present = np.arange(17) < lengths[:, None]
    shares = rng.random((4, 17)) * present
    batch = {
        "input_ids": rng.integers(2, 30, (4, 17)) * present,
        "attention_mask": present.astype(np.int64),
        "weights": (shares / shares.sum(1, keepdims=True)).astype(np.float32),
    }
    with torch.inference_mode():
        wanted = student(*(torch.tensor(batch[name]) for name in INPUTS)).numpy()
    model = to_onnx(student)
    assert np.abs(in_onnx(model, batch) - wanted).max() < 1e-6
    for row, length in enumerate(lengths):
        alone = {name: values[row : row + 1, :length] for name, values in batch.items()}
        assert np.abs(in_onnx(model, alone) - wanted[row]).max() < 1e-6
        assert (in_onnx(quantise(model), alone) @ wanted[row]).item() > 0.999


@pytest.mark.parametrize(("kind", "layers"), SHAPES)
def test_a_student_comes_back_from_its_bundle(run, tmp_path, kind, layers):
    student = student_of(run, kind, layers)
    manifest = manifest_of(student, kind, layers)
    report = export(student, run, tmp_path / "exact", manifest, int8=False)
    exact = Encoder.load(tmp_path / "exact")
    back = load_student(report.bundle)
    assert np.abs(in_torch(back, exact) - exact.encode(TEXTS)).max() < 1e-6

    report = export(student, run, tmp_path / "int8", manifest)
    served = Encoder.load(tmp_path / "int8")
    assert report.int8_cosine > 0.999
    back = load_student(report.bundle)
    assert (in_torch(back, served) * served.encode(TEXTS)).sum(1).min() > 0.999
    # What came back is what is served: exported again it has the same whole numbers.
    again = export(back, run, tmp_path / "again", manifest).bundle
    once, twice = (
        {t.name: to_array(t) for t in onnx.load(b.path / MODEL).graph.initializer}
        for b in (report.bundle, again)
    )
    assert once.keys() == twice.keys()
    for name in once:
        assert np.allclose(once[name], twice[name], rtol=1e-6), name


def test_int8_is_small_and_cannot_overflow_16_bits(run):
    config = StudentConfig(embedding=128, hidden=128, dimension=128)
    exact = to_onnx(make_student(config, 2000))
    int8 = quantise(exact)
    assert int8.ByteSize() < 0.27 * exact.ByteSize()
    assert {n.op_type for n in int8.graph.node} >= {"DynamicQuantizeLSTM", "DynamicQuantizeMatMul"}
    for tensor in int8.graph.initializer:
        if tensor.name.endswith(".int8") and not tensor.name.startswith("embedding"):
            assert np.abs(to_array(tensor).astype(int)).max() == 63


def test_a_bundle_serves_the_same_bytes_whatever_else_is_encoded(run, student, tmp_path):
    export(student, run, tmp_path / "bundle", manifest_of(student))
    encoder = Encoder.load(tmp_path / "bundle")
    together = encoder.encode(TEXTS * 12, workers=2)
    for text, vector in zip(TEXTS, together, strict=False):
        assert encoder.encode([text])[0].tobytes() == vector.tobytes()


def test_a_student_in_training_is_exported_as_it_serves(run, tmp_path):
    student = student_of(run).train()
    student.dropout.p = 0.5
    report = export(student, run, tmp_path / "bundle", manifest_of(student))
    assert report.largest_difference < 1e-5


def test_weights_that_are_not_numbers_are_refused(run, student, tmp_path):
    with torch.no_grad():
        student.project.bias[3] = float("nan")
    with pytest.raises(TrainingError, match="ONNX differs from torch by nan"):
        export(student, run, tmp_path / "bundle", manifest_of(student))
    assert list(tmp_path.iterdir()) == []


def test_another_students_graph_is_refused(run, student, tmp_path, monkeypatch):
    export(student, run, tmp_path / "bundle", manifest_of(student))
    before = files_in(tmp_path)
    other = to_onnx(student_of(run, "textcnn"))
    monkeypatch.setattr("distill.export.to_onnx", lambda student: other)
    with pytest.raises(TrainingError, match="differs from torch"):
        export(student, run, tmp_path / "bundle", manifest_of(student))
    assert files_in(tmp_path) == before


def test_int8_that_moves_a_vector_too_far_is_refused(run, student, tmp_path, monkeypatch):
    other = quantise(to_onnx(student_of(run, "textcnn")))
    monkeypatch.setattr("distill.export.quantise", lambda model: other)
    with pytest.raises(TrainingError, match="int8 moves a vector"):
        export(student, run, tmp_path / "bundle", manifest_of(student))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (TOKENIZER, b"{}", "tokenizer.json: not a tokenizer"),
        (TOKENIZER, None, "tokenizer.json: not a tokenizer"),
        (IDF, b"10\n", "idf.tsv.gz: 不是 IDF 表"),
        (IDF, None, "idf.tsv.gz: 不是 IDF 表"),
    ],
)
def test_a_broken_part_of_the_run_is_named(run, student, tmp_path, name, content, message):
    broken = tmp_path / "run"
    broken.mkdir()
    for part in (TOKENIZER, IDF):
        if part != name:
            (broken / part).write_bytes((run / part).read_bytes())
        elif content is not None:
            (broken / part).write_bytes(content)
    with pytest.raises((TrainingError, BundleError), match=message):
        export(student, broken, tmp_path / "bundle", manifest_of(student))
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({"[UNK]": 0, "好": 1}, r"no token \[PAD\]"),
        ({"好": 0, "不": 1}, r"no token \[PAD\] and no \[UNK\]"),
        ({"[PAD]": 0, "[UNK]": 1, "好": 2}, "has 3 tokens, the student knows"),
    ],
)
def test_a_tokenizer_of_another_run_is_refused(run, student, tmp_path, vocabulary, message):
    (tmp_path / IDF).write_bytes((run / IDF).read_bytes())
    Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]")).save(str(tmp_path / TOKENIZER))
    with pytest.raises(TrainingError, match=message):
        export(student, tmp_path, tmp_path / "bundle", manifest_of(student))
    assert not (tmp_path / "bundle").exists()


def test_what_lies_beside_the_parts_survives_a_new_export(run, student, tmp_path):
    output = tmp_path / "bundle"
    export(student, run, output, manifest_of(student))
    (output / "MODEL_CARD.md").write_text("written by hand", encoding="utf-8")
    old = Bundle.open(output)
    new = export(student_of(run, "textcnn"), run, output, manifest_of(student)).bundle
    assert new.fingerprint != old.fingerprint
    assert (output / "MODEL_CARD.md").read_text(encoding="utf-8") == "written by hand"
    assert list(tmp_path.iterdir()) == [output]


def test_a_directory_of_other_things_is_not_replaced(run, student, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(TrainingError, match="is not a bundle"):
        export(student, run, tmp_path, manifest_of(student))
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.txt"]


def test_a_link_to_a_bundle_stays_a_link(run, student, tmp_path):
    (tmp_path / "link").symlink_to("real")
    for _ in range(2):
        export(student, run, tmp_path / "link", manifest_of(student))
        assert (tmp_path / "link").is_symlink()
        assert Bundle.open(tmp_path / "real").size > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "real"]


def test_without_an_exchange_the_old_bundle_steps_aside(run, student, tmp_path, monkeypatch):
    monkeypatch.setattr("distill.export._exchange", lambda one, other: False)
    output = tmp_path / "bundle"
    export(student, run, output, manifest_of(student))
    old = files_in(tmp_path)
    rename = type(output).rename

    def refuse(path, target):
        if path.name == ".bundle-making":
            raise OSError(errno.EIO, "disk trouble")
        return rename(path, target)

    monkeypatch.setattr(type(output), "rename", refuse)
    other = student_of(run, "textcnn")
    with pytest.raises(OSError, match="disk trouble"):
        export(other, run, output, manifest_of(student))
    assert files_in(tmp_path) == old
    monkeypatch.setattr(type(output), "rename", rename)
    export(other, run, output, manifest_of(student))
    assert list(tmp_path.iterdir()) == [output]
    assert files_in(tmp_path) != old


def test_a_full_disk_leaves_the_old_bundle(run, student, tmp_path, monkeypatch):
    output = tmp_path / "bundle"
    export(student, run, output, manifest_of(student))
    before = files_in(tmp_path)

    def half(model, path):
        path.write_bytes(model.SerializeToString()[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("distill.export.onnx.save", half)
    with pytest.raises(OSError, match="No space left"):
        export(student, run, output, manifest_of(student))
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("step", ["seal", "_put_in_place", "ExportReport"])
def test_a_killed_export_leaves_a_whole_bundle(run, student, tmp_path, step):
    """Killed as it begins each step; at the last the new bundle is in place, before it the old."""
    output = tmp_path / "bundle"
    export(student, run, output, manifest_of(student))
    old = files_in(output)
    torch.save(student_of(run, "textcnn"), tmp_path / "student.pt")
    code = f"""
import os, signal, torch
from pathlib import Path
import distill.export as module
from distill.bundle import Manifest

def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)


setattr(module, {step!r}, die)
student = torch.load({str(tmp_path / "student.pt")!r}, weights_only=False)
manifest = Manifest(dimension=32, max_tokens=128, smoothing=0.5)
module.export(student, Path({str(run)!r}), Path({str(output)!r}), manifest)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (tmp_path / "student.pt").unlink()
    assert (files_in(output) == old) == (step != "ExportReport")
    assert Encoder.load(output).encode(TEXTS).shape == (4, 32)
    export(student, run, output, manifest_of(student))
    assert list(tmp_path.iterdir()) == [output]  # nothing is left of the one that was killed


@pytest.mark.parametrize("training", [{}, {"config": {"student": {"width": 3}}, "vocabulary": 9}])
def test_a_bundle_that_does_not_tell_its_student_is_refused(run, student, tmp_path, training):
    manifest = dataclasses.replace(manifest_of(student), training=training)
    bundle = export(student, run, tmp_path / "bundle", manifest).bundle
    with pytest.raises(BundleError, match="holds no student that can learn on"):
        load_student(bundle)


def test_a_bundle_of_other_weights_is_refused(run, student, tmp_path):
    manifest = manifest_of(student)
    wrong = json.loads(json.dumps(dict(manifest.training)))
    wrong["config"]["student"]["hidden"] = 32
    bundle = export(
        student, run, tmp_path / "bundle", dataclasses.replace(manifest, training=wrong)
    ).bundle
    with pytest.raises(BundleError, match="size mismatch"):
        load_student(bundle)
