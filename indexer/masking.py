"""Which numbers in a customer's words say who they are? They give way to what they are.

In: a text. Out: the same with [手机号], [电话], [证件号] or [卡号] in their place. Amounts, dates
and numbers of any other shape stay: they are part of the question.
"""

import re

from distill.text import normalise

_GAP = "[ -]?"
_MONTH_DAY = "(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
# Six digits of place, the day of birth, three that count, one that checks (GB 11643-1999).
_IDENTITY = f"[1-9][0-9]{{5}}{_GAP}(?:19|20)[0-9]{{2}}{_MONTH_DAY}{_GAP}[0-9]{{3}}[0-9x]"
_OLD_IDENTITY = f"[1-9][0-9]{{7}}{_MONTH_DAY}[0-9]{{3}}"  # of before 1999: 15 digits
# UnionPay's begin with 62, Visa's with 4, Mastercard's with 51 … 55: 16 to 19 digits.
_CARD = f"(?:62|4[0-9]|5[1-5])[0-9]{{2}}(?:{_GAP}[0-9]{{4}}){{3}}(?:{_GAP}[0-9]{{1,3}})?"
_MOBILE = f"(?:(?:[+]|00)?86{_GAP})?1[3-9][0-9](?:{_GAP}[0-9]{{4}}){{2}}"
_LANDLINE = "(?:[(]0[0-9]{2,3}[)] ?|0[0-9]{2,3}[ -]?)[1-9][0-9]{6,7}"
_PATTERNS = tuple(
    # Not in the middle of a longer number, which would be neither.
    (re.compile(f"(?<![0-9])(?:{pattern})(?![0-9])", re.IGNORECASE), name)
    for pattern, name in (
        (_IDENTITY, "[证件号]"),
        (_OLD_IDENTITY, "[证件号]"),
        (_CARD, "[卡号]"),
        (_MOBILE, "[手机号]"),
        (_LANDLINE, "[电话]"),
    )
)


def masked(text: str) -> str:
    """Return a normalised text without numbers of telephones, identity and bank cards."""
    for pattern, name in _PATTERNS:
        text = pattern.sub(name, text)
    return text


def as_asked(query: str) -> str:
    """Return the form in which a customer's query is counted, grouped, shown and exported."""
    return masked(normalise(query))
