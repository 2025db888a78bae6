"""What the README says is so: its numbers, its commands, its files."""

import csv
import json
import re
from dataclasses import asdict

import pytest

import distill.cli
import faq_app.accounts_cli
import indexer.cli
import tables
from indexer.calibration import default_for
from tests.conftest import BUNDLE, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CARD = (BUNDLE / "MODEL_CARD.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"


def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def table_rows(text, name):
    """Return the cells of a table's rows by their first cell."""
    table = text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    rows = (line.strip("| \n").split("|") for line in table.splitlines() if line.startswith("|"))
    return {cells[0].strip(" *"): [cell.strip() for cell in cells[1:]] for cells in rows}


@pytest.mark.parametrize("document", tables.DOCUMENTS, ids=lambda path: path.name)
def test_every_table_is_what_the_result_files_give(document):
    text = document.read_text(encoding="utf-8")
    assert "<!-- " in text
    assert tables.fill(text) == text, "run: python benchmarks/tables.py"


def test_retrieval_numbers_are_those_of_the_result_file():
    systems, rows = result("faq")["systems"], table_rows(README, "retrieval")
    for label, name in (("本项目", "ours"), ("BM25", "bm25"), ("字符 TF-IDF", "character_tfidf")):
        overall = systems[name]["overall"]
        wanted = [overall[k] for k in ("recall_at_1", "recall_at_3", "mrr_at_10")]
        assert rows[label][:3] == [f"{100 * value:.1f}" for value in wanted]


def test_decision_numbers_are_those_of_the_result_file():
    default = next(row for row in result("faq")["decisions"] if row["goal"]["precision"] == 0.95)
    row = table_rows(README, "decisions")["dev 提问"]
    rows = README.split("<!-- decisions -->")[1].split("| dev 提问 |")[1].split("\n")[0]
    wanted = ("answer_precision", "coverage", "in_scope_served", "out_of_scope_rejected")
    assert row
    assert [cell.strip() for cell in rows.split("|")][1:5] == [
        f"{100 * default['test'][name]:.1f}" for name in wanted
    ]


def test_what_the_result_file_says_was_calibrated_is_what_is_shipped(encoder):
    shipped = asdict(default_for(encoder.fingerprint).thresholds)
    assert result("faq")["calibration"]["thresholds"] == shipped


def test_quality_numbers_are_those_of_the_result_file():
    spearman = result("quality")["spearman"]
    names = ("atec", "bq", "lcqmc", "pawsx", "stsb", "afqmc")
    for text, table, label, name in (
        (README, "quality", "本项目", "ours"),
        (README, "quality", "字符 TF-IDF", "character_tfidf"),
        (CARD, "spearman", "ours, int8 weights", "ours"),
    ):
        scores = [cell for cell in table_rows(text, table)[label] if re.fullmatch(r"[\d.]+", cell)]
        assert scores == [f"{spearman[name][key]:.2f}" for key in names]


def test_another_tools_evaluators_say_the_same():
    found, spearman = result("evaluators")["figures"], result("quality")["spearman"]["ours"]
    for name in ("atec", "bq", "lcqmc", "stsb"):
        theirs = 100 * found[f"{name}-test_spearman_cosine"]
        assert theirs == pytest.approx(spearman[name], abs=0.02)


def test_published_numbers_stand_in_the_card_beside_what_they_were_trained_on():
    rows = table_rows(CARD, "published")
    for model in json.loads((ROOT / "benchmarks" / "published.json").read_text("utf-8"))["models"]:
        cells = rows[model["model"]]
        assert {f"{value:.2f}" for value in model["spearman"].values()} <= set(cells)
        assert cells[-2:] == [model["trained_on"], model["source"]]


def test_int8_weights_cost_next_to_nothing():
    spearman = result("quality")["spearman"]
    if "ours_float32" not in spearman:
        pytest.skip("quality.json was measured without --float32")
    for name, value in spearman["ours_float32"].items():
        assert abs(value - spearman["ours"][name]) <= 0.3, name


def test_results_were_measured_on_the_bundled_encoder(encoder):
    names = [path.stem for path in RESULTS.glob("*.json") if "encoder" in result(path.stem)]
    assert {"faq", "quality"} <= set(names)
    for name in names:
        assert result(name)["encoder"] == encoder.fingerprint, name


def test_the_training_curve_is_that_of_the_bundled_encoder(encoder):
    log = RESULTS / "training.csv"
    if not log.exists():
        pytest.skip("no training.csv: python benchmarks/plots.py RUN/log.csv")
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    best = max(float(row["dev"]) for row in rows if row["run"] == rows[-1]["run"])
    wanted = encoder.bundle.manifest.metrics["mean_dev_spearman"]
    assert best == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    ("module", "main"),
    [
        ("indexer", indexer.cli.main),
        ("distill", distill.cli.main),
        ("faq_app", faq_app.accounts_cli.main),
    ],
)
def test_every_command_is_in_the_readme(module, main):
    for name in main.commands:
        assert f"`python -m {module} {name}" in README


def test_every_file_that_the_documents_name_exists():
    for document in (README, (ROOT / "data" / "README.md").read_text(encoding="utf-8")):
        for path in re.findall(r"`((?:distill|indexer|faq_app|tests|data)/[\w./-]+)`", document):
            assert (ROOT / path).exists() or path == "data/faq.db", path
        for path in re.findall(r"\]\(((?!http|#)[^)]+)\)", document):
            assert (ROOT / path).exists() or (ROOT / "data" / path).exists(), path


def test_the_english_part_tells_the_same_numbers():
    overall = result("faq")["systems"]["ours"]["overall"]
    assert f"Recall@1 {100 * overall['recall_at_1']:.1f}" in README.split("## English")[1]


def test_the_model_card_names_the_encoder_it_describes(encoder):
    assert encoder.fingerprint in CARD


def test_no_document_names_a_path_of_somebodys_machine():
    for path in (*tables.DOCUMENTS, *ROOT.glob("docs/*.md"), *RESULTS.glob("*.*")):
        assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp)/", path.read_text("utf-8")), path
