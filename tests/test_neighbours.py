"""Teacher and student name different neighbours: which, and which of that is a loss."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from indexer.cli import main
from indexer.errors import InputError
from indexer.neighbours import Wording, compare
from tests.conftest import BUNDLE


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def wordings(n):
    return [Wording(f"问{i}", f"条{i // 3}") for i in range(n)]


@pytest.mark.parametrize("n", [3, 40, 600])
def test_it_agrees_with_a_naive_count(n):
    rng = np.random.default_rng(n)
    teacher = unit(rng.normal(size=(n, 12)))
    student = unit(teacher + 0.25 * rng.normal(size=(n, 12)))
    found = compare(wordings(n), teacher, student)
    nearest = []
    for vectors in (teacher, student):
        vectors = unit(vectors - vectors.mean(axis=0))
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -9)
        nearest.append(np.argsort(-cosines, axis=1)[:, : min(10, n - 1)])
    same = [a[0] == b[0] for a, b in zip(*nearest, strict=True)]
    assert found.same_nearest == pytest.approx(np.mean(same))
    shared = [len({*a} & {*b}) / len(a) for a, b in zip(*nearest, strict=True)]
    assert found.overlap == pytest.approx(np.mean(shared))
    assert len(found.disagreements) == n - sum(same)
    for each in found.disagreements:
        row = int(each.text[1:])
        assert each.teacher.text == f"问{nearest[0][row][0]}"
        assert each.student.text == f"问{nearest[1][row][0]}"
        assert each.rank > 1
    own = [a[0] // 3 == row // 3 for row, a in enumerate(nearest[1])]
    assert found.own_entry_student == pytest.approx(np.mean(own))


def test_equal_vectors_agree_on_everything():
    vectors = unit(np.random.default_rng(0).normal(size=(20, 8)))
    found = compare(wordings(20), vectors, vectors)
    assert (found.same_nearest, found.overlap, found.disagreements) == (1, 1, ())


def test_what_left_its_own_entry_comes_first():
    angles = np.deg2rad([0, 5, 90, 95, 180, 200])
    teacher = np.column_stack([np.cos(angles), np.sin(angles)])
    student = teacher[[0, 2, 1, 3, 4, 5]]  # questions 1 and 2 change places
    texts = [Wording(f"问{i}", "甲乙丙"[i // 2]) for i in range(6)]
    found = compare(texts, teacher, student)
    lost = [each for each in found.disagreements if each.lost]
    assert {each.text for each in lost} == {"问0", "问1", "问2", "问3"}
    assert list(found.disagreements[: len(lost)]) == lost
    assert found.own_entry_teacher > found.own_entry_student


def test_too_few_questions_are_refused():
    with pytest.raises(InputError, match="只有 2 个问法"):
        compare(wordings(2), np.eye(2), np.eye(2))


@pytest.mark.torch
def test_the_command_writes_a_table_and_json(small_faq, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    import distill.teacher

    class Teacher:
        def encode(self, texts):
            return unit(np.random.default_rng(0).normal(size=(len(texts), 16)))[:, None]

    asked = []

    def load(path, pooling, weighting, *, prefix):
        asked.append((path, pooling, prefix))
        return Teacher()

    monkeypatch.setattr(distill.teacher, "load_teacher", load)
    db, table, file = tmp_path / "f.db", tmp_path / "近邻.csv", tmp_path / "近邻.json"
    run = CliRunner().invoke
    given = ["--db", str(db), "--encoder", str(BUNDLE)]
    assert run(main, ["build", str(small_faq), *given]).exit_code == 0
    result = run(main, ["compare", "--teacher", "t", "-o", str(table), "--json", str(file), *given])
    assert result.exit_code == 0, result.output
    assert asked == [("t", "idf", "")]
    values = json.loads(file.read_text("utf-8"))
    with table.open(encoding="utf-8-sig", newline="") as rows:
        assert len(list(csv.reader(rows))) == 1 + len(values["disagreements"]) > 1
    assert f"{values['questions']} 个问法" in result.output
    result = run(main, ["compare", "--teacher", "t", "-o", str(tmp_path / "x" / "y.csv"), *given])
    assert result.exit_code == 1
    assert "mkdir -p" in result.output
