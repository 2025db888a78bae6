"""The grid of downstream measurements: nothing twice, nothing learnt from a test part."""

import json

import numpy as np
import pytest

import downstream_tables
from cells import Cells, digest
from class_sets import NAMES, Part, read_class_set, reported_texts
from distill.corpus import HeldOut, dedup_key
from downstream import System, clustered, frozen
from tests.conftest import ROOT
from tests.test_classifier import NEW, ROWS


def test_a_finished_cell_is_not_measured_again(tmp_path):
    cells, asked = Cells(tmp_path / "cells"), []

    def measure():
        asked.append(1)
        return {"accuracy": 0.5}

    for settings in ({"set": "甲", "seed": 0}, {"seed": 0, "set": "甲"}, {"set": "甲", "seed": 1}):
        assert cells.get(settings, measure) == {"accuracy": 0.5}
    assert len(asked) == 2
    kept = [json.loads(file.read_text("utf-8")) for file in (tmp_path / "cells").iterdir()]
    assert {cell["settings"]["seed"] for cell in kept} == {0, 1}


def test_a_measurement_that_fails_leaves_no_cell(tmp_path):
    cells = Cells(tmp_path / "cells")
    with pytest.raises(ZeroDivisionError):
        cells.get({"a": 1}, lambda: {"x": 1 / 0})
    assert cells.get({"a": 1}, lambda: {"x": 2.0}) == {"x": 2.0}


def test_other_texts_have_another_digest():
    assert digest(["甲"], [0]) != digest(["甲"], [1]) != digest(["乙"], [1])


def small_corpus(tmp_path, *, train=True):
    folder = tmp_path / "class" / "甲"
    folder.mkdir(parents=True)
    rows = ROWS if train else ROWS * 5
    (folder / "test.tsv").write_text("".join(f"{t}\t{c}\n" for t, c in NEW), "utf-8")
    lines = "".join(f"{t}{i}\t{c}\n" for i, (t, c) in enumerate(rows))
    (folder / ("train.tsv" if train else "dev.tsv")).write_text(
        f"{lines}{NEW[0][0]}!?\t退货\n", "utf-8"
    )
    if train:
        (folder / "dev.tsv").write_text("".join(f"{t}\t{c}\n" for t, c in ROWS), "utf-8")
    return tmp_path


@pytest.mark.parametrize("train", [True, False])
def test_rows_of_a_test_part_are_dropped_and_parts_are_disjoint(tmp_path, train):
    corpus = small_corpus(tmp_path, train=train)
    found = read_class_set(corpus, "甲", reported_texts(corpus))
    assert found.dropped == 1
    keys = [{dedup_key(text) for text in part.texts} for part in (found.train, found.test)]
    assert not keys[0] & keys[1]
    if not train:
        assert len(found.train.texts) == pytest.approx(4 * len(found.dev.texts), abs=5)
        assert not {*found.train.texts} & {*found.dev.texts}


def test_rows_are_drawn_alike_for_the_same_seed():
    part = Part(tuple(map(str, range(50))), np.arange(50))
    assert part.draw(10, 1).texts == part.draw(10, 1).texts != part.draw(10, 2).texts
    drawn = part.draw(10, 1)
    assert [int(text) for text in drawn.texts] == drawn.labels.tolist()
    assert part.draw(60, 1) is part


@pytest.mark.parametrize("plain", [True, False])
def test_a_cell_of_each_kind_is_measured(tmp_path, encoder, plain):
    corpus = small_corpus(tmp_path)
    given = read_class_set(corpus, "甲", HeldOut())
    parts = {name: encoder.encode(getattr(given, name).texts) for name in ("train", "dev", "test")}
    system = System("x", "1", None if plain else encoder.encode)
    figures = frozen(system, given, parts, 20, 0)
    assert figures["accuracy"] == 1
    assert 0 <= clustered(system, given, parts, 0)["v_measure"] <= 1


def test_the_document_tells_the_figures_of_the_result_files(encoder):
    document = (ROOT / "docs" / "tasks.md").read_text("utf-8")
    result = json.loads(
        (ROOT / "benchmarks" / "results" / "sample_classification.json").read_text("utf-8")
    )
    assert result["encoder"] == encoder.fingerprint
    for kind in ("frozen", "fine_tuned"):
        test = result[kind]["test"]
        line = (
            f"{test['rows']} 条文本, 准确率 {100 * test['accuracy']:.1f} %, "
            f"宏平均 F1 {100 * test['macro_f1']:.1f} %"
        )
        assert line in document
    result = json.loads((ROOT / "benchmarks" / "results" / "neighbours.json").read_text("utf-8"))
    assert result["encoder"] == encoder.fingerprint
    for line in (
        f"最近的一个相同 {100 * result['same_nearest']:.1f} %, "
        f"前十重合 {100 * result['overlap']:.1f} %",
        f"教师 {100 * result['own_entry_teacher']:.1f} %, "
        f"学生 {100 * result['own_entry_student']:.1f} %",
        f"在学生处不是: {result['lost']} 个",
    ):
        assert line in document


@pytest.mark.corpus
def test_nothing_of_any_test_part_is_learnt_from_in_the_real_sets(corpus):
    held_out = reported_texts(corpus)
    assert len(held_out.keys) > 100_000
    tests = HeldOut.read(corpus.glob("class/*/test.tsv"))
    for name in NAMES:
        found = read_class_set(corpus, name, held_out)
        assert not any(tests.holds(text) for text in (*found.train.texts, *found.dev.texts))
        assert len(found.test.texts) > 600


def test_tables_show_few_and_all_rows_and_both_ways_of_grouping():
    def value(mean):
        return {"mean": mean, "sd": 0.0, "seeds": 3}

    accuracy = {rows: {"accuracy": value(mean)} for rows, mean in (("100", 0.5), ("800", 0.7))}
    groups = {"v_measure": value(0.4), "v_measure_found": value(0.3)}
    result = {
        "sets": {"甲": {"title": "第一集"}},
        "drawn": {"train": 10_000},
        "seeds": 3,
        "systems": {
            "ours": {"accuracy": {"甲": accuracy}, "clustering": {"甲": groups}},
            "character_tfidf": {
                "accuracy": {"甲": accuracy},
                "clustering": {"甲": {"v_measure": value(0.2)}},
            },
        },
    }
    assert "| **本项目** | 50.0 / – / 70.0 |" in downstream_tables.linear(result)
    shown = downstream_tables.clustering(result)
    assert "| **本项目** | 40.0 / 30.0 |" in shown
    assert "| 字符 TF-IDF | 20.0 / – |" in shown
