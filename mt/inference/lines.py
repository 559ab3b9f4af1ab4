"""Lines in, translations out, as many and in the same order, whatever searches the sources. Never imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from mt.alignment.tree import Trees
from mt.data.images.settings import ImageSettings
from mt.data.sounds.settings import SoundSettings
from mt.data.tokenizer import TokenizerPair
from mt.inference.line import Line
from mt.inference.request import Request
from mt.inference.segmenter import joined
from mt.inference.tags import Tags, tagged
from mt.inference.translation import Candidate, Translation
from mt.inference.wish import Wish
from mt.search.hypothesis import Hypothesis

MAX_PIECES = 200  # of a source, for a model whose longest training source is not known


class Segment(NamedTuple):
    """A line, or a part of a split one, to be searched."""

    ids: Sequence[int]  # its pieces with its tag, without EOS
    text: str
    name: str  # the number of its line, counted from 0, and its own in the line
    line: Line


class LineTranslator:
    """What all translators share: lines are split, encoded, searched, decoded and joined.

    tokenizers   of source and target
    tags         say whether a line needs one
    search       the search that is used where a call names none
    max_pieces   the longest source that is not split
    max_length   maximum ids of a sequence, EOS included; None: no limit
    trees        reads the trees of sources, for a model that needs them, else None
    images       how pictures are prepared for it; None: it sees none
    sounds       how sounds are prepared for it; None: it hears none
    """

    tokenizers: TokenizerPair
    tags: Tags
    search: Any
    max_pieces: int
    max_length: int | None = None
    trees: Trees | None = None
    images: ImageSettings | None = None
    sounds: SoundSettings | None = None

    def translate(
        self,
        lines: Iterable[str | Request],
        *,
        search: Any = None,
        batch_tokens: int | None = None,
        max_pieces: int | None = None,
        window: int = 2048,
        seed: int = 1,
        first_line: int = 0,
    ) -> Iterator[Translation]:
        """A Translation for every line, in order, streaming in windows of `window` lines.

        A string is a request with only a text. A line without visible text is returned unchanged. A line of more than
        `max_pieces` source pieces (None: of what the model was trained on) loses its context (`mt.data.document`), the
        farthest sentences first, and is then split at sentence ends, then clauses, then blanks. `batch_tokens` bounds
        sentences x longest source of a batch (None: so many that their hypotheses come to 10,240 on a CPU, 40,960 on a
        GPU). Sampling for a line depends only on `seed` and the line's number, counted from `first_line`.

        Raises ValueError for a tag that is not a symbol of the tokenizer, for a line without any where the model was
        trained only on lines with a tag, and for a prefix or a term that the vocabulary cannot spell. A line that is
        split, or that its tree does not fit, is translated without its tree; a split one has its prefix in its first
        part. If no translation with all terms can be found, one without them is returned.
        """
        search = search or self.search
        max_pieces = max_pieces or self.max_pieces
        if self.max_length is not None:
            max_pieces = min(max_pieces, self.max_length - 1)  # EOS takes one
        requests = (Request(line) if isinstance(line, str) else line for line in lines)
        while chunk := list(islice(requests, window)):
            yield from self._window(chunk, search, batch_tokens, max_pieces, seed, first_line)
            first_line += len(chunk)

    def found(
        self,
        segments: Sequence[Segment],
        wishes: Sequence[Wish],
        *,
        search: Any,
        batch_tokens: int | None,
        seed: int,
    ) -> list[list[Hypothesis]]:
        """Hypotheses for each segment, best first; `wishes` are what the target of each must contain."""
        raise NotImplementedError

    def text(self, ids: Sequence[int]) -> str:
        """The text of target pieces, in one line."""
        return one_line(self.tokenizers.target.decode(ids))

    def _window(
        self,
        requests: list[Request],
        search: Any,
        batch_tokens: int | None,
        max_pieces: int,
        seed: int,
        first_line: int,
    ) -> Iterator[Translation]:
        source = self.tokenizers.source
        for tag in {request.tag for request in requests}:
            self.tags.check(tag)
        needs_trees = self.trees is not None
        lines = [
            Line.of(request, self.tokenizers, max_pieces=max_pieces, needs_trees=needs_trees) for request in requests
        ]
        numbers = range(first_line + 1, first_line + 1 + len(lines))
        untagged = [
            (number, line.source)
            for number, line in zip(numbers, lines, strict=True)
            if line.segments and line.request.tag is None
        ]
        self.tags.check_lines(untagged, None)
        parts = [
            (part, f"{number} {index}", line)
            for number, line in enumerate(lines, start=first_line)
            if line.segments
            for index, part in enumerate(line.segments.parts)
        ]
        ids = source.encode_many([tagged(part, line.request.tag) for part, _, line in parts])
        segments = [Segment(of_part, *part) for of_part, part in zip(ids, parts, strict=True)]
        wishes = [wish for line in lines for wish in line.wishes]
        found = iter(self.found(segments, wishes, search=search, batch_tokens=batch_tokens, seed=seed))
        for line in lines:
            if line.segments is None:
                yield Translation(line.source, (Candidate(line.source, 0.0, 0.0),))
                continue
            of_parts = list(islice(found, len(line.segments.parts)))
            candidates = self._join(of_parts, line.segments.parts)
            notes = line.notes(max_pieces, of_parts)
            request, parts_of_line = line.request, line.segments.parts
            yield Translation(
                line.source,
                candidates,
                parts_of_line,
                notes,
                request.tag,
                line.tree,
                picture=request.picture,
                sound=request.sound,
            )

    def _join(self, of_parts: Sequence[Sequence[Hypothesis]], segments: Sequence[str]) -> tuple[Candidate, ...]:
        """Candidate i joins the i-th best of every part (the last of a part that has fewer)."""
        candidates = []
        for rank in range(max(len(hypotheses) for hypotheses in of_parts)):
            chosen = tuple(hypotheses[min(rank, len(hypotheses) - 1)] for hypotheses in of_parts)
            text = joined([self.text(hypothesis.ids) for hypothesis in chosen], segments)
            log_prob, score = (math.fsum(getattr(h, name) for h in chosen) for name in ("log_prob", "score"))
            candidates.append(Candidate(text, log_prob, score, chosen))
        return tuple(candidates)


def one_line(text: str) -> str:
    """Text without line breaks, which byte pieces could spell: one line in, one line out."""
    return text.replace("\r", " ").replace("\n", " ")
