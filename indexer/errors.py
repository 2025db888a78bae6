"""Every error that indexer raises on purpose.

IndexerError
├── TableError           a FAQ or query file that cannot be read
├── StoreError           a database that is missing, foreign, damaged or locked
│   └── DamagedError     its file cannot be read whole: restore a backup, or salvage
├── PublishError         a change that must not be published as it is
└── InputError           what a person typed or chose cannot be taken

Cancelled is no error: somebody asked for a publish to stop, and nothing was published.
"""


class IndexerError(Exception):
    """Base of all; the message names the thing, the place and the remedy."""


class TableError(IndexerError):
    """A FAQ or query file cannot be read; says file, line and remedy."""


class StoreError(IndexerError):
    """The database is missing, not ours, damaged, of another version or locked."""


class DamagedError(StoreError):
    """What the file holds cannot be read whole; a backup or a salvage can replace it."""


class PublishError(IndexerError):
    """Nothing was published: --strict, somebody else was faster, or too much would break."""


class InputError(IndexerError):
    """What a person typed or chose cannot be taken, such as a period that ends before it begins."""


class Cancelled(Exception):
    """Somebody stopped what was under way; raised by a ``progress`` callback, before the commit."""
