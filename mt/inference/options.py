"""The options of a translation job and of its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mt.inference.terms import Glossary


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `translate`, named like its flags; None: the checkpoint decides.

    `prefix_column`: the column (from 2) of an input line that has its prefix; the first one is the line itself.
    """

    device: str = "auto"
    precision: str = "float32"
    shortlist: bool = False
    tag: str | None = None
    trees: Any = None  # the file, for messages; the trees come with the lines
    images: Any = None  # likewise
    sounds: Any = None  # likewise
    prefix: str = ""
    prefix_column: int | None = None
    terms: Glossary | None = None
    beam_size: int | None = None
    length_penalty: float | None = None
    max_length: int | None = None
    min_length: int | None = None
    no_repeat_ngram: int | None = None
    n_best: int = 1
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    epsilon: float | None = None
    mbr: int | None = None  # samples of minimum Bayes risk
    utility: str = "chrf"
    rerank: Any = None  # checkpoint of the other direction, by which candidates are ranked
    seed: int = 1
    batch_tokens: int | None = None
    max_pieces: int | None = None
    scores: bool = False
    alignment: bool = False
    json: bool = False
    coverage: bool = False
    markup: bool = False
    confidence: bool = False
    abstain: float | None = None  # below this confidence a line's translation is left empty
    by_sentence: bool = False  # as in `Request`

    @property
    def is_drawn(self) -> bool:
        """Whether translations depend on the seed."""
        return self.sample or self.mbr is not None

    @classmethod
    def of(cls, flags: Mapping[str, Any], **more: Any) -> Options:
        """Those of the flags that are options; `more` replaces some."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in flags.items() if name in names} | more)

    def columns(self, line: str) -> tuple[str, str]:
        """The line to translate, and its prefix."""
        if self.prefix_column is None:
            return line, self.prefix
        text, *others = line.split("\t")
        return text, others[self.prefix_column - 2] if len(others) > self.prefix_column - 2 else ""
