"""Ranks translations by a model of the other direction: how likely the source is, given each translation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mt.checkpoint.card import described
from mt.checkpoint.steps import find_step
from mt.inference.request import Request
from mt.inference.reranking import Reranking, reranked
from mt.inference.scorer import Scorer
from mt.inference.tags import tagged
from mt.inference.translation import Candidate, Translation
from mt.inference.translator import Translator


class Reranker:
    """A model of the other direction, by its scorer, that says how likely the source is given each translation."""

    def __init__(self, reverse: Scorer, *, tag: str | None = None):
        self._reverse, self._tag = reverse, tag

    @classmethod
    def load(
        cls,
        reverse: str | Path,
        checkpoint: str | Path,
        *,
        tag: str | None = None,
        device: str = "auto",
        precision: str = "float32",
    ) -> Reranker:
        """The one for translations by `checkpoint`. `tag` goes before each of them, for a model of many directions.

        Raises ValueError if the reverse model's direction is another one, which is not asked with a tag.
        """
        there, back = (described(find_step(Path(folder))) for folder in (checkpoint, reverse))
        expected = (there.target_language, there.source_language)
        if tag is None and (back.source_language, back.target_language) != expected:
            raise ValueError(
                f"the reverse model ({reverse}) must translate from {expected[0]} into {expected[1]}, not from"
                f" {back.source_language} into {back.target_language}"
            )
        translator = Translator.load(reverse, device=device, precision=precision)
        translator.tags.check(tag)
        return cls(Scorer(translator), tag=tag)

    def features(
        self, translations: Sequence[Translation], lines: Sequence[str], *, batch_tokens: int | None = None
    ) -> list[np.ndarray | None]:
        """For each line, FEATURES of its candidates, a row each; `lines` are the sources without tag and context.

        None for a line that is not reranked: it was split, has one candidate, or is too long for the reverse model.
        """
        found: list[np.ndarray | None] = [None] * len(translations)
        places = [
            place
            for place, (one, line) in enumerate(zip(translations, lines, strict=True))
            if len(one.candidates) > 1 and len(one.segments) == 1 and self._fits(one.candidates, line)
        ]
        pairs = [
            (Request(candidate.text, tag=self._tag), [lines[place]])
            for place in places
            for candidate in translations[place].candidates
        ]
        backwards = iter([scored.log_prob for _, (scored,) in self._reverse.score(pairs, batch_tokens=batch_tokens)])
        for place in places:
            rows = [
                (one.log_prob, next(backwards), len(one.parts[0].ids) + 1.0) for one in translations[place].candidates
            ]
            found[place] = np.array(rows)
        return found

    def ranked(
        self,
        translations: Sequence[Translation],
        lines: Sequence[str],
        how: Reranking,
        n_best: int,
        *,
        batch_tokens: int | None = None,
    ) -> Iterator[Translation]:
        """The translations with their `n_best` best candidates, whose score is that of `how`."""
        for one, features_CF in zip(
            translations, self.features(translations, lines, batch_tokens=batch_tokens), strict=True
        ):
            yield reranked(one, features_CF, how, n_best)

    def _fits(self, candidates: Sequence[Candidate], line: str) -> bool:
        """Whether the reverse model can read the candidates and write the line."""
        translator = self._reverse.translator
        most, tokenizers = translator.decodable.max_length, translator.tokenizers
        if most is None:
            return True
        longest = max(len(tokenizers.source.encode(tagged(one.text, self._tag))) for one in candidates)
        return max(longest, len(tokenizers.target.encode(line))) < most
