"""What do people really type? Typos and homophones; and the story before the question.

In: a normalised sentence. Out: the same sentence as a customer might have typed it. The student
learns to give both the same vector.
"""

import random
import re
from collections.abc import Sequence
from functools import cache

from pypinyin import Style, pinyin

from distill.text import speaks

_ASKS = re.compile(
    r"[?吗呢么]$|怎|如何|什么|哪|多少|多久|几|能不能|可不可以|可以|是否|为何|为啥|咋|谁|有没有"
)
_LONGEST_CONTEXT = 30


def asks(text: str) -> bool:
    """Say whether a normalised sentence looks like a question."""
    return _ASKS.search(text) is not None


def bury(text: str, contexts: Sequence[str], seed: int) -> str:
    """Return ``text`` between statements, as in a message that tells its story first.

    ``contexts`` are statements of other people. What is asked stays; where it stands, and what
    stands around it, is drawn anew for each seed.
    """
    rng = random.Random(f"{seed} {text}")
    parts = [rng.choice(contexts)[:_LONGEST_CONTEXT] for _ in range(rng.choice((1, 1, 2)))]
    # Most people ask last.
    parts.insert(len(parts) if rng.random() < 0.6 else rng.randrange(len(parts) + 1), text)
    return rng.choice((",", ",", " ", "。")).join(parts)


def corrupt(text: str, seed: int) -> str:
    """Return ``text`` with about one slip in eight characters; the same for the same seed.

    Half of the slips are characters of the same or nearly the same sound (what a Pinyin input
    method offers), a quarter missing characters, the others swapped or doubled ones. A text of
    fewer than four characters stays as it is: one slip can change what it says.
    """
    if len(text) < 4:
        return text
    rng = random.Random(f"{seed} {text}")
    chars = list(text)
    for _ in range(1 + rng.randrange(len(text)) // 8):
        i = rng.randrange(len(chars))
        slip = rng.random()
        if slip < 0.5:
            alike = _same_sound().get(chars[i])
            chars[i] = rng.choice(alike) if alike else chars[i]
        elif slip < 0.75 and len(chars) > 3:
            del chars[i]
        elif slip < 0.9 and i + 1 < len(chars):
            chars[i], chars[i + 1] = chars[i + 1], chars[i]
        else:
            chars.insert(i, chars[i])
    corrupted = "".join(chars)
    return corrupted if speaks(corrupted) else text


@cache
def _same_sound() -> dict[str, str]:
    """Map each common character to the other common ones that sound like it."""
    # GB 2312's first level: the 3,755 characters in everyday use.
    common = [
        bytes((row, cell)).decode("gb2312", "ignore")
        for row in range(0xB0, 0xD8)
        for cell in range(0xA1, 0xFF)
    ]
    groups: dict[str, set[str]] = {}
    for char in filter(None, common):
        for sound in pinyin(char, style=Style.NORMAL, heteronym=True)[0]:
            groups.setdefault(_blur(sound), set()).add(char)
    alike: dict[str, set[str]] = {}
    for group in groups.values():
        for char in group:
            alike.setdefault(char, set()).update(group - {char})
    return {char: "".join(sorted(others)) for char, others in alike.items() if others}


def _blur(sound: str) -> str:
    """Drop what southern speakers do not tell apart: zh/z, ch/c, sh/s, and -ng/-n."""
    if sound[:2] in ("zh", "ch", "sh"):
        sound = sound[0] + sound[2:]
    return sound[:-1] if sound.endswith("ng") else sound
