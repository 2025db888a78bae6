"""A student that goes on with more hidden units gives the vectors it gave before."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from distill.bundle import IDF, TOKENIZER, Bundle  # noqa: E402
from distill.cli import main  # noqa: E402
from distill.config import StudentConfig, TrainConfig  # noqa: E402
from distill.dataset import Ragged, TrainingData, VectorData  # noqa: E402
from distill.errors import TrainingError  # noqa: E402
from distill.export import load_student  # noqa: E402
from distill.shards import ShardPlan, write_shards  # noqa: E402
from distill.student import make_student  # noqa: E402
from distill.train import load_best, train  # noqa: E402
from distill.widen import take_over  # noqa: E402
from tests.conftest import ROOT  # noqa: E402

pytestmark = pytest.mark.torch

BUNDLE = ROOT / "data" / "encoder"
VOCABULARY = 50


def student(hidden, layers=1, kind="bilstm", embedding=16):
    """Return a student with weights of its own."""
    torch.manual_seed(hidden)
    config = StudentConfig(kind, embedding, hidden, layers, dimension=24)
    return make_student(config, VOCABULARY).eval()


def vectors(model, vocabulary=VOCABULARY):
    """Return what a student makes of a few random texts of several lengths."""
    rng = np.random.default_rng(3)
    mask = (np.arange(12) < np.array([12, 12, 7, 1])[:, None]).astype(np.int64)
    ids = rng.integers(2, vocabulary, mask.shape) * mask
    weights = (rng.random(mask.shape) * mask).astype(np.float32)
    with torch.inference_mode():
        return model(*map(torch.from_numpy, (ids, mask, weights)))


def lowest_cosine(one, other):
    return float((one * other).sum(-1).min())


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("hidden", [9, 12, 20])  # of 8: one copy, some, all and some twice
def test_a_wider_student_begins_with_the_same_vectors(hidden, layers):
    narrow, wide = student(8, layers), student(hidden, layers)
    assert lowest_cosine(vectors(narrow), vectors(wide)) < 0.9
    take_over(wide, narrow.state_dict())
    assert lowest_cosine(vectors(narrow), vectors(wide)) > 0.99999


def test_a_share_is_never_nothing(monkeypatch):
    """A random number of 0 for a unit without a copy would divide its weight by 0."""
    monkeypatch.setattr(torch, "rand", lambda *size: torch.zeros(size))
    narrow, wide = student(8), student(12)
    take_over(wide, narrow.state_dict())
    assert lowest_cosine(vectors(narrow), vectors(wide)) > 0.99999


def test_copies_of_a_unit_learn_apart():
    narrow, wide = student(8), student(16)
    take_over(wide, narrow.state_dict())
    before = wide.forward_lstm.weight_hh_l0[:8].detach().clone()
    optimiser = torch.optim.AdamW(wide.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    ids = torch.from_numpy(rng.integers(2, VOCABULARY, (6, 5)))
    target = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(6, 24))).float())
    for _ in range(3):
        vectors = wide(ids, torch.ones_like(ids), torch.full(ids.shape, 0.2))
        optimiser.zero_grad()
        (1 - (vectors * target).sum(-1)).mean().backward()
        optimiser.step()
    first, copy = wide.forward_lstm.weight_ih_l0.detach()[:16].chunk(2)  # of the input gate
    assert torch.allclose(*wide.forward_lstm.bias_ih_l0.detach()[:16].chunk(2), atol=0.1)
    assert not torch.allclose(first, copy, atol=1e-4)
    assert not torch.allclose(wide.forward_lstm.weight_hh_l0.detach()[:8], before)


@pytest.mark.parametrize(
    ("given", "wanted", "reason"),
    [
        (student(8), student(6), "cannot be narrowed to 6"),
        (student(8), student(12, embedding=20), "only a bilstm's hidden may be larger"),
        (student(8), student(12, layers=2), "only a bilstm's hidden may be larger"),
        (student(8, kind="textcnn"), student(12, kind="textcnn"), "only a bilstm's hidden"),
        (student(8, kind="textcnn"), student(12), "only a bilstm's hidden"),
    ],
)
def test_what_cannot_be_widened_is_refused(given, wanted, reason):
    with pytest.raises(TrainingError, match=reason):
        take_over(wanted, given.state_dict())


def _data(vocabulary):
    """A few random texts with random vectors, for a run of one step."""
    rng = np.random.default_rng(0)
    texts = Ragged(
        np.arange(0, 33, 4), rng.integers(2, vocabulary, 32, np.int32), np.full(32, 0.25, "f")
    )
    targets = rng.normal(size=(8, 1, 384)).astype(np.float16)
    empty = Ragged(np.zeros(9, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    return TrainingData(vocabulary, VectorData(texts, (), empty, targets, targets[:, 0].mean(0)))


def test_a_run_begins_with_a_bundle_and_more_hidden_units(tmp_path):
    bundle = Bundle.open(BUNDLE)
    served = load_student(bundle)
    shape = bundle.manifest.training["config"]["student"]
    wider = StudentConfig(**{**shape, "hidden": shape["hidden"] + 64})
    config = TrainConfig(student=wider, steps=1, batch=8, learning_rate=1e-9, threads=1)
    train(config, _data(bundle.manifest.training["vocabulary"]), tmp_path / "run", init=BUNDLE)
    learnt = load_best(tmp_path / "run", config, bundle.manifest.training["vocabulary"])
    assert learnt.forward_lstm.hidden_size == wider.hidden
    assert lowest_cosine(vectors(served, 10_000), vectors(learnt, 10_000)) > 0.9999


def test_the_command_names_the_bundle_that_does_not_fit(tmp_path):
    plan = ShardPlan("t", "0", "mean", "", "", 0, "0", 8, 8)
    texts = [f"怎么申请退货{i}" for i in range(8)]
    rng = np.random.default_rng(0)
    write_shards(
        tmp_path / "shards", plan, [(t, t) for t in texts], lambda rows: _unit(rng, len(rows))
    )
    config = TrainConfig(student=StudentConfig(embedding=256, hidden=32, dimension=384), steps=1)
    (tmp_path / "config.json").write_text(config.to_json(), encoding="utf-8")
    command = (
        f"train --shards {tmp_path}/shards --idf {BUNDLE}/{IDF} --tokenizer {BUNDLE}/{TOKENIZER} "
        f"--config {tmp_path}/config.json --workers 1 --init"
    ).split()
    result = CliRunner().invoke(main, [*command, str(BUNDLE), "-o", f"{tmp_path}/run"])
    assert result.exit_code == 1
    assert f"{BUNDLE}: has 256 hidden units" in result.output
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["begun_with"]["fingerprint"] == Bundle.open(BUNDLE).fingerprint
    other = tmp_path / TOKENIZER
    other.write_bytes((BUNDLE / TOKENIZER).read_bytes() + b" ")
    swapped = [part.replace(f"{BUNDLE}/{TOKENIZER}", str(other)) for part in command]
    result = CliRunner().invoke(main, [*swapped, str(BUNDLE), "-o", f"{tmp_path}/other"])
    assert result.exit_code == 1
    assert f"--tokenizer {BUNDLE}/{TOKENIZER}" in result.output
    result = CliRunner().invoke(main, [*command, str(tmp_path), "-o", f"{tmp_path}/other"])
    assert result.exit_code == 1
    assert f"{tmp_path}: neither a training run nor a bundle" in result.output


def _unit(rng, rows):
    found = rng.normal(size=(rows, 1, 384)).astype(np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)
