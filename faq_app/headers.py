"""What do browsers have to be told with every response? What they must not do with it.

In: a response's headers as the route made them. Out: the same and those that it left out.
"""

from collections.abc import Collection

RawHeaders = list[tuple[bytes, bytes]]

# Gradio's pages start with inline scripts, make functions of text (js=…) and style attributes;
# nothing comes from, or goes to, another site, but for the pictures that answers may show.
_PAGE = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https:; font-src 'self' data:; "
    b"media-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self'; "
    b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
_DATA = b"default-src 'none'; frame-ancestors 'none'"
_PROGRAMS = (b"/api/", b"/v1/", b"/metrics", b"/healthz", b"/readyz")
_YEAR = b"max-age=31536000"


def secured(headers: RawHeaders, path: str, https: bool) -> RawHeaders:
    """Return headers with those that protect whoever reads the response in a browser."""
    names = {name for name, _ in headers}
    added = [(b"x-content-type-options", b"nosniff")]
    if b"referrer-policy" not in names:
        added.append((b"referrer-policy", b"same-origin"))
    if b"content-security-policy" not in names:
        data = path.encode("utf-8", "replace").startswith(_PROGRAMS)
        added.append((b"content-security-policy", _DATA if data else _PAGE))
    if https:  # said by a proxy that is trusted: this server itself speaks no TLS
        added.append((b"strict-transport-security", _YEAR))
    kept = [pair for pair in headers if pair[0] != b"x-content-type-options"]
    return kept + added


def vary(headers: RawHeaders, on: bytes) -> RawHeaders:
    """Return headers that say that the response depends on a header of the request."""
    others = [value for name, value in headers if name == b"vary"]
    kept = [pair for pair in headers if pair[0] != b"vary"]
    return [*kept, (b"vary", b", ".join([*others, on]))]


def value_of(headers: Collection[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return the first value of a header; b"" if there is none."""
    return next((value for key, value in headers if key == name), b"")
