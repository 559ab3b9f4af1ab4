"""The API of DeepL, version 2: its clients, such as the package `deepl`, work unchanged with `server_url`.

Its own documentation: https://developers.deepl.com/docs. Bodies are JSON or forms. What would change a translation and
is not possible here (formality, writing styles) is refused.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from mt.data.cleaning.checks.scripts import language_of
from mt.inference.sentence_ends import sentences
from mt.serving.answers import answers, in_lines
from mt.serving.ask import Ask
from mt.serving.files import Document, Documents
from mt.serving.glossaries import StoredGlossary, parsed_terms
from mt.serving.keys import Key
from mt.serving.language_names import language_name
from mt.serving.models import Pair
from mt.serving.reading import FORM, JSON, MULTIPART, Body, body_of, caller_of, is_file, read
from mt.serving.refusal import Refused, bad_request
from mt.serving.service import Service
from mt.serving.texts import Split

NAME = "deepl"
PREFIXES = ("/v2/",)
BODIES = (JSON, FORM, MULTIPART)
NO_QUOTA = 1_000_000_000_000  # characters: what DeepL itself states for plans without a limit
SPLITS: dict[str, Split] = {"0": "none", "1": "sentences", "nonewlines": "sentences"}
Formality = Literal["default", "prefer_more", "prefer_less", "more", "less"]


class DeepLTranslate(Body):
    """Texts to translate."""

    text: list[str] = Field(min_length=1)
    target_lang: str
    source_lang: str | None = None
    context: str | None = Field(None, description="sentences before, for models that were trained with context")
    split_sentences: Literal["0", "1", "nonewlines"] | bool = "1"
    preserve_formatting: bool | Literal["0", "1"] = False
    formality: Formality = "default"
    glossary_id: str | None = None
    tag_handling: Literal["xml", "html"] | None = None
    tag_handling_version: str | None = None
    outline_detection: bool | Literal["0", "1"] = True
    model_type: str | None = None
    show_billed_characters: bool | Literal["0", "1"] = False
    auth_key: str | None = None


class DeepLDocument(Body):
    """A file to translate."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    file: Any = Field(json_schema_extra={"type": "string", "format": "binary"})
    filename: str | None = None
    target_lang: str
    source_lang: str | None = None
    formality: Formality = "default"
    glossary_id: str | None = None
    auth_key: str | None = None


class DocumentKey(Body):
    """The key of a file."""

    document_key: str
    auth_key: str | None = None


class DeepLGlossary(Body):
    """A list of terms to store."""

    name: str
    source_lang: str
    target_lang: str
    entries: str
    entries_format: str = Field(description="tsv or csv")
    auth_key: str | None = None


class LanguageType(Body):
    """Which languages are asked for."""

    type: Literal["source", "target"] = "source"
    auth_key: str | None = None


class DeepLTranslation(BaseModel):
    """A translation of one text."""

    detected_source_language: str
    text: str
    billed_characters: int | None = None
    model_type_used: str | None = None


class DeepLTranslations(BaseModel):
    """In the order of the texts."""

    translations: list[DeepLTranslation]


class Message(BaseModel):
    """Why a request was refused."""

    message: str


def written(refused: Refused) -> dict[str, Any]:
    """The body of a refusal."""
    return Message(message=refused.message).model_dump()


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Message} for status in (400, 401, 403, 404, 408, 413, 415, 429, 456, 503, 504)
}


def router(service: Service, documents: Documents) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["DeepL"], responses=REFUSALS)
    _add_translation(routes, service)
    _add_documents(routes, service, documents)
    _add_glossaries(routes, service)
    return routes


def _add_translation(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v2/translate",
        summary="Translate texts",
        responses={200: {"model": DeepLTranslations}},
        openapi_extra=body_of(DeepLTranslate, *BODIES),
    )
    async def translate(request: Request) -> Response:
        asked = await read(request, DeepLTranslate, *BODIES, lists=["text"])
        caller = caller_of(request, service, asked.auth_key)
        pair = service.models.pair(asked.source_lang, asked.target_lang, "\n".join(asked.text))
        ask = _ask(service, pair, caller.key, asked.glossary_id, asked.formality, has_markup=bool(asked.tag_handling))
        split = {"True": "1", "False": "0"}.get(str(asked.split_sentences), str(asked.split_sentences))
        texts = asked.text
        if split == "nonewlines":
            texts = [" ".join(text.splitlines()) for text in texts]
        most = service.models.facts[pair.model].context_before
        before = [one.strip() for one in sentences(asked.context or "")][-most:] if most else []
        found = await answers(service, texts, ask, pair, caller, split=SPLITS[split], before=before)
        translations = [
            {"detected_source_language": _upper(pair.source), "text": answer.text()}
            | ({"billed_characters": len(text)} if asked.show_billed_characters in (True, "1") else {})
            for text, answer in zip(texts, found, strict=True)
        ]
        return JSONResponse({"translations": translations})

    @routes.get("/v2/languages", summary="The languages served")
    async def languages(request: Request, type: str | None = None) -> Response:
        asked = await read(request, LanguageType, FORM, JSON, MULTIPART)  # the package `deepl` sends a form with GET
        caller_of(request, service, asked.auth_key)
        if type not in (None, "source", "target"):
            raise bad_request("type must be source or target")
        if (type or asked.type) == "source":
            return JSONResponse(
                [{"language": _upper(one), "name": language_name(one)} for one in service.models.sources]
            )
        names = [{"language": _upper(one), "name": language_name(one)} for one in service.models.targets]
        return JSONResponse([name | {"supports_formality": False} for name in names])

    @routes.get("/v2/usage", summary="The characters of this month")
    async def usage(request: Request) -> Response:
        key = caller_of(request, service).key
        limit = NO_QUOTA if key.characters_per_month is None else key.characters_per_month
        return JSONResponse({"character_count": service.keys.used(key), "character_limit": limit})


def _add_documents(routes: APIRouter, service: Service, documents: Documents) -> None:
    @routes.post(
        "/v2/document",
        summary="Send a file to translate",
        openapi_extra=body_of(DeepLDocument, MULTIPART),
    )
    async def send(request: Request) -> Response:
        asked = await read(request, DeepLDocument, MULTIPART)
        if not is_file(asked.file):
            raise bad_request("file must be a file")
        key, content = caller_of(request, service, asked.auth_key).key, await asked.file.read()
        pair = service.models.pair(asked.source_lang, asked.target_lang, content[:5000].decode("utf-8", "replace"))
        terms = _ask(service, pair, key, asked.glossary_id, asked.formality).terms
        name = asked.filename or asked.file.filename or ""
        document = documents.add(content, name, pair, in_lines(service, pair, key, terms))
        return JSONResponse({"document_id": document.id, "document_key": document.secret})

    async def found(request: Request, id: str) -> Document:
        asked = await read(request, DocumentKey, *BODIES)
        caller_of(request, service, asked.auth_key)
        return documents.get(id, asked.document_key)

    @routes.post(
        "/v2/document/{id}",
        summary="How far a file is",
        openapi_extra=body_of(DocumentKey, *BODIES),
    )
    async def status(request: Request, id: str) -> Response:
        document = await found(request, id)
        answer: dict[str, Any] = {"document_id": id, "status": document.status}
        if document.status == "translating":
            answer["seconds_remaining"] = documents.seconds_left(document)
        if document.status == "done":
            answer["billed_characters"] = document.characters
            answer |= {"message": "; ".join(document.notes)} if document.notes else {}
        if document.error is not None:
            answer["error_message"] = document.error
        return JSONResponse(answer)

    @routes.post(
        "/v2/document/{id}/result",
        summary="Fetch a translated file",
        responses={200: {"content": {"application/octet-stream": {}}}},
        openapi_extra=body_of(DocumentKey, *BODIES),
    )
    async def result(request: Request, id: str) -> Response:
        document = await found(request, id)
        if document.status == "translating":
            raise Refused(503, "the file is not ready", reason="not ready", headers={"Retry-After": "1"})
        if document.error is not None:
            raise bad_request(document.error)
        return FileResponse(document.result, filename=document.name, media_type="application/octet-stream")


def _add_glossaries(routes: APIRouter, service: Service) -> None:
    @routes.get("/v2/glossary-language-pairs", summary="Pairs that glossaries may have")
    async def pairs(request: Request) -> Response:
        caller_of(request, service)
        pairs = [
            {"source_lang": language_of(source), "target_lang": language_of(target)}
            for source, target in service.models.pairs
        ]
        return JSONResponse({"supported_languages": pairs})

    @routes.post(
        "/v2/glossaries",
        summary="Store a glossary",
        status_code=201,
        openapi_extra=body_of(DeepLGlossary, *BODIES),
    )
    async def create(request: Request) -> Response:
        asked = await read(request, DeepLGlossary, *BODIES)
        key = caller_of(request, service, asked.auth_key).key
        pair = service.models.pair(asked.source_lang, asked.target_lang, "")
        terms = parsed_terms(asked.entries, asked.entries_format)
        glossary = service.glossaries.add(
            owner=key.name, name=asked.name, source=pair.source, target=pair.target, terms=terms
        )
        return JSONResponse(_shown(glossary), status_code=201)

    @routes.get("/v2/glossaries", summary="All glossaries of this key")
    async def all_of_them(request: Request) -> Response:
        owner = caller_of(request, service).key.name
        return JSONResponse({"glossaries": [_shown(glossary) for glossary in service.glossaries.of(owner)]})

    @routes.get("/v2/glossaries/{id}", summary="What a glossary is")
    async def one(request: Request, id: str) -> Response:
        return JSONResponse(_shown(service.glossaries.get(id, caller_of(request, service).key.name)))

    @routes.get(
        "/v2/glossaries/{id}/entries",
        summary="The terms of a glossary",
        responses={200: {"content": {"text/tab-separated-values": {}}}},
    )
    async def entries(request: Request, id: str) -> Response:
        terms = service.glossaries.get(id, caller_of(request, service).key.name).terms
        rows = "\n".join(f"{source}\t{target}" for source, target in terms.items())
        return Response(rows, media_type="text/tab-separated-values")

    @routes.delete("/v2/glossaries/{id}", summary="Delete a glossary", status_code=204)
    async def delete(request: Request, id: str) -> Response:
        service.glossaries.delete(id, caller_of(request, service).key.name)
        return Response(status_code=204)


def _ask(
    service: Service, pair: Pair, key: Key, glossary: str | None, formality: Formality, *, has_markup: bool = False
) -> Ask:
    if formality in ("more", "less"):
        raise bad_request("formality must be default, prefer_more or prefer_less: the models know none")
    terms: tuple[tuple[str, str], ...] = ()
    if glossary is not None:
        terms = tuple(service.glossaries.terms(glossary, key.name, pair).items())
    return Ask(model=pair.model, tag=pair.tag, markup=has_markup, terms=terms)


def _shown(glossary: StoredGlossary) -> dict[str, Any]:
    return {
        "glossary_id": glossary.id,
        "name": glossary.name,
        "ready": True,
        "source_lang": language_of(glossary.source),
        "target_lang": language_of(glossary.target),
        "creation_time": glossary.created,
        "entry_count": len(glossary.terms),
    }


def _upper(code: str) -> str:
    return code.upper().replace("_", "-")
