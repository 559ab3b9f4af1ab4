"""The settings of the server, named like the flags of `python -m mt.serve`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that a request, and the service as a whole, may hold; a refusal names the flag."""

    max_body: int = 1_000_000  # bytes of a request
    max_texts: int = 100  # texts of a request
    max_characters: int = 50_000  # of a request, all its texts together
    max_pieces: int = 2_000  # of the tokenizer, of a line
    max_n_best: int = 10
    max_beam: int = 12
    max_queue: int = 1024  # lines that wait
    max_requests: int = 1024  # at the same time
    deadline: float = 30.0  # seconds from a request's arrival to its answer
    body_deadline: float = 10.0  # seconds that a client may take to send its request

    @classmethod
    def of(cls, flags: Mapping[str, Any]) -> Limits:
        """Those of the flags that are limits."""
        return cls(**{one.name: flags[one.name] for one in fields(cls) if one.name in flags})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the service serves and how.

    checkpoints   each with a pair of languages of its own
    engine        that runs the checkpoints, which are then exports for it; None: our own
    options       those of `translate` that hold for all requests: device, precision, shortlist
    workers       processes that translate, each with one thread
    wait          seconds that a text waits for others to be translated with it
    batch_tokens  padded source pieces of a batch, divided by the beam size
    keys          file of API keys; None: no key is needed
    state         folder for usage and glossaries, kept over restarts; None: they are lost
    cors          origins whose pages may call the server from a browser
    """

    checkpoints: tuple[Path, ...]
    engine: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    wait: float = 0.003
    batch_tokens: int = 4096
    keys: Path | None = None
    state: Path | None = None
    cors: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
