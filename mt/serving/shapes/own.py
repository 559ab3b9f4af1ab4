"""Our own API: everything that `translate --json` gives, over HTTP; the fields are named like its flags."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from mt.search.length_penalty import LEAST_ALPHA, MOST_ALPHA
from mt.serving.answers import Answer, in_document
from mt.serving.ask import Ask, Unit
from mt.serving.detection import detected
from mt.serving.files import ENDINGS
from mt.serving.glossaries import checked_terms
from mt.serving.models import AUTO, Pair
from mt.serving.queue import Ticket
from mt.serving.reading import JSON, REFUSALS, Body, Problem, body_of, caller_of, read
from mt.serving.refusal import Refused, bad_request
from mt.serving.service import Caller, Record, Service
from mt.serving.texts import Parts, Split, parts_of

NAME = "own"
PREFIXES = ("/api/",)


class TranslateTexts(Body):
    """What to translate and how. What is left out is the checkpoint's own choice."""

    texts: list[str] = Field(description="each is translated line by line", examples=[["The child sleeps."]])
    source: str | None = Field(None, description="language; `auto` or nothing: detected among those served")
    target: str | None = Field(None, description="language; nothing: the only one")
    split: Split = Field("lines", description="what is translated at a time")
    n_best: int = Field(1, ge=1, description="translations of each line")
    distinct: bool = Field(False, description="the `n_best` translations differ right after the prefix")
    beam_size: int | None = Field(None, ge=1, description="hypotheses kept; 1 is greedy")
    length_penalty: float | None = Field(None, ge=LEAST_ALPHA, le=MOST_ALPHA)
    max_length: int | None = Field(None, ge=1, le=10_000, description="most target pieces")
    min_length: int | None = Field(None, ge=0, le=10_000, description="fewest target pieces")
    no_repeat_ngram: int | None = Field(None, ge=0, le=100, description="no n-gram of that size twice; 0: off")
    alignment: bool = Field(False, description="`links` of words, source-target, from 0")
    coverage: bool = Field(False, description="`omitted`, `from_nowhere` and `repeated` words")
    confidence: bool = Field(False, description="the model's probability of each word of a translation, 0 to 1")
    markup: bool = Field(False, description="carry tags and placeholders over by word links")
    document: bool = Field(False, description="the lines are sentences of one document, which give context")
    prefix: str = Field("", description="what the translation of the only line must begin with")
    terms: dict[str, str] = Field({}, description="terms that must be translated so: source to target")
    glossary: str | None = Field(None, description="the id of a stored glossary, in addition to `terms`")
    tag: str | None = Field(None, description="for a model with tags that name no language: `<formal>`")
    deadline: float | None = Field(None, gt=0, description="seconds until the answer, if less than the server's")
    stream: bool = Field(False, description="server-sent events: `start`, a `line` each as soon as it is there, `done`")


class DetectTexts(Body):
    """Texts whose languages are sought."""

    texts: list[str]


class Detection(BaseModel):
    """A language and its share of the evidence, 0 to 1."""

    language: str
    confidence: float


class Translated(BaseModel):
    """A text's translation, and the record of each of its lines as `translate --json` writes it."""

    text: str
    lines: list[dict[str, Any]]


class Translations(BaseModel):
    """The answer, in the order of the texts."""

    source: str
    target: str
    detected: Detection | None
    model: str
    translations: list[Translated]


class ServedPair(BaseModel):
    """A pair of languages, and what its model can do."""

    source: str
    target: str
    model: str
    tags: list[str]
    reads_documents: bool
    features: list[str] = Field(description="fields of a request that the engine knows, of those that not all do")


class ServerSettings(BaseModel):
    """What a client needs to know before it asks: whether it needs a key, the limits, and the endings of files."""

    key_required: bool
    max_body: int
    max_texts: int
    max_characters: int
    max_n_best: int
    file_endings: list[str]


def written(refused: Refused) -> dict[str, Any]:
    """The body of a refusal."""
    return Problem(error=refused.message).model_dump()


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["own API"], responses=REFUSALS)

    @routes.post(
        "/api/translate",
        summary="Translate texts, with all that a translation has",
        responses={200: {"model": Translations, "content": {"text/event-stream": {}}}},
        openapi_extra=body_of(TranslateTexts, JSON),
    )
    async def translate(request: Request) -> Response:
        asked = await read(request, TranslateTexts, JSON)
        caller = caller_of(request, service, deadline=asked.deadline)
        if not asked.texts:
            raise bad_request("texts must hold at least one text")
        service.check_texts(asked.texts, caller)
        pair = service.models.pair(asked.source, asked.target, "\n".join(asked.texts))
        parts = [parts_of(text, asked.split) for text in asked.texts]
        ask, units = ask_of(asked, pair, parts, caller, service)
        head = _head(asked, pair, service)
        if asked.stream:
            caller.gone = None  # the response notices that itself
            tickets = service.admit(units, ask, pair, caller)
            events = _events(service, tickets, caller, parts, head)
            return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        records = iter(await service.translate(units, ask, pair, caller))
        found = [Answer(of_text, [next(records) for _ in of_text.lines]) for of_text in parts]
        return JSONResponse({**head, "translations": [_translated(answer) for answer in found]})

    @routes.post(
        "/api/detect",
        summary="Find the language of texts among those served",
        responses={200: {"model": list[list[Detection]]}},
        openapi_extra=body_of(DetectTexts, JSON),
    )
    async def detect(request: Request) -> Response:
        asked = await read(request, DetectTexts, JSON)
        service.check_texts(asked.texts, caller_of(request, service))
        return JSONResponse([_detections(text, service.models.languages) for text in asked.texts])

    @routes.get("/api/languages", summary="The pairs that are served", responses={200: {"model": list[ServedPair]}})
    async def languages(request: Request) -> Response:
        caller_of(request, service)
        return JSONResponse([_served(pair, service) for pair in service.models.pairs.values()])

    @routes.get(
        "/api/settings", summary="Whether a key is needed, and limits", responses={200: {"model": ServerSettings}}
    )
    async def settings() -> Response:
        most = service.limits
        found = ServerSettings(
            key_required=service.keys.keys is not None,
            max_body=most.max_body,
            max_texts=most.max_texts,
            max_characters=most.max_characters,
            max_n_best=min(most.max_n_best, most.max_beam),  # each needs a hypothesis
            file_endings=list(ENDINGS) if service.takes_files else [],
        )
        return JSONResponse(found.model_dump())

    return routes


def ask_of(
    asked: TranslateTexts, pair: Pair, parts: list[Parts], caller: Caller, service: Service
) -> tuple[Ask, list[Unit]]:
    """The ask and the lines of a request. Raises `Refused`."""
    num_lines = sum(len(of_text.lines) for of_text in parts)
    if asked.prefix.strip() and num_lines != 1:
        raise bad_request(f"prefix is for one line: the texts have {num_lines}")
    terms = dict(asked.terms)
    if asked.glossary is not None:
        terms = service.glossaries.terms(asked.glossary, caller.key.name, pair) | terms
    if asked.tag is not None and asked.tag not in service.models.facts[pair.model].tags:
        known = ", ".join(service.models.facts[pair.model].tags) or "it has none"
        raise bad_request(f"tag must be one of the model's: {known}")
    names = ("n_best", "distinct", "beam_size", "length_penalty", "max_length", "min_length", "no_repeat_ngram")
    options = {name: getattr(asked, name) for name in (*names, "alignment", "coverage", "confidence", "markup")}
    ask = Ask(
        model=pair.model,
        tag=asked.tag or pair.tag,
        prefix=asked.prefix.strip(),
        terms=tuple(checked_terms(terms).items()),
        **options,
    )
    if asked.document:
        return ask, in_document(service, pair, parts)
    return ask, [Unit(line) for of_text in parts for line in of_text.lines]


async def _events(
    service: Service, tickets: Sequence[Ticket], caller: Caller, parts: list[Parts], head: dict[str, Any]
) -> AsyncIterator[str]:
    """Server-sent events: `start` with the texts in lines, `line` for each in order, then `done` with the whole answer.

    Or `error`, which is the last one.
    """
    places = [(text, line) for text, of_text in enumerate(parts) for line in range(len(of_text.lines))]
    records: list[list[Record]] = [[] for _ in parts]
    of_texts = [{"lines": of_text.lines, "between": of_text.between} for of_text in parts]
    yield _event("start", {**head, "texts": of_texts})
    try:
        rows = service.stream(tickets, caller)
        for text, line in places:
            record = await anext(rows)
            records[text].append(record)
            yield _event("line", {"text": text, "line": line, **_plain(record)})
    except Refused as refused:
        service.metrics.refused.labels(refused.reason).inc()
        yield _event("error", {"status": refused.status, **written(refused)})
        return
    found = [Answer(of_text, of_lines) for of_text, of_lines in zip(parts, records, strict=True)]
    yield _event("done", {**head, "translations": [_translated(answer) for answer in found]})


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _head(asked: TranslateTexts, pair: Pair, service: Service) -> dict[str, Any]:
    found = None
    if asked.source in (None, "", AUTO):
        text = "\n".join(asked.texts)
        found = next(one for one in _detections(text, service.models.sources) if one["language"] == pair.source)
    model = service.models.facts[pair.model].folder.name
    return {"source": pair.source, "target": pair.target, "detected": found, "model": model}


def _detections(text: str, codes: list[str]) -> list[dict[str, Any]]:
    return [Detection(language=code, confidence=round(share, 4)).model_dump() for code, share in detected(text, codes)]


def _translated(answer: Answer) -> dict[str, Any]:
    return {"text": answer.text(), "lines": [_plain(record) for record in answer.records]}


def _plain(record: Record) -> Record:
    """Without the line's number, which counts in its batch."""
    return {name: value for name, value in record.items() if name != "line"}


def _served(pair: Pair, service: Service) -> dict[str, Any]:
    facts = service.models.facts[pair.model]
    served = ServedPair(
        source=pair.source,
        target=pair.target,
        model=facts.folder.name,
        tags=list(facts.tags),
        reads_documents=facts.context_before + facts.context_after > 0,
        features=service.features,
    )
    return served.model_dump()
