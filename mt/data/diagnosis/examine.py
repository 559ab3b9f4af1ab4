"""All measurements of a corpus, in the order of the report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np

from mt.data.diagnosis.agreement import Agreement
from mt.data.diagnosis.counts import counts_section
from mt.data.diagnosis.drops import cleaning_section, held_out_faults
from mt.data.diagnosis.excerpt import excerpt
from mt.data.diagnosis.languages import View, languages_section
from mt.data.diagnosis.length_plot import draw_lengths
from mt.data.diagnosis.lengths import Lengths, held_out_lengths
from mt.data.diagnosis.overlap import Overlap
from mt.data.diagnosis.pictures import pictures_section
from mt.data.diagnosis.pieces import ENCODED, pieces_section
from mt.data.diagnosis.section import Section
from mt.data.diagnosis.survey import Survey, survey
from mt.data.ledger import Ledger
from mt.data.prepare import Prepared, prepare
from mt.data.settings import DataSettings
from mt.data.sources import Source, sources_of
from mt.data.tokenizer import TokenizerPair, TokenizerSettings

TOKENIZER_SENTENCES = 60_000  # enough for a vocabulary to measure with


@dataclass(frozen=True)
class Examined:
    """The sections of the report, and the prepared sample; None if preparing failed."""

    sections: list[Section]
    prepared: Prepared | None
    times_larger: float  # size of the corpus / size of the prepared sample


def examine(
    data: DataSettings,
    tokenizer: TokenizerSettings,
    *,
    kept: TokenizerPair | None = None,
    max_pairs: int,
    folder: Path,
    picture: Path,
) -> Examined:
    """Measure a corpus; `folder` is for prepared files, `picture` for the plot of lengths.

    `kept` are existing tokenizers to use in place of `tokenizer`. Faults of the corpus become findings, never errors.
    """
    held_out = {
        name: survey(name, sources_of(corpus, name), max_pairs)
        for name, corpus in {"valid": data.valid, **data.tests}.items()
    }
    overlap = Overlap({name: [drawn.pair for drawn in found.sample] for name, found in held_out.items()})
    train = survey("train", sources_of(data.train), max_pairs, overlap.see)
    surveys = {"train": train, **held_out}
    codes = (data.source_language, data.target_language)
    sections = [
        counts_section(list(surveys.values()), malformed=data.cleaning.malformed, normalization=tokenizer.normalization)
    ]
    if not train.sample:
        return Examined(sections, None, 1.0)
    pairs = [drawn.pair for drawn in train.sample]
    lengths = Lengths.of(pairs)
    characters = (lengths.source["characters"], lengths.target["characters"])
    has_sides = np.array([bool(pair.source) or not pair.image for pair in pairs])  # captions have one side only
    numbers = [drawn.number for drawn in compress(train.sample, has_sides)]
    source, target = (side[has_sides] for side in characters)
    agreement = Agreement.of(source, target, numbers)
    of_lengths = lengths.section(*codes)
    for name, found in held_out.items():
        held_out_lengths(of_lengths, lengths, name, [drawn.pair for drawn in found.sample])
    sections += [
        of_lengths,
        agreement.section(),
        _languages(data, surveys),
        overlap.section(data.cleaning.held_out, [drawn.pair for drawn in held_out["valid"].sample]),
    ]
    of_pictures = pictures_section(
        {name: [drawn.pair for drawn in found.sample] for name, found in surveys.items()}, data.images
    )
    if of_pictures.lines:
        sections.append(of_pictures)
    prepared, preparing = _prepare(excerpt(data, surveys, str(folder)), tokenizer, kept)
    if (folder / "clean").is_dir():
        ledger = prepared.ledger if prepared else Ledger.load(folder / "clean" / "ledger.json")
        sections.append(_cleaning(data, surveys, ledger))
    if prepared is None:
        return Examined([*sections, preparing], None, 1.0)
    encoded = list(prepared.train.sample(ENCODED))
    is_whole = train.is_whole and len(encoded) == len(prepared.train)
    cut, pieces = pieces_section(encoded, prepared.tokenizers, tokenizer, codes, is_whole=is_whole)
    if kept is None and 2 * len(prepared.train) > TOKENIZER_SENTENCES:
        cut.lines.insert(1, f"(for this report trained on {TOKENIZER_SENTENCES:,} of the sentences, drawn at random)")
    draw_lengths(
        picture,
        title=f"{data.name}: {train.num_readable:,} pairs of train",
        codes=codes,
        pieces=pieces,
        max_pieces=data.max_pieces,
        characters=characters,
        agreement=agreement,
    )
    return Examined([*sections, cut, preparing], prepared, train.num_readable / len(train.sample))


def _languages(data: DataSettings, surveys: Mapping[str, Survey]) -> Section:
    corpora = {"train": data.train, "valid": data.valid, **data.tests}
    views = []
    for name, found in surveys.items():
        sources = sources_of(corpora[name], name)
        views += [
            View(
                name if len(sources) == 1 else f"{name} {source_name}",
                [drawn.pair for drawn in found.sample if drawn.source_name == source_name],
                _codes(data, source),
            )
            for source_name, source in sources.items()
        ]
    return languages_section(views, num_compared=len(sources_of(data.train)))


def _cleaning(data: DataSettings, surveys: Mapping[str, Survey], ledger: Ledger) -> Section:
    corpora = {"train": data.train, "valid": data.valid, **data.tests}
    codes = {
        split: {name: _codes(data, source) for name, source in sources_of(corpus, split).items()}
        for split, corpus in corpora.items()
    }
    section = cleaning_section(ledger, surveys["train"].sample, data.cleaning, codes["train"])
    for split in surveys:
        if split != "train":
            held_out_faults(section, split, surveys[split].sample, data.cleaning, codes[split])
    return section


def _codes(data: DataSettings, source: Source) -> tuple[str, str]:
    return source.source_language or data.source_language, source.target_language or data.target_language


def _prepare(
    data: DataSettings, tokenizer: TokenizerSettings, kept: TokenizerPair | None
) -> tuple[Prepared | None, Section]:
    section = Section("preparing", "")
    tokenizer = replace(tokenizer, max_sentences=min(tokenizer.max_sentences, TOKENIZER_SENTENCES))
    with _captured_warnings() as warnings:
        try:
            prepared = prepare(data, tokenizer, kept=kept)
        except (ValueError, OSError) as error:
            section.stop("the corpus cannot be prepared", " ".join(str(error).split()))
            return None, section
    for warning in warnings:
        if warning.startswith("tokenizer"):
            section.note(warning)
    return prepared, section


@contextmanager
def _captured_warnings() -> Iterator[list[str]]:
    """Collects the warnings of mt.data, which are not logged meanwhile."""
    messages: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                messages.append(record.getMessage())

    logger = logging.getLogger("mt.data")
    before = logger.propagate
    listener = Listener()
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield messages
    finally:
        logger.removeHandler(listener)
        logger.propagate = before
