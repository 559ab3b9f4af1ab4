"""Texts of a request through the service: in lines or sentences to the workers, and together again."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from mt.data.document import DocumentSettings, contexts
from mt.serving.ask import Ask, Unit
from mt.serving.keys import Key
from mt.serving.models import Pair
from mt.serving.refusal import bad_request
from mt.serving.service import Caller, Record, Service
from mt.serving.texts import Parts, Split, parts_of


@dataclass(frozen=True)
class Answer:
    """A text, its parts, and the record of each of its lines."""

    parts: Parts
    records: Sequence[Record]

    def text(self, rank: int = 0) -> str:
        """The translation of that rank: of each line its candidate of that rank (the last if fewer)."""
        chosen = [record["translations"][min(rank, len(record["translations"]) - 1)] for record in self.records]
        return self.parts.joined([one["text"] for one in chosen])

    @property
    def num_candidates(self) -> int:
        """Of the line that has most."""
        return max((len(record["translations"]) for record in self.records), default=1)


async def answers(
    service: Service,
    texts: Sequence[str],
    ask: Ask,
    pair: Pair,
    caller: Caller,
    *,
    split: Split = "lines",
    before: Sequence[str] = (),
) -> list[Answer]:
    """The answer to each text; `before` are sentences of context for all. Raises `Refused`."""
    service.check_texts(texts, caller)
    parts = [parts_of(text, split) for text in texts]
    units = [Unit(line, before=tuple(before)) for of_text in parts for line in of_text.lines]
    records = iter(await service.translate(units, ask, pair, caller))
    return [Answer(of_text, [next(records) for _ in of_text.lines]) for of_text in parts]


def in_lines(
    service: Service, pair: Pair, key: Key, terms: tuple[tuple[str, str], ...] = ()
) -> Callable[[Sequence[str]], Awaitable[list[str]]]:
    """A function that translates lines of a file for a key, each call with a deadline of its own.

    Raises `Refused` where the engine cannot keep the markup of files.
    """
    ask = Ask(model=pair.model, tag=pair.tag, terms=terms, markup=True, by_sentence=True)
    service.check_ask(ask)

    async def translate(lines: Sequence[str]) -> list[str]:
        now = time.monotonic()
        caller = Caller(key, now, now + service.limits.deadline, characters=sum(map(len, lines)))
        records = await service.translate([Unit(line) for line in lines], ask, pair, caller)
        return [record["translations"][0]["text"] for record in records]

    return translate


def in_document(service: Service, pair: Pair, parts: Sequence[Parts]) -> list[Unit]:
    """The lines of all texts as sentences of one document, each with its neighbours as the model was trained.

    Raises `Refused` for a model that reads single sentences.
    """
    facts = service.models.facts[pair.model]
    settings = DocumentSettings(context_before=facts.context_before, context_after=facts.context_after)
    if not settings.is_on:
        raise bad_request(f"document: the model of {pair.source}-{pair.target} translates single sentences")
    lines = [line for of_text in parts for line in of_text.lines]
    found = contexts(lines, settings)
    return [Unit(line, one.before, one.after) for line, one in zip(lines, found, strict=True)]
