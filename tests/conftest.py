"""What tests share: the bundled encoder, a small FAQ, and where the training corpus may lie."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

from distill.encoder import Encoder
from indexer.calibration import Thresholds, as_json, default_for

ROOT = Path(__file__).parent.parent
BUNDLE = ROOT / "data" / "encoder"
CORPUS = ROOT.parent / "shared" / "corpus"

# The first example loads the dictionary, and these machines are noisy: time proves nothing.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

SMALL_FAQ = """\
id,category,question,similar_questions,answer
refund,退货,如何申请退货？,怎么退货##我要退货##不想要了怎么退,在「我的订单」点「申请售后」。
invoice,发票,如何开具电子发票？,怎么开发票##发票在哪里开,订单完成后点「申请发票」。
password,账户,忘记密码怎么办？,密码忘了##找回密码,"点「忘记密码」,
用手机号重设。"
coupon,优惠,优惠券怎么使用？,优惠券怎么用##券在哪里用,结算页选择优惠券。
"""


def thresholds_setting(fingerprint: str, answer: float, clarify: float) -> dict:
    """Settings under which an encoder's confidences are compared with these thresholds."""
    calibration = replace(
        default_for(fingerprint),
        thresholds=Thresholds(answer, clarify),
        encoder=fingerprint,
        source="test",
    )
    return {"calibration": as_json(calibration)}


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder.load(BUNDLE)


@pytest.fixture
def small_faq(tmp_path: Path) -> Path:
    path = tmp_path / "faq.csv"
    path.write_text(SMALL_FAQ, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def corpus() -> Path:
    if not CORPUS.is_dir():
        pytest.skip("the training corpus is not beside this checkout")
    return CORPUS
