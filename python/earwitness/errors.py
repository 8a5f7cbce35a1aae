"""The exceptions that earwitness raises, one family under `EarwitnessError`.

The native module raises these same classes, so one `except` serves both layers.
"""

from __future__ import annotations


class EarwitnessError(Exception):
    """Base of every error that earwitness raises on purpose."""


class AudioError(EarwitnessError):
    """The audio cannot be used: empty, damaged, under 100 ms, not finite, not float32 or int16."""


class UnsupportedFormatError(AudioError):
    """The audio's container or codec is not one that can be decoded here."""


class ModelError(EarwitnessError):
    """A model file is missing, damaged or of another kind."""


class ModelNotFoundError(ModelError):
    """No model of that name or path is known."""


class DownloadError(ModelError):
    """A model could not be fetched from any of its sources."""


class OfflineError(DownloadError):
    """A download would be needed, and `EARWITNESS_OFFLINE` forbids it."""


class InvalidOptionError(EarwitnessError, ValueError):
    """An option's value is out of range, or two options contradict each other."""


class Cancelled(EarwitnessError):  # noqa: N818 - named after what happened, as asyncio does
    """The call was stopped through its `CancelToken`."""


class EngineClosedError(EarwitnessError):
    """The engine was used after `close()`."""
