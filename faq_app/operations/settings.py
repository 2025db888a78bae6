"""What else do operators set? The chat page's own words, the gate, and the encoder.

In: a desk and values. Out: what is set, or a new revision.
"""

from pathlib import Path

from distill.encoder import Encoder
from faq_app.operations.desk import Desk
from faq_app.operations.effects import GATE_SETTING
from faq_app.wording import SETTING, Wording
from indexer.build import Published, publish
from indexer.errors import InputError
from indexer.progress import Progress, silent

_MOST_BROKEN = 1_000


def save_wording(desk: Desk, wording: Wording, by: str) -> Published:
    """Publish the chat page's words. Raises InputError for what cannot be shown."""
    wording = wording.checked()
    if wording == desk.service.wording:
        raise InputError("没有改动。怎么办: 改好再保存")
    return desk.publish(by, "聊天页的文字", settings={SETTING: wording.as_json()})


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
