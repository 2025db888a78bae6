"""How do figures of days and runs look? Stacked bars and a line, as inline SVG.

In: labelled numbers. Out: ``Markup``; colours are classes of console.css.
"""

from collections.abc import Sequence

from distill.markup import Markup, element

_LEFT, _TOP, _WIDTH, _HEIGHT = 46, 30, 860, 170
_LABELS = 10  # under the bars at most


def stacked_bars(labels: Sequence[str], series: Sequence[tuple[str, str, Sequence[int]]]) -> Markup:
    """Draw a bar for each label; ``series`` are class, title and numbers, from below up."""
    sums = [sum(column) for column in zip(*(numbers for _, _, numbers in series), strict=True)]
    most = max([*sums, 1])
    step = _WIDTH / max(1, len(labels))
    drawn = _grid(most, "{:.0f}")
    legend = float(_LEFT)
    for name, title, _ in series:
        drawn.append(element("rect", x=legend, y=2, width=10, height=10, class_=name))
        drawn.append(_text(legend + 15, 11, title))
        legend += 90
    for place, label in enumerate(labels):
        x, y = _LEFT + step * place, float(_TOP + _HEIGHT)
        said = ", ".join(f"{title} {numbers[place]}" for _, title, numbers in series)
        boxes = [element("title", f"{label}: {said}")]
        for name, _, numbers in series:
            high = _HEIGHT * numbers[place] / most
            y -= high
            boxes.append(
                element(
                    "rect", x=round(x + step * 0.12, 1), y=round(y, 1),
                    width=round(step * 0.76, 1), height=round(high, 1), class_=name,
                )
            )  # fmt: skip
        drawn.append(element("g", *boxes))
    return _svg(drawn + _under(labels, step))


def share_line(labels: Sequence[str], shares: Sequence[float | None]) -> Markup:
    """Draw shares (0 … 1) in order; gaps where there is nothing."""
    step = _WIDTH / max(1, len(labels))
    drawn = _grid(1.0, "{:.0%}")
    points = [
        (round(_LEFT + step * (place + 0.5), 1), round(_TOP + _HEIGHT * (1 - share), 1), place)
        for place, share in enumerate(shares)
        if share is not None
    ]
    drawn.append(element("polyline", points=" ".join(f"{x},{y}" for x, y, _ in points)))
    for x, y, place in points:
        tip = element("title", f"{labels[place]}: {shares[place]:.1%}")
        drawn.append(element("circle", tip, cx=x, cy=y, r=3.5))
    return _svg(drawn + _under(labels, step))


def _grid(most: float, form: str) -> list[Markup]:
    drawn = []
    for part in (0.0, 0.5, 1.0):
        y = _TOP + _HEIGHT * (1 - part)
        drawn.append(element("line", x1=_LEFT, x2=_LEFT + _WIDTH, y1=y, y2=y, class_="grid"))
        drawn.append(_text(_LEFT - 8, y + 4, form.format(most * part), "end"))
    return drawn


def _under(labels: Sequence[str], step: float) -> list[Markup]:
    every = -(-len(labels) // _LABELS)
    return [
        _text(_LEFT + step * (place + 0.5), _TOP + _HEIGHT + 20, labels[place], "middle")
        for place in range(0, len(labels), every or 1)
    ]


def _text(x: float, y: float, text: str, anchor: str = "start") -> Markup:
    return element("text", text, x=round(x, 1), y=round(y, 1), text_anchor=anchor)


def _svg(drawn: Sequence[Markup]) -> Markup:
    size = f"0 0 {_LEFT + _WIDTH + 10} {_TOP + _HEIGHT + 28}"
    return element("svg", *drawn, viewBox=size, role="img", class_="chart")
