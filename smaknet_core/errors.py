"""
What smaknet raises for input it cannot use; each message is one line that says what to do.

    SmaknetError            catch this one; the commands print it and exit with code 2
    ├─ ConfigError          a setting, a YAML key, a parameter or an argument
    ├─ BagError             a recording that cannot be opened or read
    ├─ DataError            recordings that are readable but cannot be used together, the cache
    ├─ ImageError           one image that cannot be decoded (counted and skipped, never fatal)
    ├─ ModelError           a model file or run folder
    ├─ DemonstrationError   a demonstration file
    ├─ TrainingError        training that cannot go on (NaN loss, full disk)
    └─ SaidElsewhere        the same, where another process of the training has the words for it

Names in messages come from files of unknown origin: show them through `printable`.
"""


class SmaknetError(Exception):
    """Base of everything smaknet raises on purpose."""


class ConfigError(SmaknetError):
    """A setting is unknown, of the wrong type or out of range."""


class BagError(SmaknetError):
    """A recording cannot be opened or read."""


class DataError(SmaknetError):
    """Recordings are readable but unusable for what was asked."""


class ImageError(SmaknetError):
    """One image message cannot be decoded."""


class ModelError(SmaknetError):
    """A model file is missing, damaged or of another version."""


class DemonstrationError(SmaknetError):
    """A demonstration file is missing, damaged or made with another model."""


class TrainingError(SmaknetError):
    """Training cannot go on."""


class SaidElsewhere(SmaknetError):
    """Another process of this training says why it ended; the commands print nothing."""


def printable(text: str) -> str:
    """Replace what a terminal would obey instead of show: escapes, line ends, lone surrogates."""
    return ''.join(char if char.isprintable() else '\N{REPLACEMENT CHARACTER}' for char in text)
