"""Runs the service behind one listening socket: ready once the models are loaded, drained before it ends."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mt.serving.app import make_app
from mt.serving.service import Service

log = logging.getLogger(__name__)

NOISY = ("uvicorn.error", "python_multipart")  # a warning for each request that is none
BACKLOG = 2048
CONNECTIONS = 4  # that may be open for each request of --max-requests; more are answered with 503 at once
IDLE_SECONDS = 75  # that a connection is kept open between requests: more than balancers keep theirs (60)
LAST_SECONDS = 1.0  # after SIGTERM in which requests that are on their way are still accepted
DRAIN_SECONDS = 5  # in addition to the deadline of requests


def listening_socket(host: str, port: int) -> socket.socket:
    """The socket of the server. Raises ValueError, naming the address, where that is not possible."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            why = "another program listens there"
        raise ValueError(f"host and port ({host}:{port}) must be free to listen on: {why}") from None
    return listening


def url_of(listening: socket.socket) -> str:
    """The address, for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def run(service: Service, listening: socket.socket) -> None:
    """Serves until SIGTERM or Ctrl-C; then answers what was accepted and returns. SIGHUP loads the models anew.

    Before the models are loaded, `/health/live` answers already, and `/health/ready` with 503. Raises ValueError or
    OSError for models that cannot be loaded.
    """
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    limits = service.limits
    config = uvicorn.Config(
        make_app(service),
        http=_Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=int(limits.deadline + DRAIN_SECONDS),
        limit_concurrency=CONNECTIONS * limits.max_requests,  # also those that only stay open
        backlog=BACKLOG,
    )
    server, loop = _Server(config), asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def drain() -> None:
        if service.is_draining:  # asked a second time: at once
            server.should_exit = server.force_exit = True
            return
        log.info("draining: accepted requests are answered, then the server ends")
        service.is_draining = True
        loop.call_later(LAST_SECONDS if service.is_loaded else 0, server.stop)

    def reload() -> None:
        if not reloads:  # one at a time
            task = loop.create_task(service.reload())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

    with _handlers({signal.SIGTERM: drain, signal.SIGINT: drain, signal.SIGHUP: reload}):
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        starting = asyncio.ensure_future(service.start())
        try:
            await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and not service.is_draining:
                starting.result()  # raises what was wrong
                log.info("ready: %s", url_of(listening))
            await serving
        finally:
            config.timeout_graceful_shutdown = 1  # where it fails, nothing can be answered any more
            server.should_exit = True
            for task in (starting, *reloads):
                task.cancel()
            await asyncio.gather(starting, serving, *reloads, return_exceptions=True)
            if server.force_exit and server.started:  # then uvicorn itself leaves the application as it is
                await server.lifespan.shutdown()
            await service.stop()


@contextmanager
def _handlers(handlers: dict[signal.Signals, object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """Uvicorn's server; signals are handled here."""

    def stop(self) -> None:
        """Accepts nothing more, and ends when all is answered."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """A connection that is closed where no whole head of a request comes within IDLE_SECONDS of its beginning."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.timeout_keep_alive, self._close_without_request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_timer.cancel()
        super().connection_lost(exc)

    def _close_without_request(self) -> None:
        if self.cycle is None:
            with suppress(OSError):
                self.transport.close()
