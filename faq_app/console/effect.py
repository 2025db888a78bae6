"""How does one read what a change mends and breaks? Three numbers, then the queries by name.

In: an ``Effect``. Out: HTML.
"""

from collections.abc import Sequence

from faq_app.console import parts
from faq_app.console.parts import Markup, element
from faq_app.operations.effects import Effect, Outcome, TooMuchBroken

_SHOWN = 50  # queries of a kind; more are only counted
_OPEN = 6  # so few are shown at once


def effect_view(effect: Effect) -> Markup:
    """Return the numbers and the queries behind them."""
    numbers = element(
        "p",
        element("span", f"修复 {len(effect.fixed)}", class_="chip on" if effect.fixed else "chip"),
        " ",
        element(
            "span", f"变差 {len(effect.broken)}", class_="chip off" if effect.broken else "chip"
        ),
        " ",
        element("span", f"不变 {effect.unchanged}", class_="chip"),
        element("span", f" {effect.source}", class_="soft"),
    )
    return element(
        "div", numbers, *_named("变差的", effect.broken), *_named("修复的", effect.fixed),
        class_="effect",
    )  # fmt: skip


def insist_view(error: TooMuchBroken, **data: str) -> Markup:
    """Return why a publish was refused, what it would break, and a button to do it still."""
    return element(
        "div",
        element("p", str(error)),
        effect_view(error.effect),
        parts.button("insist", "仍然发布", **data),
        class_="notice warning",
    )


def _named(title: str, outcomes: Sequence[Outcome]) -> list[Markup]:
    if not outcomes:
        return []
    rows = [
        (parts.theirs(each.query),
         element("div", element("p", each.before, class_="soft"), f"→ {each.after}"),
         each.expected)
        for each in outcomes[:_SHOWN]
    ]  # fmt: skip
    opened = {"open": ""} if len(outcomes) <= _OPEN else {}
    more = f" (前 {_SHOWN} 条)" if len(outcomes) > _SHOWN else ""
    summary = element("summary", f"{title} {len(outcomes)} 条{more}")
    head = ("提问", "之前 → 之后", "应为")
    return [element("details", summary, parts.table(head, rows), **opened)]
