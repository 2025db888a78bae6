"""How may a server be run? What `python app.py` is told beyond the database and the port.

In: an operator's choices. Out: one value that the application is made with.
"""

from dataclasses import dataclass

from faq_app.rate_limit import Rate

# One person with a page open asks a few times a second while typing; an office behind one address
# some times that. A key belongs to a program that asks for many.
ADDRESS_RATE = Rate(30, 150)
KEY_RATE = Rate(300, 600)


@dataclass(frozen=True)
class Options:
    """The choices; by default everything is open that customers need.

    ``rate``, ``key_rate``: None is the default, which does not hold for this machine itself:
    whoever asks from here could as well stop the server, and behind a proxy that is not trusted
    with addresses all customers would be one. A rate that was chosen holds for everybody.
    """

    require_key: bool = False
    rate: Rate | None = None
    key_rate: Rate | None = None
    cors_origins: tuple[str, ...] = ()
    workers: int = 0  # processes that help to answer, besides the one that serves
