"""A part of a corpus as a corpus, so that it can be prepared like the whole one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mt.data.diagnosis.survey import Survey
from mt.data.fingerprint import fingerprint_of
from mt.data.pair import Corpus, Pair
from mt.data.settings import DataSettings
from mt.data.sources import Sources, sources_of

STAND_IN = 100  # pairs


@dataclass(frozen=True)
class Listed:
    """Pairs in memory."""

    pairs: Sequence[Pair]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def fingerprint(self) -> str:
        """Changes only with the number of pairs: a list is used for one preparation only."""
        return fingerprint_of("Listed", len(self.pairs))


def excerpt(data: DataSettings, surveys: dict[str, Survey], folder: str) -> DataSettings:
    """The settings of a corpus made of the samples of `surveys`, prepared in `folder`.

    Where valid has no pair, some train pairs replace it; a test set without any is left out.
    """
    train, valid = surveys["train"], surveys["valid"]
    stand_in = Listed([drawn.pair for drawn in train.sample[:STAND_IN]])
    return replace(
        data,
        train=_sampled(data.train, train),
        valid=_sampled(data.valid, valid) if valid.sample else stand_in,
        tests={name: _sampled(test, surveys[name]) for name, test in data.tests.items() if surveys[name].sample},
        keep_shards=None,
        prepared=folder,
    )


def _sampled(corpus: Corpus, found: Survey) -> Sources:
    pairs: dict[str, list[Pair]] = {name: [] for name in found.counts}
    for drawn in found.sample:
        pairs[drawn.source_name].append(drawn.pair)
    sources = sources_of(corpus, found.name).items()
    return Sources(**{name: replace(source, corpus=Listed(pairs.get(name, []))) for name, source in sources})
