"""How does an evaluation look? Bars, a curve and a heat map as inline SVG.

In: cases, the curve's points, the table of categories. Out: ``Markup``; colours are classes of
evaluation_report.css.
"""

from collections.abc import Callable, Iterator, Sequence

from distill.markup import Markup, element
from indexer.confusions import OTHERS, OUT_OF_SCOPE, REFUSED, CategoryTable
from indexer.evaluate import Case
from indexer.evaluation_text import percent
from indexer.threshold_curve import CurvePoint

_LINES: tuple[tuple[str, str, Callable[[CurvePoint], float | None]], ...] = (
    ("precision", "答得对 Precision", lambda point: point.precision),
    ("coverage", "答得到 Coverage", lambda point: point.coverage),
    ("misled", "库外被误答 Misled", lambda point: point.misled),
)
_CELL = 30
_CHAR = 13  # a Chinese character's width in the pictures


def outcome_bars(cases: Sequence[Case]) -> Markup:
    """Draw what in-scope and out-of-scope queries came to, each a bar of shares."""
    inside = [case for case in cases if case.expected]
    outside = [case for case in cases if not case.expected]
    parts = {
        "库内": (
            inside,
            [
                ("good", "答对", lambda c: c.decided == "answer" and c.right),
                ("fair", "反问, 有应有的条目", lambda c: c.decided == "clarify" and c.right),
                ("poor", "反问, 没有", lambda c: c.decided == "clarify" and not c.right),
                ("none", "拒答", lambda c: c.decided == "reject"),
                ("bad", "答错", lambda c: c.decided == "answer" and not c.right),
            ],
        ),
        "库外": (
            outside,
            [
                ("good", "拒答", lambda c: c.decided == "reject"),
                ("poor", "反问", lambda c: c.decided == "clarify"),
                ("bad", "误答", lambda c: c.decided == "answer"),
            ],
        ),
    }
    drawn: list[Markup] = []
    y = 0
    for name, (own, kinds) in parts.items():
        if own:
            drawn += _bar(f"{name} {len(own)} 条", own, kinds, y)
            y += 68
    return element("svg", *drawn, viewBox=f"0 0 900 {y}", role="img", class_="bars")


def curve_chart(points: Sequence[CurvePoint], threshold: float) -> Markup:
    """Draw precision, coverage and wrongly answered out-of-scope queries over the threshold."""
    left, top, width, height = 54, 44, 620, 240
    drawn = []
    for step in range(0, 101, 20):
        y = top + height * (1 - step / 100)
        drawn.append(element("line", x1=left, x2=left + width, y1=y, y2=y, class_="grid"))
        drawn.append(_text(left - 8, y + 4, f"{step} %", "end"))
        x = left + width * step / 100
        drawn.append(_text(x, top + height + 20, f"{step / 100:.1f}", "middle"))
    drawn.append(_text(left + width / 2, top + height + 40, "直接回答的阈值", "middle"))
    legend = left
    for kind, title, value in _LINES:
        runs = list(_runs([(point.answer, value(point)) for point in points]))
        if not runs:
            continue
        for run in runs:
            path = " ".join(f"{left + width * x:.1f},{top + height * (1 - y):.1f}" for x, y in run)
            drawn.append(element("polyline", points=path, class_=f"curve {kind}"))
        drawn.append(element("rect", x=legend, y=4, width=14, height=4, class_=f"key {kind}"))
        drawn.append(_text(legend + 20, 11, title))
        legend += 190
    x = left + width * threshold
    drawn.append(element("line", x1=x, x2=x, y1=top, y2=top + height, class_="now"))
    drawn.append(_text(x, top - 7, f"现在 {threshold}", "middle"))
    size = f"0 0 {left + width + 40} {top + height + 48}"
    return element("svg", *drawn, viewBox=size, role="img", class_="chart")


def heat_map(table: CategoryTable) -> Markup:
    """Draw how often queries of a category (row) were shown an entry of another (column).

    The strength of a colour is the share of its row; on the diagonal it stays in its category.
    """
    left = 16 + _CHAR * max(map(len, table.rows))
    top = 16 + _CHAR * max(map(len, table.columns))
    drawn = []
    for number, name in enumerate(table.columns):
        x = left + _CELL * (number + 0.5) + 4
        turn = f"rotate(-90 {x} {top - 8})"
        drawn.append(_text(x, top - 8, name, transform=turn))
    for y, (row, counts) in enumerate(zip(table.rows, table.counts, strict=True)):
        drawn.append(_text(left - 8, top + _CELL * (y + 0.65), row, "end"))
        for x, (column, count) in enumerate(zip(table.columns, counts, strict=True)):
            drawn.append(_cell(left + _CELL * x, top + _CELL * y, row, column, count, sum(counts)))
    width, height = left + _CELL * len(table.columns) + 8, top + _CELL * len(table.rows) + 8
    return element(
        "svg", *drawn, viewBox=f"0 0 {width} {height}", width=width, role="img", class_="heat"
    )


def _bar(
    title: str,
    cases: Sequence[Case],
    kinds: Sequence[tuple[str, str, Callable[[Case], bool]]],
    y: int,
) -> Iterator[Markup]:
    yield _text(0, y + 24, title)
    left, width = 100, 800
    x, legend = float(left), float(left)
    for kind, name, test in kinds:
        count = sum(map(test, cases))
        if not count:
            continue
        share = count / len(cases)
        label = f"{name} {percent(share)} %"
        tip = element("title", f"{label} ({count} 条)")
        shape = {"x": round(x, 1), "y": y + 6, "width": round(width * share, 1), "height": 28}
        yield element("rect", tip, class_=kind, **shape)
        x += width * share
        yield element("rect", x=round(legend, 1), y=y + 43, width=9, height=9, class_=kind)
        yield _text(legend + 14, y + 52, label)
        legend += 38 + sum(_CHAR if char > "\x7f" else 7.5 for char in label)


def _cell(x: float, y: float, row: str, column: str, count: int, total: int) -> Markup:
    if column == REFUSED:
        kind = "good" if row == OUT_OF_SCOPE else "none"
    else:
        kind = "good" if row == column and row != OTHERS else "bad"
    share = count / total if total else 0
    # The root shows a few per cent, which are what one looks for.
    square = element(
        "rect",
        x=x,
        y=y,
        width=_CELL - 2,
        height=_CELL - 2,
        class_=kind if count else "empty",
        fill_opacity=round(share**0.5, 2) if count else 1,
    )
    tip = element("title", f"{row} → {column}: {count} 条, {percent(share)} %")
    number = _text(x + _CELL / 2 - 1, y + _CELL / 2 + 3, str(count) if count else "", "middle")
    strong = "strong" if share > 0.4 else ""
    return element("g", tip, square, number, class_=strong)


def _runs(points: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    """Yield the stretches of a line between which there is nothing to draw."""
    run: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None:
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _text(x: float, y: float, text: str, anchor: str = "start", **more: str) -> Markup:
    return element("text", text, x=round(x, 1), y=round(y, 1), text_anchor=anchor, **more)
