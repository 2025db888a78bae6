"""The whole method on a tiny random BERT: idf → vocabulary → teach → train → export → encode."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from distill.bundle import Bundle  # noqa: E402
from distill.cli import main  # noqa: E402
from distill.config import LossConfig, StudentConfig, TrainConfig  # noqa: E402
from distill.dataset import TrainingData, length_batches, read_training_data  # noqa: E402
from distill.encoder import Encoder  # noqa: E402
from distill.errors import TrainingError  # noqa: E402
from distill.export import export  # noqa: E402
from distill.idf import WordIdf  # noqa: E402
from distill.losses import pair_loss, vector_loss  # noqa: E402
from distill.shards import read_shards  # noqa: E402
from distill.student import STUDENTS, make_student  # noqa: E402
from distill.teacher import load_teacher  # noqa: E402
from distill.train import load_best, rate, train  # noqa: E402
from distill.weights import Weighting  # noqa: E402
from tests.conftest import ROOT  # noqa: E402

pytestmark = pytest.mark.torch

SENTENCES = [
    f"{verb}{noun}{end}"
    for verb in ("怎么申请", "如何取消", "能不能修改", "哪里查看")
    for noun in ("退货", "发票", "订单", "优惠券", "会员", "收货地址", "密码", "积分")
    for end in ("", "？")
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A random BERT of two layers on disk, with a vocabulary of the sentences' characters."""
    path = tmp_path_factory.mktemp("bert")
    characters = sorted(set("".join(SENTENCES)) | set("abc123"))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(path)
    tokenizer = transformers.BertTokenizerFast(vocab=str(path / "vocab.txt"))
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def run(bert, tmp_path_factory):
    """Everything that the commands leave behind."""
    path = tmp_path_factory.mktemp("run")
    (path / "corpus.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    pairs = "".join(f"{a}\t{a}？\t1\n{a}\t{b}\t0\n" for a, b in itertools.pairwise(SENTENCES))
    (path / "pairs").mkdir()
    (path / "pairs" / "train.tsv").write_text(pairs, encoding="utf-8")
    config = TrainConfig(
        student=StudentConfig(embedding=32, hidden=32, dimension=32),
        steps=60,
        batch=32,
        pair_batch=16,
        evaluate_every=20,
        learning_rate=5e-3,
        dropout=0.0,
    )
    (path / "config.json").write_text(config.to_json(), encoding="utf-8")
    corpus = f"{path}/corpus.txt"
    commands = [
        f"idf {corpus} --minimum 1 --workers 1 -o {path}/idf",
        f"vocabulary {corpus} --size 300 -o {path}/tok",
        f"teach {corpus} --teacher {bert} --pooling idf --idf {path}/idf --perturbations 2 "
        f"-o {path}/shards",
        f"train --shards {path}/shards --idf {path}/idf --tokenizer {path}/tok --workers 1 "
        f"--pairs {path}/pairs/train.tsv --dev {path}/pairs/train.tsv "
        f"--config {path}/config.json -o {path}/run",
        f"export {path}/run -o {path}/bundle --name tiny",
        f"evaluate --encoder {path}/bundle {path}/pairs/train.tsv --json {path}/scores.json",
    ]
    for command in commands:
        result = CliRunner().invoke(main, command.split())
        assert result.exit_code == 0, (command, result.output, result.exception)
    return path


def test_the_commands_end_in_a_bundle_that_encodes(run):
    encoder = Encoder.load(run / "bundle")
    vectors = encoder.encode(SENTENCES)
    assert vectors.shape == (len(SENTENCES), 32)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.bundle.manifest.training["labelled_pairs"] > 0
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    assert list(scores["spearman"].values())[0] > 20  # noqa: RUF015


def test_two_processes_share_a_run(bert, run, tmp_path):
    """The command under torchrun: shards by turns, batches in halves, one set of weights."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    inputs = f"--idf {run}/idf --tokenizer {run}/tok --config {run}/config.json"
    teach = f"teach {run}/corpus.txt --teacher {bert} --pooling idf --idf {run}/idf"
    for command in (
        f"{teach} --perturbations 2 --shard-size 16 -o {tmp_path}/shards",
        f"train --shards {tmp_path}/shards {inputs} --workers 1 -o {tmp_path}/run",
    ):
        done = subprocess.run(
            [*torchrun, "-m", "distill", *command.split()], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
    shards = [shard.vectors for shard in read_shards(tmp_path / "shards")]
    alone = next(read_shards(run / "shards")).vectors
    assert np.allclose(np.concatenate(shards), alone, atol=1e-3)
    log = (tmp_path / "run" / "log.csv").read_text(encoding="utf-8").splitlines()
    assert len(log) == 1 + 3  # one process reports
    losses = [float(line.split(",")[2]) for line in log[1:]]
    assert losses[-1] < losses[0]


def test_the_manifest_names_no_path_of_the_training_machine(run):
    assert str(run) not in (run / "bundle" / "manifest.json").read_text(encoding="utf-8")


def test_the_student_can_reproduce_its_teacher(run, tmp_path):
    """32 sentences, overfitted: what cannot do this cannot distil."""
    config = TrainConfig(
        student=StudentConfig(embedding=48, hidden=48, dimension=32),
        loss=LossConfig(contrast=0, similarity=0),
        steps=250,
        batch=32,
        evaluate_every=250,
        learning_rate=1e-2,
        noised_share=0.0,
        dropout=0.0,
    )
    data = read_training_data(
        config, shards=[run / "shards"], idf=run / "idf", tokenizer=run / "tok"
    )
    student = train(config, data, tmp_path)
    shard = next(read_shards(run / "shards"))
    rows = np.arange(32)
    batch = data.vectors.texts.batch(rows)
    with torch.inference_mode():
        ours = student(*(torch.from_numpy(a) for a in vars(batch).values())).numpy()
    assert (ours * shard.vectors[rows, 0].astype(np.float32)).sum(1).mean() > 0.95


def test_a_resumed_run_ends_where_an_unbroken_one_does(run, tmp_path):
    config = TrainConfig.load(run / "config.json")
    data = read_training_data(
        config, shards=[run / "shards"], idf=run / "idf", tokenizer=run / "tok"
    )
    whole = train(config, data, tmp_path / "whole")

    def die(row):
        if row["step"] == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "broken", die)
    resumed = train(config, data, tmp_path / "broken")
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_run_can_begin_with_the_best_of_another(run, tmp_path):
    settings = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(
        json.dumps(settings | {"steps": 1, "learning_rate": 1e-9}), encoding="utf-8"
    )
    command = (
        f"train --shards {run}/shards --idf {run}/idf --tokenizer {run}/tok --workers 1 "
        f"--config {tmp_path}/config.json --init {run}/run -o {tmp_path}/second"
    )
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output
    first = load_best(run / "run", TrainConfig.load(run / "config.json"), _vocabulary(run))
    second = load_best(tmp_path / "second", TrainConfig.load(run / "config.json"), _vocabulary(run))
    for ours, theirs in zip(second.parameters(), first.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    record = json.loads((tmp_path / "second" / "run.json").read_text(encoding="utf-8"))
    assert record["begun_with"]["metrics"]["step"] > 0


def _vocabulary(run):
    return json.loads((run / "run" / "run.json").read_text(encoding="utf-8"))["vocabulary"]


def test_a_checkpoint_of_another_config_is_refused(run):
    config = TrainConfig(student=StudentConfig(embedding=32, hidden=32, dimension=32), steps=61)
    data = read_training_data(
        config, shards=[run / "shards"], idf=run / "idf", tokenizer=run / "tok"
    )
    with pytest.raises(TrainingError, match="another config"):
        train(config, data, run / "run")


@pytest.mark.parametrize("pooling", ["cls", "mean", "first-last", "idf"])
def test_a_teachers_vectors_do_not_depend_on_their_batch(bert, run, pooling):
    teacher = load_teacher(str(bert), pooling, Weighting(WordIdf.load(run / "idf")))
    together = teacher.encode(SENTENCES[:9])[:, 0]
    alone = np.concatenate([teacher.encode([text]) for text in SENTENCES[:9]])[:, 0]
    assert together.shape == (9, 32)
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_idf_pooling_is_the_weighted_sum_of_the_last_layer(bert, run):
    weighting = Weighting(WordIdf.load(run / "idf"))
    vector = load_teacher(str(bert), "idf", weighting).encode(["怎么申请退货"])[0, 0]
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    model = transformers.AutoModel.from_pretrained(bert).eval()
    with torch.inference_mode():
        hidden = model(**tokenizer("怎么申请退货", return_tensors="pt")).last_hidden_state[0]
    wanted = weighting.weigh("怎么申请退货").weights @ hidden[1:-1].numpy()
    assert np.allclose(vector, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_a_sentence_transformers_directory_brings_its_own_pooling(bert, tmp_path):
    for file in bert.iterdir():
        os.link(file, tmp_path / file.name)
    modules = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (tmp_path / "1_Pooling").mkdir()
    config = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    own = load_teacher(str(tmp_path))
    assert own.pooling == "cls"
    cls = load_teacher(str(bert), "cls")
    plain = SENTENCES[:6:2]  # without the full-width mark, which only cls normalises
    assert np.allclose(own.encode(plain), cls.encode(plain), atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "message"), [("idf", "--idf FILE"), ("own", "has no modules.json")]
)
def test_a_teacher_that_lacks_something_says_what(bert, pooling, message):
    with pytest.raises(TrainingError, match=message):
        load_teacher(str(bert), pooling)


def test_a_missing_teacher_is_named(tmp_path):
    with pytest.raises(TrainingError, match="nowhere: cannot be loaded"):
        load_teacher(str(tmp_path / "nowhere"), "cls")


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", list(STUDENTS))
def test_padding_does_not_reach_a_students_vector(kind, layers):
    config = StudentConfig(kind=kind, embedding=8, hidden=64, layers=layers, dimension=8)
    student = make_student(config, 20).eval()
    ids, mask = torch.tensor([[3, 4, 5]]), torch.ones(1, 3, dtype=torch.long)
    weights = torch.tensor([[0.2, 0.3, 0.5]])
    pad = torch.zeros(1, 4)
    padded = student(
        torch.cat([ids, pad.long()], 1),
        torch.cat([mask, pad.long()], 1),
        torch.cat([weights, pad], 1),
    )
    assert torch.allclose(student(ids, mask, weights), padded, atol=1e-6)


def test_an_unknown_kind_of_student_is_named():
    with pytest.raises(TrainingError, match="unknown kind of student 'gru'"):
        make_student(StudentConfig(kind="gru"), 20)


@pytest.mark.parametrize("kind", ["textcnn", "transformer"])
def test_other_students_train_and_resume_alike(run, tmp_path, kind):
    config = TrainConfig(
        student=StudentConfig(kind=kind, embedding=16, hidden=64, dimension=32),
        steps=6,
        batch=16,
        evaluate_every=3,
    )
    data = read_training_data(
        config, shards=[run / "shards"], idf=run / "idf", tokenizer=run / "tok"
    )
    whole = train(config, data, tmp_path / "whole")

    def die(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "broken", die)
    resumed = train(config, data, tmp_path / "broken")
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_data_saved_and_mapped_again_is_the_same(run, tmp_path):
    config = TrainConfig.load(run / "config.json")
    read = read_training_data(
        config,
        shards=[run / "shards"],
        idf=run / "idf",
        tokenizer=run / "tok",
        pairs=[run / "pairs" / "train.tsv"],
        dev=[run / "pairs" / "train.tsv"],
    )
    assert TrainingData.load(tmp_path) is None
    read.save(tmp_path)
    mapped = TrainingData.load(tmp_path)
    rows = np.arange(5)
    for ours, theirs in (
        (mapped.vectors.texts, read.vectors.texts),
        (mapped.vectors.perturbed[1], read.vectors.perturbed[1]),
        (mapped.pairs.second, read.pairs.second),
        (mapped.dev["pairs/train"].first, read.dev["pairs/train"].first),
    ):
        assert np.array_equal(ours.batch(rows).weights, theirs.batch(rows).weights)
    assert np.array_equal(mapped.vectors.vectors, read.vectors.vectors)
    assert np.array_equal(mapped.pairs.labels, read.pairs.labels)


def test_perturbed_weights_belong_to_perturbed_vectors(bert, run):
    """The K-th stored vector is what the teacher gives with the weights the student then reads."""
    weighting = Weighting(WordIdf.load(run / "idf"))
    teacher = load_teacher(str(bert), "idf", weighting, perturbations=2)
    text = "怎么申请优惠券"
    vectors = teacher.encode([text])[0]
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    model = transformers.AutoModel.from_pretrained(bert).eval()
    with torch.inference_mode():
        hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0][1:-1].numpy()
    for k in (1, 2):
        weights = weighting.perturb(weighting.weigh(text), k).weights
        assert not np.allclose(weights, weighting.weigh(text).weights)
        wanted = weights @ hidden
        assert np.allclose(vectors[k], wanted / np.linalg.norm(wanted), atol=1e-5)


def test_the_backward_direction_reads_backwards():
    """Against torch's own bidirectional LSTM with the same weights."""
    student = make_student(StudentConfig(embedding=8, hidden=6, dimension=8), 20).eval()
    both = torch.nn.LSTM(8, 6, batch_first=True, bidirectional=True)
    state = {k: v for k, v in student.forward_lstm.state_dict().items()}
    state |= {f"{k}_reverse": v for k, v in student.backward_lstm.state_dict().items()}
    both.load_state_dict(state)
    ids = torch.tensor([[3, 4, 5, 6]])
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    embedded = student.embedding(ids)
    pooled = weights @ torch.cat([embedded, both(embedded)[0]], -1)[0]
    wanted = torch.nn.functional.normalize(student.project(pooled), dim=-1)
    assert torch.allclose(student(ids, torch.ones_like(ids), weights), wanted, atol=1e-6)


def test_losses_are_least_where_they_should_be():
    unit = torch.nn.functional.normalize(torch.randn(6, 8), dim=-1)
    other = torch.nn.functional.normalize(torch.randn(6, 8), dim=-1)
    assert vector_loss(unit, unit, LossConfig()) < vector_loss(other, unit, LossConfig())
    labels = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    good = torch.cat([unit[:3], -unit[3:]])
    assert pair_loss(unit, good, labels, LossConfig()) < pair_loss(
        unit, -good, labels, LossConfig()
    )


def test_the_learning_rate_warms_up_and_decays():
    config = TrainConfig(steps=100, warmup=0.1, final_rate=0.05)
    rates = [rate(step, config) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == 1
    assert rates[-1] == pytest.approx(0.05, abs=0.01)


def test_each_epoch_draws_every_usable_row_once():
    lengths = np.array([0, 3, 5, 3, 9, 1, 1, 2])
    batches = length_batches(lengths, 2, seed=1)
    rows = np.concatenate([next(batches) for _ in range(3)])
    assert len(set(rows.tolist())) == len(rows)
    assert 0 not in rows


def test_an_export_that_differs_is_not_put_in_place(run, tmp_path):
    config = TrainConfig.load(run / "config.json")
    record = json.loads((run / "run" / "run.json").read_text(encoding="utf-8"))
    student = load_best(run / "run", config, record["vocabulary"])
    student.forward = lambda *args: torch.zeros(4, 32)
    with pytest.raises(TrainingError, match="differs from torch"):
        export(student, run / "run", tmp_path / "b", Bundle.open(run / "bundle").manifest)
    assert not (tmp_path / "b").exists()


def test_training_needs_something_to_train_on(run, tmp_path):
    config = TrainConfig(
        student=StudentConfig(embedding=8, hidden=8, dimension=32),
        vector_share=0.0,
        perturbed_share=0.0,
        noised_share=0.0,
    )
    data = read_training_data(
        config, shards=[run / "shards"], idf=run / "idf", tokenizer=run / "tok"
    )
    assert isinstance(data, TrainingData)
    with pytest.raises(TrainingError, match="nothing to train on"):
        train(config, data, tmp_path)
