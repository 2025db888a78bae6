"""sentence-transformers' own evaluators on our encoder say what our evaluation says."""

import math

import numpy as np
import pytest

pytest.importorskip("torch")
sentence_transformers = pytest.importorskip("sentence_transformers")

from sentence_transformers.sentence_transformer.evaluation import (  # noqa: E402
    BinaryClassificationEvaluator,
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
    TripletEvaluator,
)

import evaluators  # noqa: E402
from distill.corpus import LabelledPair  # noqa: E402
from distill.errors import BundleError, TextError  # noqa: E402
from distill.evaluate import evaluate_pairs  # noqa: E402
from distill.sentence_transformer import BundleModule  # noqa: E402
from tests.conftest import BUNDLE  # noqa: E402
from tests.test_classifier import NEW, ROWS  # noqa: E402

pytestmark = pytest.mark.torch

PAIRS = [
    LabelledPair(a, b, float(x == y) if (i + j) % 5 else 0.5)
    for i, (a, x) in enumerate(ROWS[::2])
    for j, (b, y) in enumerate(ROWS[1::3])
]


@pytest.fixture(scope="module")
def model():
    modules = [BundleModule(BUNDLE)]
    return sentence_transformers.SentenceTransformer(modules=modules, device="cpu")


def columns():
    return [p.first for p in PAIRS], [p.second for p in PAIRS], [p.label for p in PAIRS]


def test_vectors_are_the_encoders_byte_for_byte(model, encoder):
    texts = [text for text, _ in ROWS]
    assert (model.encode(texts, batch_size=4) == encoder.encode(texts)).all()
    assert model.encode(texts[0]).shape == (encoder.dimension,)
    assert model.get_embedding_dimension() == encoder.dimension
    assert model.similarity_fn_name == "cosine"


def test_spearman_is_that_of_our_own_evaluation(model, encoder):
    first, second, labels = columns()
    found = EmbeddingSimilarityEvaluator(first, second, labels, name="x")(model)
    ours = evaluate_pairs(encoder, PAIRS)
    assert 100 * found["x_spearman_cosine"] == pytest.approx(ours, abs=1e-6)
    assert 10 < ours < 100


def test_binary_classification_is_measured(model):
    first, second, labels = columns()
    found = BinaryClassificationEvaluator(first, second, [int(x > 0.6) for x in labels])(model)
    assert 0.5 < found["cosine_ap"] <= 1
    assert 0.5 < found["cosine_accuracy"] <= 1


def test_retrieval_finds_what_the_encoder_finds(model, encoder):
    corpus = {str(i): text for i, (text, _) in enumerate(ROWS)}
    queries = {label: text for text, label in NEW}
    wanted = {label: {str(i) for i, row in enumerate(ROWS) if row[1] == label} for _, label in NEW}
    found = InformationRetrievalEvaluator(queries, corpus, wanted)(model)
    cosines = encoder.encode(list(queries.values())) @ encoder.encode(list(corpus.values())).T
    first = [ROWS[i][1] == label for i, label in zip(cosines.argmax(axis=1), queries, strict=True)]
    assert found["cosine_accuracy@1"] == pytest.approx(np.mean(first))
    assert not math.isnan(found["cosine_ndcg@10"])


def test_triplets_are_told_apart(model):
    evaluator = TripletEvaluator(["忘记密码"], ["密码忘了怎么办"], ["发票抬头写错了"])
    assert evaluator(model)["cosine_accuracy"] == 1


def test_it_is_saved_and_loaded_as_any_model(model, tmp_path):
    model.save_pretrained(str(tmp_path))
    # The class is in this package, so it counts as somebody else's code.
    loaded = sentence_transformers.SentenceTransformer(
        str(tmp_path), device="cpu", trust_remote_code=True
    )
    assert (loaded.encode(["怎么退货"]) == model.encode(["怎么退货"])).all()
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError):
        sentence_transformers.SentenceTransformer(
            str(tmp_path), device="cpu", trust_remote_code=True
        )


def test_an_empty_text_is_refused(model):
    with pytest.raises(TextError):
        model.encode([""])


def test_a_prompt_stands_before_the_text(model, encoder):
    assert (model.encode(["退货"], prompt="怎么") == encoder.encode(["怎么退货"])).all()


def test_the_sample_faqs_evaluator_knows_every_wording_of_the_right_entry():
    evaluator = evaluators.of_sample_faq()
    assert len(evaluator.queries) == len(evaluator.relevant_docs) == 523
    number = evaluator.queries.index("急死了,我号好像让人给端了,密码不对,手机号也变了,咋整啊")
    wanted = evaluator.relevant_docs[evaluator.queries_ids[number]]
    assert {name.rsplit("/", 1)[0] for name in wanted} == {"security-001"}
    assert len(wanted) > 1
