"""The `data` settings: the corpora, their cleaning, and the folder of prepared files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mt.data.cleaning.settings import CleaningSettings
from mt.data.document import DocumentSettings, in_documents
from mt.data.images.settings import ImageSettings
from mt.data.pair import Corpus
from mt.data.sounds.settings import SoundSettings

MOST_PIECES = 1_000_000  # of a sentence; a checkpoint refuses more


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """A parallel corpus in three parts. Only `train` is cleaned; the lines of valid and tests are unchanged."""

    name: str
    source_language: str  # a short code such as en: the suffix of the held-out files
    target_language: str
    train: Corpus
    valid: Corpus
    tests: Mapping[str, Corpus] = field(default_factory=dict)  # by name; their files are named after it: test.en
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    document: DocumentSettings = field(default_factory=DocumentSettings)  # context of each source sentence
    images: ImageSettings = field(default_factory=ImageSettings)  # how pictures are prepared, where a corpus has any
    sounds: SoundSettings = field(default_factory=SoundSettings)  # likewise
    max_pieces: int = 256  # longer training pairs, on either side, are dropped and counted; BOS and EOS not counted
    keep_shards: int | None = None  # prepare each training file when it is needed, and keep this many
    prepared: str  # folder for prepared files
    folder: str | None = None  # of the raw files: the configs use it in the paths of their corpora

    def __post_init__(self) -> None:
        for name in ("source_language", "target_language"):
            _check_name(f"data.{name}", getattr(self, name))
        if self.source_language == self.target_language:
            raise ValueError(f"data.source_language and target_language must differ, both are {self.source_language}")
        for test in self.tests:
            _check_name("data.tests: a name", test)
            if test in ("train", "valid"):
                raise ValueError(f"data.tests: a name ({test}) must be neither train nor valid")
        if not 1 <= self.max_pieces <= MOST_PIECES:
            raise ValueError(f"data.max_pieces ({self.max_pieces}) must be from 1 to {MOST_PIECES}")
        if self.keep_shards is not None and self.keep_shards < 2:
            raise ValueError(
                f"data.keep_shards ({self.keep_shards}) must be at least 2, the one in use and the next, or null"
            )

    def in_documents(self) -> DataSettings:
        """The same with corpora whose sources have the context that `document` sets."""
        tests = {name: in_documents(test, self.document) for name, test in self.tests.items()}
        train, valid = (in_documents(corpus, self.document) for corpus in (self.train, self.valid))
        return replace(self, train=train, valid=valid, tests=tests)


def _check_name(name: str, value: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]*", value):
        raise ValueError(f"{name} ({value}) must be letters, digits, '_', '-' and '.', because it names files")
