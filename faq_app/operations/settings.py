"""What else do operators set? The chat page's own words, signals, the gate, and the encoder.

In: a desk and values. Out: what is set, or a new revision.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from distill.encoder import Encoder
from faq_app.operations import drafts, effects
from faq_app.operations.desk import Desk
from faq_app.operations.effects import GATE_SETTING
from faq_app.wording import SETTING, Wording
from indexer.build import Published, publish
from indexer.errors import InputError
from indexer.progress import Progress, silent
from indexer.records import Signals
from indexer.search import signals_of

_MOST_BROKEN = 1_000
_SIGNALS = "signals"
MOST_SIGNAL = 3.0  # a signal of three times the strongest's weight decides alone


def save_wording(desk: Desk, wording: Wording, by: str) -> Published:
    """Publish the chat page's words. Raises InputError for what cannot be shown."""
    wording = wording.checked()
    if wording == desk.service.wording:
        raise InputError("没有改动。怎么办: 改好再保存")
    return desk.publish(by, "聊天页的文字", settings={SETTING: wording.as_json()})


def draft_wording(desk: Desk, wording: Wording, by: str) -> bool:
    """Let the chat page's words wait in the draft; say whether they differ from those in force."""
    wording = wording.checked()
    same = wording == desk.service.wording
    stored = desk.service.store.setting(SETTING) if same else wording.as_json()
    return drafts.add_setting(desk, SETTING, stored, by)


def save_signals(desk: Desk, weights: Mapping[str, float], by: str, insist: bool) -> Published:
    """Publish what each signal weighs. Raises InputError, or as ``effects.publish``."""
    chosen = _signals(weights)
    if chosen == desk.searcher.weights:
        raise InputError("权重没有改。怎么办: 先拖动滑块")
    return effects.publish(desk, by, "信号权重", settings={_SIGNALS: asdict(chosen)}, insist=insist)


def draft_signals(desk: Desk, weights: Mapping[str, float], by: str) -> bool:
    """Let signal weights wait in the draft; say whether they differ from those in force."""
    chosen = _signals(weights)
    same = chosen == desk.searcher.weights
    stored = desk.service.store.setting(_SIGNALS) if same else asdict(chosen)
    return drafts.add_setting(desk, _SIGNALS, stored, by)


def usual_signals(desk: Desk) -> Signals:
    """Return what signals weigh in such a FAQ unless somebody sets them."""
    return signals_of(replace(desk.snapshot, settings={}))


def _signals(weights: Mapping[str, float]) -> Signals:
    try:
        chosen = Signals(**{name: round(float(value), 3) for name, value in weights.items()})
    except (TypeError, ValueError) as error:
        raise InputError("权重要是 0 以上的数。怎么办: 拖动滑块") from error
    values = asdict(chosen).values()
    if not all(0 <= value <= MOST_SIGNAL for value in values):  # nor is NaN
        raise InputError(f"权重要在 0 和 {MOST_SIGNAL:g} 之间。怎么办: 拖动滑块")
    if not any(values):
        raise InputError("所有信号都关掉了, 什么也找不到。怎么办: 至少留一个大于 0")
    return chosen


def save_gate(desk: Desk, allowed: float | None, by: str) -> int:
    """Store how many regression cases a publish may break unasked."""
    if allowed is None or not 0 <= allowed <= _MOST_BROKEN:
        raise InputError(f"最多弄坏几条: 要在 0 和 {_MOST_BROKEN} 之间")
    desk.service.store.save_settings({GATE_SETTING: int(allowed)})
    desk.note(by, "发布的关卡", f"最多弄坏 {int(allowed)} 条")
    return int(allowed)


def swap_encoder(desk: Desk, folder: str, by: str, progress: Progress = silent) -> Published:
    """Load another encoder, encode everything with it, and publish it at the end or not at all.

    Meanwhile customers are answered by the old one. Raises DistillError if the folder holds no
    sound bundle, InputError if it holds the present one.
    """
    if not folder.strip():
        raise InputError("还没有写编码器的目录")
    encoder = Encoder.load(Path(folder.strip()))
    if encoder.fingerprint == desk.service.encoder_fingerprint:
        raise InputError("这就是正在使用的编码器。怎么办: 换一个目录")
    store = desk.service.store
    what = f"换编码器 {encoder.fingerprint}"
    done = publish(
        store, store.snapshot(), encoder, (), None, progress, by=by, what=what, afresh=True
    )
    desk.published(by, what, done)
    return done
