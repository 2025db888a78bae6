"""A classifier from the command line to the file and back, and everything that it refuses."""

import csv
import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

from distill.classification_scores import Scores
from distill.classifier import HEAD, MANIFEST, Classifier
from distill.classifier_training import LabelledVectors, fit_head, fit_once, hold_out
from distill.cli import main
from distill.corpus import dedup_key
from tests.conftest import BUNDLE, ROOT

TOPICS = {
    "退货": "怎么退货 我要退货 东西不想要了能退吗 退货运费谁出 申请退货退款 七天无理由退货 退回",
    "发票": "怎么开发票 电子发票在哪 发票抬头写错了 专用发票 发票能补开吗 我要开票 发票没收到",
    "密码": "忘记密码了 怎么改密码 密码不对登录不了 找回密码 密码输错锁定 重置登录密码 支付密码",
}
ROWS = [(text, label) for label, texts in TOPICS.items() for text in texts.split()]
NEW = [("想退货怎么弄", "退货"), ("发票开错了", "发票"), ("密码忘了怎么办", "密码")]


def table(path, rows, header=("文本", "标签")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["classify", *map(str, arguments)])


def refused(*arguments):
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "怎么办" in result.output
    return result.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    result = run("train", table(folder / "文本.csv", ROWS), "-o", folder / "模型")
    assert result.exit_code == 0, result.output
    assert "3 种标签" in result.output
    return folder / "模型"


def test_what_was_learnt_is_predicted(trained, tmp_path):
    given = table(
        tmp_path / "新.csv", [("1", "=想退货怎么弄"), ("2", ""), ("3", NEW[2][0])], ("号", "文本")
    )
    result = run("predict", trained, given, "-o", tmp_path / "结果.csv")
    assert result.exit_code == 0, result.output
    assert "第 3 行没有文本" in result.output
    with (tmp_path / "结果.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["号", "文本", "预测标签", "概率"]
    assert [row[2] for row in rows[1:]] == ["退货", "", "密码"]
    assert rows[1][1] == "'=想退货怎么弄"  # no formula for the spreadsheet
    assert 0 <= float(rows[1][3]) <= 1


def test_a_txt_is_predicted_too(trained, tmp_path):
    (tmp_path / "新.txt").write_text("发票开错了\n", encoding="utf-8")
    assert run("predict", trained, tmp_path / "新.txt", "-o", tmp_path / "出.csv").exit_code == 0
    assert '"发票开错了","发票"' in (tmp_path / "出.csv").read_text("utf-8-sig")


def test_evaluate_says_how_often_it_is_right(trained, tmp_path):
    given = table(tmp_path / "检验.csv", [*NEW, ("密码忘了", "发票")], ("text", "label"))
    result = run("evaluate", trained, given, "--json", tmp_path / "数.json")
    assert result.exit_code == 0, result.output
    assert "准确率 75.0 %" in result.output
    assert "发票 → 密码" in result.output
    values = json.loads((tmp_path / "数.json").read_text("utf-8"))
    assert values["accuracy"] == 0.75
    assert np.array(values["confusion"]).sum() == 4
    assert [each["label"] for each in values["labels"]] == ["发票", "密码", "退货"]


def test_it_loads_to_the_same_probabilities_and_nothing_is_pickled(trained):
    first, second = (Classifier.load(trained, BUNDLE) for _ in range(2))
    texts = [text for text, _ in NEW]
    values = first.predict(texts)
    assert (values == second.predict(texts)).all()
    assert np.allclose(values.sum(axis=1), 1)
    with np.load(trained / HEAD, allow_pickle=False) as arrays:
        assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}


def test_predicting_needs_neither_torch_nor_scikit_learn(trained, tmp_path):
    code = (
        "import sys, distill.cli; sys.modules |= dict.fromkeys(('torch', 'sklearn'));"
        "distill.cli.main(sys.argv[1:])"
    )
    given = table(tmp_path / "新.csv", NEW)
    arguments = ["classify", "evaluate", trained, given]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, cwd=ROOT)


def test_one_label_is_nothing_to_tell_apart(tmp_path):
    given = table(tmp_path / "一.csv", [("退货", "甲"), ("换货", "甲")])
    assert "所有文本都是同一个标签「甲」" in refused("train", given, "-o", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_label_of_one_text_cannot_be_checked(tmp_path):
    rows = [*ROWS, ("运费多少", "运费"), ("运费多少?", "运费")]  # the same text twice
    given = table(tmp_path / "表.csv", rows)
    assert "标签「运费」只有一种文本 (第 23、24 行)" in refused(
        "train", given, "-o", tmp_path / "m"
    )
    dev = table(tmp_path / "dev.csv", NEW)
    assert run("train", given, "--dev", dev, "-o", tmp_path / "m").exit_code == 0


def test_empty_texts_are_refused_in_training_and_evaluation(trained, tmp_path):
    given = table(tmp_path / "空.csv", [*ROWS, (" ", "退货")])
    assert "第 23 行没有文本" in refused("train", given, "-o", tmp_path / "m")
    assert "第 23 行没有文本" in refused("evaluate", trained, given)
    blank = table(tmp_path / "全空.csv", [("", "x")])
    assert "每一行的文本都是空的" in refused("predict", trained, blank, "-o", tmp_path / "o.csv")


def test_a_label_never_seen_is_named(trained, tmp_path):
    given = table(tmp_path / "新.csv", [*NEW, ("多久送到", "物流")])
    assert "「物流」在训练时没有出现过 (第 5 行)" in refused("evaluate", trained, given)
    rows = table(tmp_path / "表.csv", ROWS)
    assert "「物流」" in refused("train", rows, "--dev", given, "-o", tmp_path / "m")


def test_columns_that_are_not_there_are_asked_for(trained, tmp_path):
    given = table(tmp_path / "表.csv", ROWS, ("甲", "乙"))
    for arguments in (("train", given, "-o", tmp_path / "m"), ("evaluate", trained, given)):
        assert "没有「文本」列" in refused(*arguments)


def test_very_rare_labels_are_remarked_on_and_balanced_finds_them(tmp_path):
    rows = [(f"第{i}单什么时候发货", "物流") for i in range(1000)]
    rows += [("忘记密码了", "密码"), ("密码怎么找回", "密码")]
    given = table(tmp_path / "偏.csv", rows)
    result = run("train", given, "--balanced", "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert "标签「密码」的文本不到最多的标签的 1/50" in result.output
    assert "--balanced" in result.output
    found = Classifier.load(tmp_path / "m", BUNDLE)
    values = found.predict(["密码忘记了", "第7单何时发货"])
    assert [found.head.labels[i] for i in values.argmax(axis=1)] == ["密码", "物流"]


def test_contradicting_labels_are_remarked_on(tmp_path):
    given = table(tmp_path / "表.csv", [*ROWS, ("怎么退货?", "发票")])
    result = run("train", given, "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert "有 1 种文本同时带着不同的标签" in result.output


def changed(trained, target, **values):
    """Copy a classifier with other values in its manifest."""
    target.mkdir()
    for name in (HEAD, MANIFEST):
        (target / name).write_bytes((trained / name).read_bytes())
    manifest = json.loads((target / MANIFEST).read_text("utf-8")) | values
    (target / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return target


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, "是版本 2 的分类模型, 这个程序只读版本 1"),
        ({"encoder": "0123456789abcdef"}, "是用编码器 0123456789abcdef 训练的"),
        ({"labels": ["甲", "乙"]}, "已损坏"),
        ({"labels": None}, "labels 缺失或不对"),
        ({"sha256": "00"}, "校验和不对"),
    ],
)
def test_another_version_another_encoder_and_damage_are_told_apart(
    trained, tmp_path, values, message
):
    model = changed(trained, tmp_path / "m", **values)
    given = table(tmp_path / "新.csv", NEW)
    assert message in refused("evaluate", model, given)


def test_pickled_arrays_are_never_opened(trained, tmp_path):
    model = changed(trained, tmp_path / "m")
    np.savez(model / HEAD, weights=np.array([print], dtype=object), bias=np.zeros(3))
    from distill.bundle import file_sha256

    changed(model, tmp_path / "n", sha256=file_sha256(model / HEAD))
    assert "已损坏" in refused("evaluate", tmp_path / "n", table(tmp_path / "新.csv", NEW))


def test_nothing_else_is_overwritten(trained, tmp_path):
    given = table(tmp_path / "表.csv", ROWS)
    (tmp_path / "别的").mkdir()
    assert "不是分类模型, 不会被覆盖" in refused("train", given, "-o", tmp_path / "别的")
    assert "没有上一级目录" in refused("train", given, "-o", tmp_path / "没有" / "m")
    assert "就是要读的文件" in refused("predict", trained, given, "-o", given)
    assert "这里没有分类模型" in refused("evaluate", tmp_path / "别的", given)


def test_training_again_replaces_the_model_whole(trained, tmp_path):
    given = table(tmp_path / "表.csv", ROWS)
    for _ in range(2):
        assert run("train", given, "-o", tmp_path / "m").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "表.csv"]


def test_what_is_held_out_shares_no_text_with_the_rest():
    texts = [f"{text}{mark}" for text, _ in ROWS for mark in ("", "?", "!!")]
    labels = np.repeat(np.arange(3), 21)
    held = hold_out(texts, labels)
    parts = [
        {dedup_key(t) for t, h in zip(texts, held, strict=True) if h is side}
        for side in (True, False)
    ]
    assert not parts[0] & parts[1]
    assert all(0 < held[labels == k].mean() < 0.5 for k in range(3))
    assert (hold_out(texts, labels) == held).all()
    assert (hold_out(texts, labels, seed=8) != held).any()


def test_the_head_gives_scikit_learns_probabilities():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    for k in (2, 3):
        labels = rng.integers(k, size=90)
        vectors = rng.normal(size=(90, 5)).astype(np.float32) + labels[:, None]
        head = fit_once([str(i) for i in range(k)], LabelledVectors(vectors, labels), 10.0)
        wanted = LogisticRegression(C=10.0, max_iter=2000).fit(vectors, labels)
        assert np.allclose(head.probabilities(vectors), wanted.predict_proba(vectors), atol=1e-5)


def test_the_strength_is_chosen_on_the_dev_texts():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    vectors = rng.normal(size=(100, 40)).astype(np.float32)
    vectors[:, 0] += 2 * labels
    train, dev = (LabelledVectors(vectors[i::2], labels[i::2]) for i in (0, 1))
    fitted = fit_head(["a", "b"], train, dev, strengths=(1e-4, 0.01, 1e4))
    each = {
        s: Scores.of(["a", "b"], dev.labels, fit_once(["a", "b"], train, s).predict(dev.vectors))
        for s in (1e-4, 0.01, 1e4)
    }
    assert fitted.dev.accuracy == max(scores.accuracy for scores in each.values())
    assert fitted.dev.accuracy == each[fitted.strength].accuracy
    assert len({scores.accuracy for scores in each.values()}) > 1


def test_scores_agree_with_scikit_learn():
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    rng = np.random.default_rng(1)
    right, predicted = rng.integers(4, size=(2, 60))
    scores = Scores.of(list("abcd"), right, predicted)
    assert scores.accuracy == pytest.approx(accuracy_score(right, predicted))
    assert scores.macro_f1 == pytest.approx(f1_score(right, predicted, average="macro"))
    assert (scores.confusion == confusion_matrix(right, predicted)).all()


@pytest.mark.torch
def test_fine_tuning_makes_a_model_of_its_own(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from distill import config

    quick = partial(config.ClassifierConfig, fewest_steps=12, epochs=1, evaluations=3, batch=8)
    monkeypatch.setattr(config, "ClassifierConfig", quick)
    # So little freedom that the frozen head knows only which label is the most frequent.
    held_back = partial(fit_head, strengths=(1e-6,))
    monkeypatch.setattr("distill.classify_cli.fit_head", held_back)
    more = [(f"{text}啊", label) for text, label in ROWS if label == "退货"]
    given = table(tmp_path / "表.csv", ROWS + more)
    dev = table(tmp_path / "dev.csv", NEW)
    result = run("train", given, "--dev", dev, "--fine-tune", "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    found = Classifier.load(tmp_path / "m", tmp_path / "no encoder needed")
    values = json.loads((tmp_path / "m" / MANIFEST).read_text("utf-8"))
    assert values["fine_tuned"]
    assert found.encoder.fingerprint == values["encoder"]
    assert values["record"]["dev"]["accuracy"] > values["record"]["frozen"]["accuracy"]
    assert found.encoder.bundle.manifest.training["classifier"]["step"] == values["record"]["step"]


@pytest.mark.torch
def test_fine_tuning_that_helps_nowhere_writes_nothing(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from distill import config

    quick = partial(config.ClassifierConfig, fewest_steps=2, epochs=1, learning_rate=1e-9)
    monkeypatch.setattr(config, "ClassifierConfig", quick)
    given = table(tmp_path / "表.csv", ROWS)
    output = refused("train", given, "--fine-tune", "-o", tmp_path / "m")
    assert "没有一次比不动编码器更好" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["表.csv"]
