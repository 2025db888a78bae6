"""How do columns line up on a terminal, where a Chinese character is two columns wide?

In: cells of text. Out: lines of text.
"""

import unicodedata
from collections.abc import Collection, Iterator, Sequence


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int]
) -> Iterator[str]:
    """Yield aligned lines; the columns in ``numbers`` stand to the right."""
    widths = [max(map(width, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            " " * (wide - width(cell)) + cell
            if column in numbers
            else cell + " " * (wide - width(cell))
            for column, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def width(text: str) -> int:
    """Return how many columns a text takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def one_line(text: str, columns: int) -> str:
    """Return a text on one line of at most so many columns, without what could steer a terminal.

    What does not fit is cut off behind an ellipsis, a column wide.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if width(line) <= columns:
        return line
    line = line[:columns]  # a character takes a column at least
    while width(line) >= columns:
        line = line[:-1]
    return line + "…"
