"""How is HTML written so that no text can become a tag? Everything is escaped unless it is Markup.

In: an element's name, children and attributes. Out: ``Markup``, which only this module makes.
"""

import base64
import hashlib
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


def page(title: str, style: str, *body: str, script: str = "") -> str:
    """Return a whole page that needs nothing beside it; no style or script but these two runs."""
    policy = f"default-src 'none'; style-src {_source(style)}; base-uri 'none'; form-action 'none'"
    scripts = [raw("script", script)] if script else []
    if script:
        policy += f"; script-src {_source(script)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        raw("style", style),
    )
    whole = element("html", head, element("body", *body, *scripts), lang="zh-CN")
    return f"<!doctype html>\n{whole}\n"


def _source(content: str) -> str:
    """Return the source expression of a Content-Security-Policy for an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
