"""The encoder as scikit-learn's users expect a transformer to be."""

import pickle
import shutil

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from distill.errors import BundleError, TextError
from distill.sentence_encoder import SentenceEncoder
from tests.conftest import BUNDLE
from tests.test_classifier import NEW, ROWS

TEXTS, LABELS = (list(part) for part in zip(*ROWS, strict=True))


@pytest.fixture(scope="module")
def fitted():
    return SentenceEncoder(BUNDLE).fit(TEXTS)


def test_it_gives_the_encoders_vectors(fitted, encoder):
    assert (fitted.transform(TEXTS) == encoder.encode(TEXTS)).all()
    assert (SentenceEncoder(BUNDLE).fit_transform(TEXTS[:2]) == encoder.encode(TEXTS[:2])).all()


@pytest.mark.parametrize("shape", ["tuple", "array", "column", "series", "iterator"])
def test_columns_of_texts_come_in_any_usual_form(fitted, shape):
    import pandas

    given = {
        "tuple": tuple(TEXTS[:3]),
        "array": np.array(TEXTS[:3]),
        "column": np.array(TEXTS[:3]).reshape(-1, 1),
        "series": pandas.Series(TEXTS[:3], index=[7, 8, 9]),
        "iterator": pandas.DataFrame({"文本": TEXTS[:3]}),
    }[shape]
    assert (fitted.transform(given) == fitted.transform(TEXTS[:3])).all()


def test_it_works_in_a_pipeline_and_a_search():
    pipeline = make_pipeline(SentenceEncoder(BUNDLE, workers=1), LogisticRegression(max_iter=500))
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0, 100.0]}, cv=2)
    search.fit(TEXTS, LABELS)
    assert search.predict([text for text, _ in NEW]).tolist() == [label for _, label in NEW]


def test_settings_are_read_set_and_cloned():
    estimator = SentenceEncoder("a", workers=2)
    assert estimator.get_params() == {"encoder": "a", "workers": 2}
    copy = clone(estimator.set_params(workers=1))
    assert copy.get_params() == {"encoder": "a", "workers": 1}
    assert "SentenceEncoder" in repr(copy)


def test_columns_have_names(fitted, encoder):
    names = fitted.get_feature_names_out()
    assert len(names) == encoder.dimension
    assert names[0] == "sentenceencoder0"
    framed = clone(fitted).set_output(transform="pandas").fit_transform(TEXTS[:2])
    assert list(framed.columns) == list(names)


def test_it_must_be_fitted_first():
    with pytest.raises(NotFittedError):
        SentenceEncoder(BUNDLE).transform(TEXTS)
    with pytest.raises(BundleError):
        SentenceEncoder("no/bundle").fit(TEXTS)


def test_a_pickle_holds_the_path_and_notices_another_encoder(tmp_path):
    shutil.copytree(BUNDLE, tmp_path / "encoder")
    fitted = SentenceEncoder(tmp_path / "encoder").fit(TEXTS)
    data = pickle.dumps(fitted)
    assert len(data) < 2000
    assert (pickle.loads(data).transform(TEXTS[:2]) == fitted.transform(TEXTS[:2])).all()
    stale = pickle.loads(data)
    stale.fingerprint_ = "0123456789abcdef"
    with pytest.raises(BundleError, match="向量不能混用"):
        stale.transform(TEXTS)
    shutil.rmtree(tmp_path / "encoder")
    with pytest.raises(BundleError):
        pickle.loads(data).transform(TEXTS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("怎么退货", "给的是一个字符串"),
        (["退货", ""], "第 1 行"),
        (["退货", None], "第 1 行"),
        ([1.5], "第 0 行"),
        ([], "一条文本也没有"),
        (np.array([["a", "b"]]), "2 维"),
    ],
)
def test_what_is_no_column_of_texts_is_refused(fitted, given, message):
    with pytest.raises(TextError, match=message):
        fitted.transform(given)
    with pytest.raises(TextError, match=message):
        SentenceEncoder(BUNDLE).fit(given)


def test_its_tags_say_that_it_takes_texts():
    from sklearn.utils import get_tags

    tags = get_tags(SentenceEncoder())
    assert tags.input_tags.string
    assert tags.input_tags.one_d_array
    assert not tags.input_tags.two_d_array
    assert tags.transformer_tags is not None
