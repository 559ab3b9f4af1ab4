"""What the service counts, for Prometheus: base units (seconds, bytes), nothing of texts and nothing of clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # a second line for each counter, which nothing reads

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LINES = (1, 2, 4, 8, 16, 32, 64, 128)
PIECES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Metrics:
    """The service's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("mt_requests", "Requests answered.", ["api", "code"], registry=registry)
        self.request_seconds = Histogram(
            "mt_request_seconds", "From a request's arrival to its answer.", ["api"], buckets=SECONDS, registry=registry
        )
        self.refused = Counter("mt_refused", "Requests refused.", ["reason"], registry=registry)
        self.characters = Counter(
            "mt_source_characters", "Characters accepted.", ["source", "target"], registry=registry
        )
        self.lines = Counter("mt_source_lines", "Lines accepted.", ["source", "target"], registry=registry)
        self.queue_seconds = Histogram(
            "mt_queue_seconds", "Wait of a line in the queue.", buckets=SECONDS, registry=registry
        )
        self.batch_lines = Histogram("mt_batch_lines", "Lines of a batch.", buckets=LINES, registry=registry)
        self.batch_pieces = Histogram("mt_batch_pieces", "Source pieces of a batch.", buckets=PIECES, registry=registry)
        self.batch_seconds = Histogram(
            "mt_batch_seconds", "Time to translate a batch.", buckets=SECONDS, registry=registry
        )
        self.restarts = Counter("mt_worker_restarts", "Workers started again after they had ended.", registry=registry)
        self.reloads = Counter("mt_reloads", "Models loaded anew.", ["result"], registry=registry)
        self.model = Gauge("mt_model_info", "Models that are served.", ["source", "target", "step"], registry=registry)

    def watch(self, name: str, what: str, read: Callable[[], float]) -> None:
        """A gauge that is read whenever the metrics are."""
        Gauge(name, what, registry=self._registry).set_function(read)

    def taken(self, waits: Sequence[float], pieces: Sequence[int]) -> None:
        """A batch left the queue: the wait of each line in seconds, and its pieces."""
        for seconds in waits:
            self.queue_seconds.observe(seconds)
        self.batch_lines.observe(len(pieces))
        self.batch_pieces.observe(sum(pieces))

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
