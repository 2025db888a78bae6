"""A tiny student learns on from pairs: better on held-out ones, never half-written."""

import dataclasses
import json
from itertools import combinations

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from distill.bundle import IDF, TOKENIZER, Bundle, Manifest  # noqa: E402
from distill.cli import main  # noqa: E402
from distill.config import FinetuneConfig, FinetuneLossConfig, StudentConfig  # noqa: E402
from distill.corpus import HeldOut  # noqa: E402
from distill.encoder import Encoder  # noqa: E402
from distill.errors import CorpusError, TrainingError  # noqa: E402
from distill.export import export, load_student  # noqa: E402
from distill.finetune import Finetuned, _blend, finetune, tuned_manifest  # noqa: E402
from distill.finetune_data import read_finetune_data  # noqa: E402
from distill.idf import count_words  # noqa: E402
from distill.student import make_student  # noqa: E402
from distill.tokens import train_tokenizer  # noqa: E402

pytestmark = pytest.mark.torch

NOUNS = ("退货", "发票", "订单", "优惠券", "会员", "地址", "密码", "积分", "运费", "客服")
ASKING = ("怎么申请{}", "{}如何办理", "想弄{}", "哪里可以取消{}", "不要{}了", "{}撤回")
ENTRIES = [
    [form.format(noun) for form in forms] for noun in NOUNS for forms in (ASKING[:3], ASKING[3:])
]
SENTENCES = [text for entry in ENTRIES for text in entry]
CONFIG = FinetuneConfig(
    epochs=4, batch=16, learning_rate=5e-3, patience=4, general_batch=8, blend=1.0
)


def lines(pairs):
    return "".join(f"{a}\t{b}\t{label}\n" for a, b, label in pairs)


POSITIVES = [(a, b, 1) for entry in ENTRIES for a, b in combinations(entry, 2)]
# The entry of the same noun is the nearest: what may be asked of it is told apart.
NEGATIVES = [(ENTRIES[i][0], ENTRIES[i + 1][0], 0) for i in range(0, len(ENTRIES), 2)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A bundle of an untrained student."""
    path = tmp_path_factory.mktemp("encoder")
    count_words(SENTENCES, minimum=1, workers=1).save(path / IDF)
    tokenizer = train_tokenizer(SENTENCES, 300)
    tokenizer.save(str(path / TOKENIZER))
    torch.manual_seed(0)
    config = StudentConfig(embedding=32, hidden=32, dimension=32, max_tokens=32)
    student = make_student(config, tokenizer.get_vocab_size())
    record = {
        "config": {"student": dataclasses.asdict(config)},
        "vocabulary": tokenizer.get_vocab_size(),
    }
    manifest = Manifest(
        dimension=32, max_tokens=32, smoothing=0.5, name="tiny", teacher="none", training=record
    )
    export(student.eval(), path, path / "bundle", manifest)
    return path / "bundle"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    path.write_text(lines(POSITIVES + NEGATIVES), encoding="utf-8")
    return path


@pytest.fixture
def run(encoder, tmp_path):
    """Run `python -m distill finetune` into tmp_path/tuned with the tiny config."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(dataclasses.asdict(CONFIG)), encoding="utf-8")

    def run(*arguments, standard_input=None):
        command = ["finetune", *map(str, arguments), "--encoder", str(encoder), "--workers", "1"]
        command += ["--config", str(config), "-o", str(tmp_path / "tuned")]
        result = CliRunner().invoke(main, command, input=standard_input)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return run


def test_held_out_questions_find_their_partners_better_than_before(encoder, pairs):
    bundle = Bundle.open(encoder)
    data = read_finetune_data(CONFIG, bundle, [pairs])
    tuned = finetune(CONFIG, load_student(bundle), data)
    assert tuned.after["MRR"] > tuned.before["MRR"] + 5
    assert 1 <= tuned.epoch <= CONFIG.epochs


def test_the_student_given_stays_as_it_is_and_a_run_repeats_itself(encoder, pairs):
    bundle = Bundle.open(encoder)
    data = read_finetune_data(CONFIG, bundle, [pairs])
    student = load_student(bundle)
    once = finetune(CONFIG, student, data)
    again = finetune(CONFIG, student, data)
    assert (once.after, once.epoch) == (again.after, again.epoch)
    fresh = load_student(bundle)
    for ours, theirs in zip(student.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_no_text_of_a_held_out_meaning_is_trained_on(encoder, pairs):
    data = read_finetune_data(CONFIG, Bundle.open(encoder), [pairs])
    trained = np.unique(data.meaning[np.concatenate([data.first, data.second])])
    assert len(data.held_out)
    assert not np.isin(data.meaning[data.held_out], trained).any()


def test_texts_that_differ_in_punctuation_mean_the_same(encoder, tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text(lines([*POSITIVES, ("怎么申请退货？", "退货怎样办", 1)]), encoding="utf-8")
    data = read_finetune_data(CONFIG, Bundle.open(encoder), [file])
    assert len(np.unique(data.meaning)) == len(ENTRIES)


def test_excluded_texts_are_not_read(encoder, pairs):
    held_out = HeldOut(frozenset(ENTRIES[0]))
    whole = read_finetune_data(CONFIG, Bundle.open(encoder), [pairs])
    data = read_finetune_data(CONFIG, Bundle.open(encoder), [pairs], excluded=held_out)
    assert len(data.texts) == len(whole.texts) - len(ENTRIES[0])


@pytest.mark.parametrize("weight", ["own_weight", "general_weight"])
def test_the_old_vectors_hold_back(encoder, pairs, tmp_path, weight):
    general = tmp_path / "general.txt"
    general.write_text("\n".join(f"{noun}好吗" for noun in NOUNS), encoding="utf-8")
    bundle = Bundle.open(encoder)
    data = read_finetune_data(CONFIG, bundle, [pairs], general=[general])
    what = "general" if weight == "general_weight" else "texts of the pairs"
    moved = []
    for strength in (0.0, 6.0):
        config = dataclasses.replace(CONFIG, epochs=2, **{weight: strength})
        moved.append(finetune(config, load_student(bundle), data).moved[what].mean())
    assert moved[1] > moved[0] + 0.01


def test_dev_pairs_select_if_they_are_given(encoder, pairs, tmp_path):
    dev = tmp_path / "dev.tsv"
    dev.write_text(
        lines(POSITIVES[:9] + [(a, b, 0) for a, b in zip(*ENTRIES[:2], strict=True)]), "utf-8"
    )
    bundle = Bundle.open(encoder)
    data = read_finetune_data(CONFIG, bundle, [pairs], dev=[dev])
    assert len(data.held_out) == 0
    tuned = finetune(CONFIG, load_student(bundle), data)
    assert list(tuned.after) == [f"Spearman {tmp_path.name}/dev"]


def test_the_command_writes_a_bundle_and_what_it_changed(run, encoder, pairs, tmp_path):
    result = run(pairs, "--evaluate", pairs)
    assert result.exit_code == 0, result.output
    measures = {line.split("  ")[0] for line in result.stdout.splitlines()}
    assert {"MRR", "Recall@1", f"Spearman {pairs}"} <= measures
    old, new = Encoder.load(encoder), Encoder.load(tmp_path / "tuned")
    assert new.fingerprint != old.fingerprint
    assert new.bundle.manifest.sha256[TOKENIZER] == old.bundle.manifest.sha256[TOKENIZER]
    assert new.bundle.manifest.sha256[IDF] == old.bundle.manifest.sha256[IDF]
    (record,) = new.bundle.manifest.training["finetuned"]
    assert record["from"] == old.fingerprint
    assert record["pairs"] > 0
    assert record["config"]["epochs"] == CONFIG.epochs
    assert str(tmp_path) not in json.dumps(record)


def test_pairs_may_come_from_standard_input(run, tmp_path):
    assert run("-", standard_input=lines(POSITIVES)).exit_code == 0
    assert Bundle.open(tmp_path / "tuned")


def test_the_manifest_keeps_what_came_before(encoder):
    bundle = Bundle.open(encoder)
    tuned = Finetuned(torch.nn.Identity(), 2, {"MRR": 50.0}, {"MRR": 60.0}, {})
    once = tuned_manifest(bundle, tuned, {"pairs": 5})
    twice = tuned_manifest(dataclasses.replace(bundle, manifest=once), tuned, {"pairs": 6}, "mine")
    assert twice.training["config"] == bundle.manifest.training["config"]
    assert [record["pairs"] for record in twice.training["finetuned"]] == [5, 6]
    assert (once.name, twice.name) == ("tiny-tuned", "mine")
    assert twice.metrics == {"MRR": 60.0}


def test_positive_pairs_are_needed(encoder, tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text(lines([(a, b, 0.5) for a, b, _ in POSITIVES]), encoding="utf-8")
    with pytest.raises(TrainingError, match="0 of 60 pairs are positive"):
        read_finetune_data(CONFIG, Bundle.open(encoder), [file])


def test_pairs_of_one_meaning_cannot_be_held_out(encoder, tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text(lines(POSITIVES[:3]), encoding="utf-8")
    with pytest.raises(TrainingError, match="--dev"):
        read_finetune_data(CONFIG, Bundle.open(encoder), [file])


def test_a_loss_that_is_no_number_stops(encoder, pairs):
    bundle = Bundle.open(encoder)
    data = read_finetune_data(CONFIG, bundle, [pairs])
    config = dataclasses.replace(CONFIG, loss=FinetuneLossConfig(temperature=float("nan")))
    with pytest.raises(TrainingError, match="the loss is nan"):
        finetune(config, load_student(bundle), data)


def test_an_encoder_that_cannot_get_better_is_kept(encoder, pairs):
    bundle = Bundle.open(encoder)
    data = read_finetune_data(CONFIG, bundle, [pairs])
    config = dataclasses.replace(CONFIG, learning_rate=0.0)
    with pytest.raises(TrainingError, match="no epoch was better"):
        finetune(config, load_student(bundle), data)


def test_dev_pairs_of_one_label_are_refused(encoder, pairs, tmp_path):
    (tmp_path / "dev.tsv").write_text(lines(POSITIVES), encoding="utf-8")
    with pytest.raises(CorpusError, match="all labels are equal"):
        read_finetune_data(CONFIG, Bundle.open(encoder), [pairs], dev=[tmp_path / "dev.tsv"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.tsv"], "nowhere.tsv: no such file"),
        (["-"], "holds no text"),  # nothing came through the pipe
    ],
)
def test_what_cannot_be_read_is_one_line_and_leaves_nothing(run, tmp_path, arguments, message):
    result = run(*arguments, standard_input="")
    assert (result.exit_code, message in result.stderr) == (1, True)
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "tuned").exists()
    assert not list(tmp_path.glob(".tuned*"))


def test_a_damaged_bundle_is_named(encoder, pairs, tmp_path):
    arguments = [str(pairs), "--encoder", str(tmp_path), "-o", str(tmp_path / "tuned")]
    result = CliRunner().invoke(main, ["finetune", *arguments])
    assert (result.exit_code, "这里没有编码器" in result.stderr) == (1, True)


def test_what_is_no_bundle_is_never_replaced(run, pairs, tmp_path):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / "thesis.txt").write_text("years of work", encoding="utf-8")
    result = run(pairs)
    assert (result.exit_code, "is no bundle" in result.stderr) == (1, True)
    assert (tmp_path / "tuned" / "thesis.txt").exists()


def test_a_blend_stands_between_the_old_weights_and_the_new():
    old, new = (torch.nn.Linear(3, 2) for _ in range(2))
    blended = _blend(old, new, 0.75)
    assert torch.allclose(blended.weight, 0.25 * old.weight + 0.75 * new.weight)
