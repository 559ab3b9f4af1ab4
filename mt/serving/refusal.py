"""A request that is refused: the code of HTTP and one line that says why. Each API writes it in its own form."""

from __future__ import annotations

import math
from collections.abc import Mapping

CLIENT_LEFT = 499  # nginx's code; nobody reads it, the metrics count it


class Refused(Exception):
    """A refusal with its HTTP status, one line for the client, and headers of the answer."""

    def __init__(self, status: int, message: str, *, reason: str, headers: Mapping[str, str] | None = None):
        """`reason` is one of a few words, which the metrics count."""
        super().__init__(message)
        self.status, self.message, self.reason, self.headers = status, message, reason, dict(headers or {})


def bad_request(message: str) -> Refused:
    """The client's mistake."""
    return Refused(400, message, reason="bad request")


def beyond(name: str, value: int, most: int, flag: str, *, status: int = 400) -> Refused:
    """More than a limit of the server allows; names the limit's flag."""
    return Refused(status, f"{name} ({value}) must be at most {most} ({flag})", reason="limit")


def retry_later(status: int, message: str, seconds: float, *, reason: str) -> Refused:
    """A refusal that says in how many seconds (rounded up, at least 1) to try again."""
    return Refused(status, message, reason=reason, headers={"Retry-After": str(max(1, math.ceil(seconds)))})
