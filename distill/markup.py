"""How is HTML written so that no text can become a tag? Everything is escaped unless it is Markup.

In: an element's name, children and attributes. Out: ``Markup``, which only this module makes.
"""

import html

_WITHOUT_END = {"input", "meta"}


class Markup(str):
    """HTML that stands as it is."""


def element(name: str, /, *children: str, **attributes: str | float) -> Markup:
    """Return an element; children that are no Markup are text, and escaped.

    Attributes are named as in Python: ``class_`` is class, ``stroke_width`` is stroke-width.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in _WITHOUT_END:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """Return children beside one another."""
    return Markup(
        "".join(child if isinstance(child, Markup) else html.escape(child) for child in children)
    )


def raw(name: str, content: str) -> Markup:
    """Return a style or script element, whose content HTML does not unescape.

    For our own text only. Raises ValueError if it would end its element early.
    """
    if "</" in content:
        raise ValueError(f"<{name}> must not hold an end tag")
    return Markup(f"<{name}>{content}</{name}>")
