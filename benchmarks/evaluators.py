"""python benchmarks/evaluators.py CORPUS: sentence-transformers' own evaluators on our encoder.

The encoder is loaded as a SentenceTransformer, and judged by code that is not ours: similarity and
binary classification of the test pairs, and retrieval of the sample FAQ's entries by its test
queries, vectors alone. Nothing was trained on or selected by any of these texts. Writes
results/evaluators.json with the evaluators' figures and what they printed.
"""

import argparse
import json
import logging
from importlib.metadata import version
from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import (
    BinaryClassificationEvaluator,
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
    SentenceEvaluator,
    SimilarityFunction,
)

from distill.corpus import read_pairs
from distill.encoder import Encoder
from distill.files import write_whole
from distill.sentence_transformer import BundleModule
from quality import Faq

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "evaluators.json"
PAIRS = ("atec", "bq", "lcqmc", "stsb")
GRADED = "stsb"  # has no two classes to tell apart


def main() -> None:
    """Run the evaluators, show what they print, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("corpus", type=Path, help="the folder with pairs/")
    options = parser.parse_args()
    printed = _Printed()
    logger = logging.getLogger("sentence_transformers")
    logger.setLevel(logging.INFO)
    logger.addHandler(printed)
    bundle = ROOT / "data" / "encoder"
    model = SentenceTransformer(modules=[BundleModule(bundle)], device="cpu")
    printed.lines.clear()  # what was said of loading
    figures: dict[str, float] = {}
    for each in evaluators(options.corpus):
        figures |= {name: round(float(value), 4) for name, value in each(model).items()}
    result = {
        "what": "sentence-transformers' evaluators on the bundled encoder; test parts only",
        "encoder": Encoder.load(bundle).fingerprint,
        "versions": {name: version(name) for name in ("sentence-transformers", "torch")},
        "figures": figures,
        "printed": printed.lines,
    }
    write_whole(RESULT, (json.dumps(result, ensure_ascii=False, indent=1) + "\n").encode())


def evaluators(corpus: Path) -> list[SentenceEvaluator]:
    """Return what judges the encoder, on test parts."""
    made: list[SentenceEvaluator] = []
    for name in PAIRS:
        pairs = list(read_pairs([corpus / "pairs" / name / "test.tsv"]))
        first, second = [pair.first for pair in pairs], [pair.second for pair in pairs]
        made.append(
            EmbeddingSimilarityEvaluator(
                first,
                second,
                [pair.label for pair in pairs],
                main_similarity=SimilarityFunction.COSINE,
                name=f"{name}-test",
                write_csv=False,
            )
        )
        if name != GRADED:
            same = [int(pair.label > 0) for pair in pairs]
            made.append(
                BinaryClassificationEvaluator(
                    first,
                    second,
                    same,
                    name=f"{name}-test",
                    write_csv=False,
                    similarity_fn_names=["cosine"],
                )
            )
    return [*made, of_sample_faq()]


def of_sample_faq() -> InformationRetrievalEvaluator:
    """Return what asks for the sample FAQ's entries; each has all of its wordings as documents."""
    faq = Faq.read_sample()
    documents: dict[str, str] = {}
    belonging: dict[str, set[str]] = {}
    for number, (entry, text) in enumerate(zip(faq.entries, faq.questions, strict=True)):
        documents[f"{entry}/{number}"] = text
        belonging.setdefault(entry, set()).add(f"{entry}/{number}")
    queries = {str(number): query for number, query in enumerate(faq.queries)}
    return InformationRetrievalEvaluator(
        {number: query.query for number, query in queries.items()},
        documents,
        {number: belonging[query.entry_id] for number, query in queries.items()},
        name="sample-faq-test",
        accuracy_at_k=[1, 3, 10],
        precision_recall_at_k=[1],
        write_csv=False,
    )


class _Printed(logging.Handler):
    """Keeps what the evaluators log, line by line, and shows it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        for line in record.getMessage().splitlines():
            self.lines.append(line.replace("\t", " ").rstrip())
            print(self.lines[-1])


if __name__ == "__main__":
    main()
