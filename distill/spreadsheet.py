"""How does a table go to a spreadsheet, and come back, without running as a formula?

In: cells. Out: the bytes of a csv that Excel opens, and cells as they were before.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# Full-width signs too: a spreadsheet in Chinese may take them for the others.
_FORMULA_LIKE = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")
_GUARDED = re.compile(r"'+[=+\-@＝＋－＠\t\r\n]")


def guard(text: str) -> str:
    """Prefix ``'`` to what a spreadsheet would run as a formula; ``unguard`` undoes exactly it."""
    return "'" + text if _FORMULA_LIKE.match(text) else text


def unguard(text: str) -> str:
    """Remove the one prefix that ``guard`` put there."""
    return text[1:] if text.startswith("'") and _GUARDED.match(text) else text


def csv_bytes(rows: Iterable[Sequence[str]]) -> bytes:
    """Return UTF-8 with BOM, CRLF, all quoted, formulas disarmed."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([guard(cell) for cell in row] for row in rows)
    return stream.getvalue().encode("utf-8-sig")
