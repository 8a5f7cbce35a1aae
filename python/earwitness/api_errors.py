"""Errors of the documented API, as exceptions of the classes that its clients' users know.

    APIError
    ├── APIConnectionError            a URL cannot be reached
    │   └── APITimeoutError           a call or a URL took longer than allowed
    └── APIStatusError                what a server would answer with a 4xx or 5xx status
        ├── BadRequestError           400
        ├── AuthenticationError       401
        ├── PermissionDeniedError     403
        ├── NotFoundError             404
        ├── ConflictError             409
        ├── RequestEntityTooLargeError 413
        ├── UnprocessableEntityError  422
        ├── RateLimitError            429
        └── InternalServerError       500 and above

Codes: `invalid_params`, `unsupported_format`, `audio_too_long`, `file_too_large`,
`model_not_found`, `rate_limit_exceeded`, `processing_failed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from earwitness.errors import (
    AudioError,
    Cancelled,
    EarwitnessError,
    InvalidOptionError,
    ModelNotFoundError,
    UnsupportedFormatError,
)

_INVALID: Final = "invalid_request_error"


class APIError(EarwitnessError):
    """Base of the API's errors.

    Attributes:
        message: what is wrong and what to do about it.
        code: a short name of the kind of error, or None.
        param: the parameter at fault, or None.
        type: the group of errors it belongs to, as in the body.
        body: what a server would send: `{"error": {"message", "type", "param", "code"}}`; None
            where no server could have answered.
    """

    type: str = "api_error"
    default_code: str | None = None

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.default_code
        self.param = param

    @property
    def body(self) -> dict[str, Any] | None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.message, self.code, self.param)


class APIConnectionError(APIError):
    """A URL cannot be reached, or its server broke off."""

    type = "api_connection_error"


class APITimeoutError(APIConnectionError):
    """The call, or a URL, took longer than it was allowed to; the work was stopped."""

    type = "timeout_error"


class APIStatusError(APIError):
    """What a server would answer with a status of 4xx or 5xx.

    Attributes:
        status_code: that status.
    """

    status_code: int = 500

    @property
    def body(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class BadRequestError(APIStatusError):
    """400: a parameter or the audio cannot be used as it is."""

    status_code = 400
    type = _INVALID
    default_code = "invalid_params"


class AuthenticationError(APIStatusError):
    """401: a server that asks for a key was given a wrong one."""

    status_code = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class PermissionDeniedError(APIStatusError):
    """403: what is asked for is not allowed."""

    status_code = 403
    type = "permission_error"


class NotFoundError(APIStatusError):
    """404: there is no such model."""

    status_code = 404
    type = _INVALID
    default_code = "model_not_found"


class ConflictError(APIStatusError):
    """409: what is asked for contradicts the state of things."""

    status_code = 409
    type = _INVALID


class RequestEntityTooLargeError(APIStatusError):
    """413: a file is larger than the limit."""

    status_code = 413
    type = _INVALID
    default_code = "file_too_large"


class UnprocessableEntityError(APIStatusError):
    """422: the file is of a known format, but damaged."""

    status_code = 422
    type = _INVALID
    default_code = "processing_failed"


class RateLimitError(APIStatusError):
    """429: the client's queue is full."""

    status_code = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class InternalServerError(APIStatusError):
    """500: the model cannot be loaded, or the work failed for a reason that is not the caller's."""

    status_code = 500
    type = "server_error"
    default_code = "processing_failed"


_Class: TypeAlias = "type[APIError]"


def _restore(kind: _Class, message: str, code: str | None, param: str | None) -> APIError:
    return kind(message, code=code, param=param)


def from_error(error: EarwitnessError, *, param: str | None = None) -> EarwitnessError:
    """The API's error for one of `earwitness.errors`.

    `APIError` and `Cancelled` stay as they are, and so does what is also an `OSError`: a missing
    file is a `FileNotFoundError` for users of the hosted clients, too.

    Args:
        error: what the engine raised.
        param: the parameter to name where the error itself says none.
    """
    message = str(error)
    if isinstance(error, (APIError, Cancelled, OSError)):
        return error
    if isinstance(error, InvalidOptionError):
        return BadRequestError(message, param=param or _field_named_by(message))
    if isinstance(error, UnsupportedFormatError):
        return BadRequestError(message, code="unsupported_format", param=param or "file")
    if isinstance(error, AudioError):
        return UnprocessableEntityError(message, param=param or "file")
    if isinstance(error, ModelNotFoundError):
        return NotFoundError(message, param=param or "model")
    return InternalServerError(message, param=param)


@contextmanager
def api_errors(param: str | None = None) -> Iterator[None]:
    """Turn the engine's errors that leave the block into the API's."""
    try:
        yield
    except EarwitnessError as error:
        translated = from_error(error, param=param)
        if translated is error:
            raise
        raise translated from error


def _field_named_by(message: str) -> str | None:
    """The option that an `InvalidOptionError` is about.

    Most messages begin with it; others advise on one, whose name is no English word then.
    """
    from earwitness.options import OptionValues

    options = OptionValues.__annotations__
    words: list[str] = re.findall(r"\w+", message)
    if words and words[0] in options:
        return words[0]
    return next((word for word in words if "_" in word and word in options), None)
