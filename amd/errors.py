"""What can go wrong: each error names the value, the need, and the likely slip."""


class AmdError(Exception):
    """Base of every error this package raises on purpose."""


class AudioError(AmdError, ValueError):
    """Audio that cannot be what the caller says it is: wrong type, shape, rate, encoding or values."""


class RecordingError(AmdError):
    """A file that cannot be read as a recording."""


class ManifestError(AmdError, ValueError):
    """A labeled set whose manifest cannot be used; the message names the row."""


class VocabularyError(AmdError, ValueError):
    """A verdict in a name that no known system uses."""


class ModelError(AmdError, ValueError):
    """A model file that does not fit this version: wrong format, checksum or feature names."""


class PolicyError(AmdError, ValueError):
    """A policy whose fields are out of range or contradict each other."""


class FinishedError(AmdError, RuntimeError):
    """Audio was fed to a detector after ``finish()``."""


class MissingExtraError(AmdError, ImportError):
    """A feature needs an optional dependency; the message says which extra installs it."""


class WireError(AmdError, ValueError):
    """What a telephone system sent is not what its protocol allows, or is beyond a limit of ours."""


class SlotError(AmdError, LookupError):
    """A call of a bank that is not open, or no room for one more."""
