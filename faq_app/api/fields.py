"""What may stand in a field of a request? The types that several routes share.

In: JSON. Out: Python values that can be stored and printed; anything else is refused by name.
"""

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

LARGEST = 2**63 - 1  # an integer that SQLite can hold


def _whole(text: str) -> str:
    """Refuse half a character (a lone surrogate): JSON can carry it, nothing can store it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("不是有效的文字") from None
    return text


# Strict: 123 or true is a mistake of the caller, not a text.
Text = Annotated[str, Field(strict=True), AfterValidator(_whole)]
Words = Annotated[str, Field(strict=True)]  # a customer's: the service mends half a character
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(strict=True)]
Switch = Annotated[bool, Field(strict=True)]

Offset = Annotated[int, Query(ge=0, le=LARGEST, description="跳过多少条")]
Limit = Annotated[int, Query(ge=1, le=500, description="最多返回多少条")]
Insist = Annotated[
    bool, Query(description="会弄坏的回归提问超过关卡时也发布；否则 409 would_break")
]
