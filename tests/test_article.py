"""The comparison of compressors, small: every method on two sets, resumed, told in tables."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import article  # noqa: E402
import article_plots  # noqa: E402
import article_tables  # noqa: E402
from article_tasks import Most, drawn, read_task  # noqa: E402
from article_workshop import best_threshold  # noqa: E402
from cells import Cells  # noqa: E402
from class_sets import reported_texts  # noqa: E402
from distill.compressors.examples import Examples  # noqa: E402
from distill.compressors.methods import METHODS  # noqa: E402
from distill.corpus import HeldOut, dedup_key  # noqa: E402
from tests.test_compressors import NOUNS, tiny_bert  # noqa: E402

pytestmark = pytest.mark.torch

VERBS = ("怎么申请", "如何取消", "能不能修改", "哪里查看")
ENDS = {"train": ("", "吗", "呢", "了吗"), "dev": ("吧", "啊"), "test": ("的", "呀", "的呢")}


def texts(part):
    return [(f"{v}{noun}{end}", noun) for end in ENDS[part] for v in VERBS for noun in NOUNS]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """One labelled set and one set of pairs; one row of each train part stands in a test part."""
    path = tmp_path_factory.mktemp("corpus")
    for part in ENDS:
        rows = texts(part)
        stray = [texts("test")[0]] if part == "train" else []
        write(path / "class" / "smp2017_ecdt" / f"{part}.tsv", [*rows, *stray])
        pairs = [
            (a, b, str(int(noun == other)))
            for (a, noun), (b, other) in zip(rows, [*rows[6:], *rows[:6]], strict=True)
        ] + [(a, a + "！", "1") for a, _ in rows[:4]]
        pairs += [(a, b, "0") for (a, _), (b, _) in zip(rows, rows[1:], strict=False)]
        stray = [(rows[0][0], texts("test")[1][0], "1")] if part == "train" else []
        name = "train_partial" if part == "train" else part
        write(path / "pairs" / "bq" / f"{name}.tsv", [*pairs, *stray])
        if part != "train":
            write(path / "pairs" / "lcqmc" / f"{part}.tsv", pairs)
    return path


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    """What the quick comparison leaves, and the command to run it again."""
    path = tmp_path_factory.mktemp("run")
    bert = tiny_bert(tmp_path_factory.mktemp("bert"))
    patch = pytest.MonkeyPatch()
    patch.setattr(article, "WORK", path)
    patch.setattr(article, "RESULT", path / "article.json")
    patch.setattr(
        article,
        "QUICK",
        replace(article.QUICK, rows=(30,), pair_rows=(30,), most=Most(1000, 30, 40), rounds=1),
    )
    command = [str(corpus), "--teacher", str(bert), "--quick"]
    yield command, article.main(command), path
    patch.undo()


def test_every_method_is_measured_on_both_tasks(run):
    _, result, path = run
    for name, method in METHODS.items():
        found = result["quality"][name]
        assert set(found) == {"smp2017_ecdt", "bq"} if len(method.tasks) > 1 else {"bq"}, name
        pairs = found["bq"]["30"]
        assert {"accuracy", "spearman", "lcqmc_accuracy", "lcqmc_spearman"} <= set(pairs)
        assert pairs["accuracy"]["seeds"] == 1
        models = result["models"][name]
        assert models["parameters"] > models["parameters_without_words"] > 0
        assert models["ms"] > 0
        assert models["first_ms"] > 0
    assert result["models"]["teacher"]["times_faster"] == 1
    assert result["models"]["teacher"]["first_times_faster"] == 1
    assert not (path / "article.json").exists()  # --quick writes no result


def test_students_made_of_layers_are_smaller_than_their_teacher(run):
    sizes = {name: m.get("parameters_without_words") for name, m in run[1]["models"].items()}
    assert sizes["tinybert"] < sizes["pkd"] == sizes["distilbert"] < sizes["teacher"]
    assert sizes["lstm"] == sizes["soft_labels"] == sizes["ours"]
    assert sizes["teacher"] == sizes["teacher_frozen"]


def test_what_is_finished_is_not_computed_again(run, monkeypatch):
    command, result, _ = run

    def never(*arguments):
        raise AssertionError(arguments)

    monkeypatch.setattr(article.Workshop, "measure", never)
    monkeypatch.setattr(article, "sizes_and_speeds", never)
    assert article.main(command) == result


def test_another_machine_goes_on_from_the_result_file(run, tmp_path):
    _, result, _ = run
    file = tmp_path / "article.json"
    file.write_text(article.as_json(result), encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8")) == result
    cells = Cells(tmp_path / "none", article.committed(file))
    for cell in result["cells"]:
        assert cells.find(cell["settings"]) == cell["figures"]
    assert cells.find({**result["cells"][0]["settings"], "seed": 9}) is None
    assert article.committed(tmp_path / "no.json") == []


def test_another_encoder_leaves_all_but_our_cells_as_they_are(run):
    """Only methods that have its weights in them are measured again."""
    _, result, _ = run
    encoder = type("Other", (), {"fingerprint": "0" * 16})()

    class Stub(article.Workshop):
        def __init__(self):
            self.encoder, self.checkpoint = encoder, type("C", (), {"sha256": "t", "prefix": ""})()
            self.budget = article.QUICK.budget

    from distill.bundle import Bundle
    from tests.conftest import BUNDLE

    encoder.bundle = Bundle.open(BUNDLE)
    task = type("T", (), {"name": "x", "digest": "d"})()
    keys = {}
    for fingerprint in ("0" * 16, "1" * 16):
        encoder.fingerprint = fingerprint
        keys[fingerprint] = {
            name: Stub().settings(method, task, 30, 0)["key"] for name, method in METHODS.items()
        }
    changed = {name for name in METHODS if len({k[name] for k in keys.values()}) > 1}
    assert changed == {"ours", "ours_frozen"}
    assert result["encoder"]


def test_the_first_round_has_every_method_on_every_set_before_anything_else():
    few, many = Examples(("a",) * 50, np.zeros(50)), Examples(("a",) * 5000, np.zeros(5000))

    def task(name, kind, train):
        return type("T", (), {"name": name, "kind": kind, "train": train})()

    tasks = [task("x", "labels", many), task("y", "labels", few), task("z", "pairs", many)]
    runs = list(article.grid(tasks, list(METHODS.values()), article.FULL))
    first = runs[: 15 + 16]
    assert {(run.rows, run.seed) for run in first} == {(1000, 0)}
    assert {run.method.name for run in first if run.task is tasks[2]} == set(METHODS)
    assert len({(r.method.name, r.task.name, r.rows, r.seed) for r in runs}) == len(runs)
    assert {run.rows for run in runs if run.task is tasks[1]} == {50}
    frozen = [run for run in runs if run.method.name == "ours_frozen" and run.task is tasks[0]]
    assert sum(run.rows == 5000 for run in frozen) == 1  # all rows are the same for every seed
    assert sum(run.rows == 100 for run in frozen) == 3
    assert {run.method.name for run in runs[-10:]} <= set(article.COSTLY)
    assert all(run.rows in (1000, 5000) for run in runs if run.task is tasks[2])


def test_no_text_of_a_test_part_is_learnt_from(corpus):
    held_out = reported_texts(corpus)
    for name in ("smp2017_ecdt", "bq"):
        task = read_task(corpus, name, held_out, Most())
        assert task.dropped == 1
        tests = {
            dedup_key(text) for test in task.tests.values() for text in (*test.texts, *test.others)
        }
        learnt = [*task.train.texts, *task.train.others, *task.dev.texts, *task.dev.others]
        assert not tests & {dedup_key(text) for text in learnt}
    assert read_task(corpus, "bq", HeldOut(), Most()).dropped == 0


def test_pairs_stay_together_when_they_are_drawn():
    given = Examples(tuple("abcdef"), np.arange(6), tuple("ABCDEF"))
    found = drawn(given, 4, 1)
    assert [text.upper() for text in found.texts] == list(found.others)
    assert ["abcdef".index(text) for text in found.texts] == found.labels.tolist()
    assert found.texts == drawn(given, 4, 1).texts != drawn(given, 4, 2).texts
    assert drawn(given, 6, 1) is given


@pytest.mark.parametrize(
    ("scores", "labels", "right"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 4),
        ([0.1, 0.2, 0.8, 0.9], [0, 1, 0, 1], 3),
        ([0.1, 0.2], [1, 1], 2),
        ([0.1, 0.2], [0, 0], 2),
        ([0.5, 0.5, 0.5], [0, 1, 1], 2),  # equal scores cannot be told apart
    ],
)
def test_the_threshold_is_the_best_on_dev(scores, labels, right):
    scores, labels = np.array(scores), np.array(labels)
    found = best_threshold(scores, labels)
    assert ((scores > found) == labels).sum() == right


def test_the_tables_say_what_the_result_says(run):
    _, result, _ = run
    value = result["quality"]["ours"]["bq"]["30"]["spearman"]["mean"]
    assert f"{100 * value:.1f}" in article_tables.matching(result)
    value = result["quality"]["cnn"]["smp2017_ecdt"]["30"]["accuracy"]["mean"]
    table = article_tables.classification(result)
    assert f"{100 * value:.1f}" in table
    assert "TNEWS" not in table  # a set that is not finished has no column
    assert "| DSE " not in table
    assert article_tables.claims(result)


def test_the_plots_show_every_method_where_the_result_has_it(run):
    _, result, _ = run
    costs = article_plots.costs(result)
    # DSE is for pairs only; our encoder is there as it is served, too.
    assert all(len(axes.lines) == len(METHODS) for axes in costs.axes)
    times = {line.get_label(): line.get_xdata()[0] for line in costs.axes[1].lines}
    assert times["ours"] == result["models"]["ours"]["ms"]
    rows = article_plots.by_rows(result)
    assert rows.axes[0].get_title() == "SMP2017 intents"
    assert len(rows.axes[0].containers) == len(article_plots.DRAWN)


def test_a_faq_made_of_a_dev_part_takes_nothing_from_that_part(corpus, tmp_path):
    """With its texts held out, a dev part had pairs of one label left, and selected nothing."""
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    before = read_task(copy, "bq", reported_texts(copy), Most())
    same = [row[0] for row in (line.split("\t") for line in read(copy, "dev")) if row[2] == "1"]
    for name in ("derived_bq_dev", "derived_bq_test"):
        queries = copy / "faq" / name / "queries.csv"
        queries.parent.mkdir(parents=True)
        queries.write_text("query,entry_id\n" + "".join(f"{text},1\n" for text in same), "utf-8")
        if name == "derived_bq_dev":
            after = read_task(copy, "bq", reported_texts(copy), Most())
            assert after.digest == before.digest
        else:
            with pytest.raises(SystemExit, match=r"dev\.tsv: .* one label only"):
                read_task(copy, "bq", reported_texts(copy), Most())


def read(corpus, part):
    file = corpus / "pairs" / "bq" / f"{part}.tsv"
    return file.read_text(encoding="utf-8").splitlines()
