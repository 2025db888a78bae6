"""Every error that distill raises on purpose.

DistillError
├── TextError            a text that cannot be encoded (empty after normalisation)
├── CorpusError          a corpus, pair or shard file that cannot be read or written
├── BundleError          an encoder bundle that is missing, damaged or of another version
└── TrainingError        a run that cannot start or go on (config, checkpoint, missing extra)
"""


class DistillError(Exception):
    """Base of all; the message names the thing, the place and the remedy."""


class TextError(DistillError):
    """The text holds nothing that can be encoded."""


class CorpusError(DistillError):
    """A corpus, pair or shard file cannot be read or written."""


class BundleError(DistillError):
    """An encoder bundle is missing, damaged or of another version."""


class TrainingError(DistillError):
    """A distillation run cannot start or go on."""
