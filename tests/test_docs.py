"""What the README says is so: its numbers, its commands, its files."""

import json
import re

import pytest

import distill.cli
import indexer.cli
from tests.conftest import BUNDLE, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"


def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def readme_rows(text=README):
    """Return the cells of all table rows by their first cell."""
    rows = (line.strip("| \n").split("|") for line in text.splitlines() if line.startswith("|"))
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def test_retrieval_numbers_are_those_of_the_result_file():
    systems, rows = result("faq")["systems"], readme_rows()
    for label, name in (("本项目", "ours"), ("BM25", "bm25"), ("字符 TF-IDF", "character_tfidf")):
        overall = systems[name]["overall"]
        wanted = [overall[k] for k in ("recall_at_1", "recall_at_3", "mrr_at_10")]
        assert rows[label][:3] == [f"{100 * value:.1f}" for value in wanted]


def test_decision_numbers_are_those_of_the_result_file():
    overall, rows = result("faq")["systems"]["ours"]["overall"], readme_rows()
    for label, name in (
        ("决定正确", "decision_accuracy"),
        ("直接回答中答对的", "answer_precision"),
        ("库内提问得到服务的", "in_scope_served"),
        ("库外提问被拒答的", "out_of_scope_rejected"),
    ):
        assert rows[label][0] == f"{100 * overall[name]:.1f} %"


def test_encoder_numbers_are_those_of_the_result_file():
    encoder, rows = result("encoder"), readme_rows()
    names = {"ATEC": "atec", "BQ": "bq", "LCQMC": "lcqmc", "PAWS-X": "pawsx", "STS-B": "stsb"}
    for label, name in names.items():
        assert rows[label][0] == f"{encoder['spearman'][name]:.2f}"
    assert rows["编码器大小"][0] == f"{encoder['bundle_bytes'] / 1e6:.2f} MB"
    assert rows["一句话的编码时间"][0].startswith(f"{encoder['ours_ms']:.2f} ms")
    assert f"{encoder['times_faster_than_bert_base']:.0f} 倍" in rows["一句话的编码时间"][0]


@pytest.mark.parametrize("name", ["faq", "encoder"])
def test_results_were_measured_on_the_bundled_encoder(name, encoder):
    assert result(name)["encoder"] == encoder.fingerprint


@pytest.mark.parametrize(
    ("module", "main"), [("indexer", indexer.cli.main), ("distill", distill.cli.main)]
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
    card = (ROOT / "docs" / "encoder.md").read_text(encoding="utf-8")
    assert encoder.fingerprint in card
    rows = readme_rows(card)
    for label, name in (("ATEC", "atec"), ("LCQMC", "lcqmc"), ("STS-B", "stsb")):
        assert rows[label][0] == f"{result('encoder')['spearman'][name]:.2f}"
    assert BUNDLE.exists()


def test_no_document_names_a_path_of_somebodys_machine():
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *RESULTS.glob("*.json")):
        assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp)/", path.read_text("utf-8")), path
