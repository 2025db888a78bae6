"""What does the chat page say in its own words? Greeting, refusal, the way to a person.

In: the settings of a revision. Out: a ``Wording``. What customers ask is answered by entries alone.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from indexer.errors import InputError

SETTING = "wording"
LONGEST = 500  # characters of a text
MOST_FREQUENT = 10  # questions shown under the greeting
_log = logging.getLogger(__name__)
_LINK = re.compile(r"(https?://|tel:|mailto:)[^\s\"'<>]+", re.IGNORECASE)


@dataclass(frozen=True)
class Wording:
    """Texts of the chat page; "" for a link that is not shown.

    ``frequent`` are the questions to offer; none: those asked most.
    """

    welcome: str = "您好，请问有什么可以帮您？"
    refusal: str = "抱歉，暂时没有找到相关的答案"
    handoff: str = "联系人工客服"
    handoff_link: str = ""
    frequent: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Wording":
        """Read what a setting holds; what cannot be shown is logged, and our own words stand in."""
        try:
            values = dict(stored or {})
            read = cls(**values | {"frequent": tuple(values.get("frequent") or ())})
            return read.checked()
        except (TypeError, ValueError, AttributeError, InputError) as error:
            _log.error("setting %s: %s; save the texts again on the settings page", SETTING, error)
            return cls()

    def as_json(self) -> dict[str, Any]:
        """Return what is stored."""
        return asdict(self) | {"frequent": list(self.frequent)}

    def checked(self) -> "Wording":
        """Return it; raises InputError for a text that is missing or too long, or a bad link."""
        for name, text in (("欢迎语", self.welcome), ("拒答语", self.refusal)):
            if not text.strip():
                raise InputError(f"{name}是空的。怎么办: 写一句话")
        for text in (self.welcome, self.refusal, self.handoff, self.handoff_link, *self.frequent):
            if len(text) > LONGEST:
                raise InputError(f"「{text[:20]}…」有 {len(text)} 个字, 最多 {LONGEST}")
        if self.handoff_link and not _LINK.fullmatch(self.handoff_link):
            raise InputError(
                f"人工客服的链接「{self.handoff_link[:40]}」不能用。"
                "怎么办: 以 https://、tel: 或 mailto: 开头"
            )
        if len(self.frequent) > MOST_FREQUENT:
            raise InputError(f"常见问题有 {len(self.frequent)} 条, 最多 {MOST_FREQUENT} 条")
        return self
