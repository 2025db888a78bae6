"""The other ways to compress a teacher: each does what its paper says, on a tiny random BERT."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from distill.bundle import IDF, Bundle  # noqa: E402
from distill.classifier import Classifier  # noqa: E402
from distill.cli import main  # noqa: E402
from distill.compressors import augmentation  # noqa: E402
from distill.compressors.augmentation import MASK, augmented, tag, vary  # noqa: E402
from distill.compressors.compress import (  # noqa: E402
    Materials,
    Tutor,
    compress,
    pair_scores,
    taken_layers,
    untrained,
)
from distill.compressors.examples import CHARACTERS, Examples, Problem  # noqa: E402
from distill.compressors.methods import LABELS, METHODS, PAIRS, method_named  # noqa: E402
from distill.compressors.objectives import (  # noqa: E402
    direction,
    patient,
    score_distance,
    softened,
    spread,
    transformer_distance,
)
from distill.compressors.training import Budget, Rates, fit, rate  # noqa: E402
from distill.compressors.transformer import Checkpoint, TransformerModel  # noqa: E402
from distill.encoder import Encoder  # noqa: E402
from distill.errors import TrainingError  # noqa: E402
from distill.idf import WordIdf  # noqa: E402
from distill.weights import Weighting  # noqa: E402
from tests.conftest import BUNDLE  # noqa: E402

pytestmark = pytest.mark.torch

NOUNS = ("退货", "发票", "密码")
TEXTS = [
    f"{verb}{noun}{end}"
    for noun in NOUNS
    for verb in ("怎么申请", "如何取消", "能不能修改", "哪里查看")
    for end in ("", "吗", "呢")
]
LABELLED = Examples.of(TEXTS, np.repeat(np.arange(3), 12))
TOGETHER = Examples.of(
    TEXTS, np.array([i % 2 for i in range(36)]), [TEXTS[i if i % 2 else i - 13] for i in range(36)]
)
QUICK = Budget(steps=4, batch=8, evaluations=2)


def tiny_bert(path, layers=6):
    """Write a random BERT whose vocabulary is the texts' characters."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set("".join(TEXTS)))]
    (path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(path)
    transformers.BertTokenizerFast(vocab=str(path / "vocab.txt")).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def materials(tmp_path_factory):
    bundle = Bundle.open(BUNDLE)
    weighting = Weighting(WordIdf.load(BUNDLE / IDF), bundle.manifest.smoothing)
    path = tiny_bert(tmp_path_factory.mktemp("bert"))
    checkpoint = Checkpoint.load(str(path), weighting, prefix="")
    encoder = Encoder.load(BUNDLE)
    models = {}

    def embed(source, texts):
        if source == "ours":
            return encoder.encode(texts, workers=1)
        if source not in models:
            models[source] = TransformerModel(checkpoint, 2, source)
        return models[source].vectors(texts)

    return Materials(bundle, checkpoint, embed)


@pytest.fixture(scope="module")
def tutors(materials):
    """The teacher fine-tuned on each task, and what was asked of it."""
    found = {}
    for task, examples in ((LABELS, LABELLED), (PAIRS, TOGETHER)):
        problem = Problem(examples, examples, 3 if task == LABELS else 2)
        made = compress(METHODS["teacher"], problem, materials, QUICK, lambda: None)
        found[task] = Tutor(made.model, made.scores)
    return found


# The losses


def states(seed, layers=2, tokens=5):
    torch.manual_seed(seed)
    return tuple(torch.randn(2, tokens, 8) for _ in range(layers + 1))


def attentions(seed, layers=2):
    torch.manual_seed(seed)
    return tuple(torch.randn(2, 2, 5, 5).softmax(-1) for _ in range(layers))


MASK_ROWS = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def test_a_student_like_its_teacher_has_no_loss():
    scores, own, seen = torch.randn(4, 3), states(0), attentions(1)
    assert score_distance(scores, scores) == 0
    assert softened(scores, scores, 4.0) == pytest.approx(0, abs=1e-5)
    assert softened(scores, scores + 3, 4.0) == pytest.approx(0, abs=1e-5)  # the same labels
    assert patient(own, own, [0, 1]) == pytest.approx(0, abs=1e-6)
    assert direction(own[-1], 2 * own[-1], MASK_ROWS) == pytest.approx(0, abs=1e-6)
    assert transformer_distance((own, own), (seen, seen), MASK_ROWS, [0, 1]) == 0


@pytest.mark.parametrize(
    "loss",
    [
        lambda own: score_distance(own[0][:, 0], states(9)[0][:, 0]),
        lambda own: softened(own[0][:, 0], states(9)[0][:, 0], 4.0),
        lambda own: patient(own, states(9), [0, 1]),
        lambda own: direction(own[0], states(9)[0], MASK_ROWS),
        lambda own: transformer_distance(
            (own, states(9)), (attentions(1), attentions(2)), MASK_ROWS, [0, 1]
        ),
    ],
)
def test_a_step_down_the_gradient_brings_a_student_nearer(loss):
    own = [state.requires_grad_() for state in states(0)]
    before = loss(own)
    assert before > 0
    before.backward()
    after = [state.detach() - 0.05 * (0 if state.grad is None else state.grad) for state in own]
    assert loss(after) < before


def test_softened_gradients_keep_their_size_whatever_the_temperature():
    sizes = []
    for temperature in (50.0, 100.0):
        scores = torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)
        softened(scores, torch.tensor([[0.0, 2.0, 0.0]]), temperature).backward()
        sizes.append(scores.grad.norm().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


def test_padding_is_left_out():
    own, other = states(0), states(1)
    changed = tuple(state.clone() for state in own)
    for state in changed:
        state[1, 3:] += 100
    seen = attentions(1), attentions(2)
    assert direction(own[0], other[0], MASK_ROWS) == direction(changed[0], other[0], MASK_ROWS)
    assert transformer_distance((own, other), seen, MASK_ROWS, [0, 1]) == transformer_distance(
        (changed, other), seen, MASK_ROWS, [0, 1]
    )


def test_layers_are_spread_evenly_and_the_last_belongs_to_the_last():
    assert spread(6, 12) == [1, 3, 5, 7, 9, 11]
    assert spread(4, 12) == [2, 5, 8, 11]
    assert spread(1, 2) == [1]
    with pytest.raises(TrainingError, match="取不出"):
        spread(3, 2)


def test_patience_looks_at_the_right_layers_and_leaves_the_last_to_the_scores():
    teacher = states(3, layers=4)
    student = [torch.randn(2, 5, 8), teacher[2], torch.randn(2, 5, 8)]
    assert patient(student, teacher, [1, 3]) == pytest.approx(0, abs=1e-6)
    assert patient(student, teacher, [0, 3]) > 0.1
    with pytest.raises(TrainingError, match="2 层的学生"):
        patient(student, teacher, [1])


# The models


def test_students_begin_with_the_layers_their_papers_say(materials):
    teacher = materials.checkpoint.bert.encoder.layer
    wanted = {"pkd": [0, 1, 2], "distilbert": [1, 3, 5], "dse": [1, 3, 5], "tinybert": [2, 5]}
    for name, layers in wanted.items():
        method = METHODS[name]
        assert taken_layers(method, 6) == layers
        bert = untrained(method, materials, 2, pairs=True).bert
        for own, layer in zip(bert.encoder.layer, layers, strict=True):
            assert torch.equal(own.output.dense.weight, teacher[layer].output.dense.weight)
            assert own.output.dense.weight is not teacher[layer].output.dense.weight


def test_the_word_vectors_are_shared_and_not_trained(materials):
    model = untrained(METHODS["pkd"], materials, 2, pairs=False)
    words = materials.checkpoint.bert.get_input_embeddings().weight
    assert model.bert.get_input_embeddings().weight is words
    assert not any(p is words for p in model.learning().values())
    assert model.learning()


@pytest.mark.parametrize("pooling", ["mean", "cls", "idf"])
def test_a_text_scores_the_same_alone_and_in_a_batch(materials, pooling):
    model = TransformerModel(materials.checkpoint, 3, pooling)
    model.mixed = False
    whole = model.score_all(model.read(LABELLED))
    alone = model.score_all(model.read(Examples.of(TEXTS[4:5], np.zeros(1))))
    assert np.allclose(whole[4], alone[0], atol=1e-5)


def test_poolings_weigh_tokens_as_they_are_called(materials):
    weights = {
        pooling: TransformerModel(materials.checkpoint, 3, pooling).read(LABELLED)[0].weights[:8]
        for pooling in ("mean", "cls", "idf")
    }
    assert len(set(weights["mean"].tolist())) == 1
    assert weights["cls"].tolist()[:3] == [1, 0, 0]
    assert weights["idf"][0] == 0  # [CLS] is no word
    assert weights["idf"].max() > weights["mean"].max()


def test_two_texts_are_read_together_or_apart(materials):
    together = untrained(METHODS["teacher"], materials, 2, pairs=True).read(TOGETHER)
    apart = untrained(METHODS["dse"], materials, 2, pairs=True).read(TOGETHER)
    assert len(together) == 2
    assert len(apart) == 4
    assert together[1].ids.max() == 1  # the second text's tokens are of the other type
    assert (together[0].lengths == apart[0].lengths + apart[2].lengths - 1).all()


def test_every_method_reads_the_same_part_of_a_text():
    assert Examples.of(["长" * 500], np.zeros(1)).texts == ("长" * CHARACTERS,)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("task", [LABELS, PAIRS])
def test_every_method_makes_a_model_of_every_task_it_has(materials, tutors, name, task):
    method, examples = METHODS[name], LABELLED if task == LABELS else TOGETHER
    problem = Problem(examples, examples, 3 if task == LABELS else 2)
    if task not in method.tasks:
        with pytest.raises(TrainingError, match="不用于"):
            compress(method, problem, materials, QUICK, lambda: tutors[task])
        return
    asked = []

    def tutor():
        asked.append(name)
        return tutors[task]

    made = compress(method, problem, materials, QUICK, tutor)
    scores = made.scores(examples)
    assert scores.shape == (36, problem.classes)
    assert np.isfinite(scores).all()
    assert bool(asked) == method.taught
    assert (made.model is None) == (not method.trained)
    if task == PAIRS:
        assert len(set(pair_scores(scores).tolist())) > 1


def test_a_student_of_a_good_teacher_learns_what_the_labels_do_not_say(materials):
    """The labels are wrong, the teacher is right: who imitates it is right as well."""
    wrong = replace(LABELLED, labels=(LABELLED.labels + 1) % 3)
    problem = Problem(wrong, LABELLED, 3)

    def right(given):
        found = [next(i for i, noun in enumerate(NOUNS) if noun in t) if any(
            noun in t for noun in NOUNS) else 0 for t in given.texts]  # fmt: skip
        return 8 * np.eye(3, dtype=np.float32)[found]

    tutor = Tutor(None, right)
    budget = Budget(steps=60, batch=12, evaluations=3)
    for name in ("distilled_bilstm", "cnn"):
        made = compress(METHODS[name], problem, materials, budget, lambda: tutor)
        assert (made.scores(LABELLED).argmax(1) == LABELLED.labels).mean() > 0.9, name


def test_an_unknown_method_is_named_with_those_there_are():
    with pytest.raises(TrainingError, match="teacher_cls.*怎么办|怎么办.*teacher_cls"):
        method_named("x")


# Training


class Line(torch.nn.Module):
    """One number that should become 3."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(1, 1, bias=False)
        self.body = torch.nn.Parameter(torch.zeros(1))

    def learning(self):
        return dict(self.named_parameters())


def test_the_best_step_is_kept_and_not_the_last():
    model, seen = Line(), []

    def dev():
        seen.append(model.body.item())
        return -abs(len(seen) - 3)  # the third evaluation is best: step 4 of 8

    budget = Budget(steps=8, batch=2, evaluations=4)
    lengths = np.ones(8, np.int64)
    best = fit(model, lambda rows: (model.body - 3).square().sum(), lengths, dev,
               Rates(0.1, 0.1), budget)  # fmt: skip
    assert best.step == 4
    assert model.body.item() == pytest.approx(seen[2])
    assert seen[-1] != seen[2]


def test_a_loss_that_is_not_finite_is_an_error():
    model = Line()
    with pytest.raises(TrainingError, match="第 1 步"):
        fit(model, lambda rows: model.body.sum() * float("nan"), np.ones(4, np.int64), None,
            Rates(0.1, 0.1), Budget(steps=2, batch=2))  # fmt: skip


def test_the_learning_rate_rises_and_falls():
    assert rate(0.05, 0.1) == pytest.approx(0.5)
    assert rate(0.1, 0.1) == 1
    assert rate(1, 0.1) == 0


# Augmentation


def test_augmentation_is_the_same_for_the_same_seed_and_changes_texts():
    first, again, other = (augmented(LABELLED, 200, seed) for seed in (1, 1, 2))
    assert first.texts == again.texts != other.texts
    assert (first.labels == again.labels).all()
    assert not {*first.texts} & {*TEXTS}
    assert len(set(first.texts)) == len(first)
    assert 60 < len(first) <= 200


def test_new_texts_keep_the_label_of_the_one_they_came_from(monkeypatch):
    monkeypatch.setattr(augmentation, "REPLACED", 0.0)
    for text, label in zip(*(lambda e: (e.texts, e.labels))(augmented(LABELLED, 200, 0)),
                           strict=True):  # fmt: skip
        nouns = [noun for noun in NOUNS if noun in text]
        assert nouns in ([], [NOUNS[label]]), text


def test_of_a_pair_the_first_is_changed_or_the_second_or_both():
    new = augmented(TOGETHER, 300, 0)
    originals = {*zip(TOGETHER.texts, TOGETHER.others, strict=True)}
    changed = {(a not in TEXTS, b not in TEXTS) for a, b in zip(new.texts, new.others, strict=True)}
    assert changed >= {(True, False), (False, True), (True, True)}
    assert not originals & {*zip(new.texts, new.others, strict=True)}


def test_a_word_is_replaced_by_one_of_the_same_part_of_speech(monkeypatch):
    monkeypatch.setattr(augmentation, "MASKED", 0.0)
    monkeypatch.setattr(augmentation, "REPLACED", 1.0)
    monkeypatch.setattr(augmentation, "CUT", 0.0)
    text = (("退货", "v"), ("发票", "n"))
    words = {"v": ("取消",), "n": ("密码",)}
    assert vary(text, words, random.Random(0)) == "取消密码"


def test_masking_leaves_something_to_read(monkeypatch):
    monkeypatch.setattr(augmentation, "MASKED", 0.9)
    found = [vary(tag(text), {}, random.Random(i)) for i, text in enumerate(TEXTS)]
    assert any(MASK in text for text in found)
    assert all(text.replace(MASK, "") for text in found)


def test_a_transformer_reads_its_own_mask_token(materials):
    model = TransformerModel(materials.checkpoint, 2)
    ids = model.read(Examples((f"{MASK}退货",), np.zeros(1)))[0].ids
    assert ids[1] == materials.checkpoint.tokenizer.token_to_id("[MASK]")


# The command


def rows_of_a_table(path, texts=TEXTS):
    noun = {text: next(noun for noun in NOUNS if noun in text) for text in texts}
    lines = "".join(f"{text},{noun[text]}\n" for text in texts)
    path.write_text(f"文本,标签\n{lines}", encoding="utf-8")
    return path


def test_a_student_is_written_and_serves_as_a_classifier(materials, tmp_path):
    table = rows_of_a_table(tmp_path / "t.csv")
    result = CliRunner().invoke(main, [
        "compress", "soft_labels", str(table), "--teacher", materials.checkpoint.name,
        "--steps", "40", "--test", str(table), "-o", str(tmp_path / "m"),
    ])  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    assert "准确率" in result.output
    classifier = Classifier.load(tmp_path / "m", BUNDLE)
    assert classifier.record["method"] == "soft_labels"
    told = float(result.output.split("准确率 ")[-1].split(" %")[0])
    predicted = classifier.predict(TEXTS).argmax(1)
    right = [classifier.head.labels[i] in text for i, text in zip(predicted, TEXTS, strict=True)]
    assert 100 * np.mean(right) == pytest.approx(told, abs=3)  # served in float32, by onnxruntime


def test_what_cannot_be_served_is_not_written(tmp_path):
    table = rows_of_a_table(tmp_path / "t.csv")
    result = CliRunner().invoke(
        main, ["compress", "pkd", str(table), "--teacher", "x", "-o", str(tmp_path / "m")]
    )
    assert result.exit_code == 1
    assert "怎么办" in result.output
    assert not (tmp_path / "m").exists()


def test_a_teacher_that_is_not_like_bert_is_refused(tmp_path, materials):
    path = tmp_path / "gpt"
    path.mkdir()
    for file in Path(materials.checkpoint.name).glob("*tok*"):
        (path / file.name).write_bytes(file.read_bytes())
    config = transformers.DistilBertConfig(
        vocab_size=40, dim=32, n_layers=1, n_heads=2, hidden_dim=32
    )
    transformers.DistilBertModel(config).save_pretrained(path)
    with pytest.raises(TrainingError, match="encoder.layer"):
        Checkpoint.load(str(path), materials.checkpoint.weighting)
