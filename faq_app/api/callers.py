"""Who operates through the API? Parameters of a route that say which scope it needs.

In: a request with a key. Out: a ``Caller``. In the history it stands as "name (API)", apart from
the people who log in to the console.
"""

from typing import Annotated

from fastapi import Depends

from faq_app.access import Caller, needs

Reader = Annotated[Caller, Depends(needs("read"))]
Editor = Annotated[Caller, Depends(needs("edit"))]
Publisher = Annotated[Caller, Depends(needs("publish"))]


def signature(caller: Caller) -> str:
    """Return who did it, for history and audit log."""
    return f"{caller.name} (API)"
