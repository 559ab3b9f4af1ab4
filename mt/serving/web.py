"""What every request passes: its size and time are bounded, its answer has security headers, and both are counted."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mt.serving.refusal import CLIENT_LEFT, Refused, retry_later
from mt.serving.service import Service

log = logging.getLogger(__name__)

SECURITY = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
UNCACHED = {"cache-control": "no-store"}  # answers hold what clients have written
OTHER = "other"  # the API of what is none


class Gate:
    """The outermost layer of the application (ASGI): bounds, headers and counts.

    `api_of` names the API of a path, `refuse` answers a request of a path with a refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: Service,
        api_of: Callable[[str], str],
        refuse: Callable[[str, Refused], ASGIApp],
    ):
        self.app, self.service, self.api_of, self.refuse = app, service, api_of, refuse
        self.num_open = 0  # requests that are not answered yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, api = time.monotonic(), self.api_of(scope["path"])
        scope.setdefault("state", {})["arrived"] = begun
        status = 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = _with_headers(message["headers"], api)
                if self.service.is_draining:  # the client's next request goes to another server
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        self.num_open += 1
        try:
            await self._answering(scope)(scope, self._bounded(scope, receive), counted)
        except Exception as error:  # already answered with 500
            _tell(error)
        finally:
            self.num_open -= 1
            metrics = self.service.metrics
            metrics.requests.labels(api, str(status or CLIENT_LEFT)).inc()
            metrics.request_seconds.labels(api).observe(time.monotonic() - begun)

    def _answering(self, scope: Scope) -> ASGIApp:
        """What answers a request: the application, unless too many are open."""
        most = self.service.limits.max_requests
        if self.num_open <= most or self.api_of(scope["path"]) == OTHER:  # health and metrics are always answered
            return self.app
        message = f"requests at the same time must be at most {most} (--max-requests): try again later"
        return self.refuse(scope["path"], retry_later(503, message, 1, reason="requests"))

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that raises `Refused` for a body that is too large (413) or takes too long (408)."""
        limits, taken, is_whole = self.service.limits, 0, False
        last = scope["state"]["arrived"] + limits.body_deadline
        stated = dict(scope["headers"]).get(b"content-length", b"")

        async def bounded() -> Message:
            nonlocal taken, is_whole
            if is_whole:
                return await receive()  # waits until the client leaves
            if stated.isdigit() and int(stated) > limits.max_body:
                raise _too_large(int(stated), limits.max_body)
            try:
                message = await asyncio.wait_for(receive(), max(0.0, last - time.monotonic()))
            except asyncio.TimeoutError:
                why = f"the body must arrive within {limits.body_deadline:g} seconds (--body-deadline)"
                raise Refused(408, why, reason="slow", headers={"Connection": "close"}) from None
            taken += len(message.get("body", b""))
            is_whole = message["type"] != "http.request" or not message.get("more_body", False)
            if taken > limits.max_body:
                raise _too_large(taken, limits.max_body)
            return message

        return bounded


def _too_large(taken: int, most: int) -> Refused:
    message = f"bytes of the body ({taken} or more) must be at most {most} (--max-body)"
    return Refused(413, message, reason="limit", headers={"Connection": "close"})


def _with_headers(headers: Iterable[tuple[bytes, bytes]], api: str) -> list[tuple[bytes, bytes]]:
    headers = list(headers)
    present = {name.lower() for name, _ in headers}
    more = SECURITY | (UNCACHED if api != OTHER else {})
    added = [(name.encode(), value.encode()) for name, value in more.items() if name.encode() not in present]
    return [*headers, *added]


def _tell(error: Exception) -> None:
    """Logs the kind of an error and its place; not its message, which may quote a text."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error("a request failed: %s at %s:%d", type(error).__name__, Path(frame.filename).name, frame.lineno)
