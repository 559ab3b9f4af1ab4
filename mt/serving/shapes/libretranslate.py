"""The API of LibreTranslate: its clients, such as `libretranslatepy`, work unchanged.

Its own documentation: https://docs.libretranslate.com. Bodies are JSON or forms.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from mt.serving.answers import answers, in_lines
from mt.serving.ask import Ask
from mt.serving.detection import detected
from mt.serving.files import ENDINGS, Documents
from mt.serving.language_names import language_name
from mt.serving.models import AUTO
from mt.serving.reading import FORM, JSON, MULTIPART, REFUSALS, Body, Problem, body_of, caller_of, is_file, read
from mt.serving.refusal import Refused, bad_request, beyond
from mt.serving.service import Service

NAME = "libretranslate"
PREFIXES = ("/translate", "/detect", "/languages", "/frontend/", "/download_file/")
BODIES = (JSON, FORM, MULTIPART)


class LibreTranslate(Body):
    """A text or a list of texts to translate; `html` carries tags over."""

    q: str | list[str]
    source: str = AUTO
    target: str
    format: Literal["text", "html"] = "text"
    alternatives: int = Field(0, ge=0, description="more translations of each text")
    api_key: str | None = None


class LibreDetect(Body):
    """A text whose language is sought."""

    q: str
    api_key: str | None = None


class LibreFile(Body):
    """A file to translate."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    file: Any = Field(json_schema_extra={"type": "string", "format": "binary"})
    source: str = AUTO
    target: str
    api_key: str | None = None


class Guess(BaseModel):
    """A language and the confidence in it, 0 to 100."""

    confidence: float
    language: str


class LibreTranslation(BaseModel):
    """Of a list of texts, each is a list."""

    translatedText: str | list[str]
    alternatives: list[str] | list[list[str]] | None = None
    detectedLanguage: Guess | list[Guess] | None = None


class LibreLanguage(BaseModel):
    """A source language and what it is translated into."""

    code: str
    name: str
    targets: list[str]


class FileUrl(BaseModel):
    """Where the translated file is fetched, for an hour."""

    translatedFileUrl: str


def written(refused: Refused) -> dict[str, Any]:
    """The body of a refusal."""
    return Problem(error=refused.message).model_dump()


def router(service: Service, documents: Documents) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["LibreTranslate"], responses=REFUSALS)
    _add_texts(routes, service)
    _add_languages(routes, service)
    _add_files(routes, service, documents)
    return routes


def _add_texts(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/translate",
        summary="Translate a text or a list of texts",
        responses={200: {"model": LibreTranslation}},
        openapi_extra=body_of(LibreTranslate, *BODIES),
    )
    async def translate(request: Request) -> Response:
        asked = await read(request, LibreTranslate, *BODIES)
        caller = caller_of(request, service, asked.api_key)
        is_list = not isinstance(asked.q, str)
        texts = asked.q if isinstance(asked.q, list) else [asked.q]
        if not texts:
            raise bad_request("q must hold at least one text")
        if asked.alternatives > (most := service.limits.max_n_best - 1):
            raise beyond("alternatives", asked.alternatives, most, "--max-n-best less one")
        pair = service.models.pair(asked.source, asked.target, "\n".join(texts))
        ask = Ask(model=pair.model, tag=pair.tag, n_best=1 + asked.alternatives, markup=asked.format == "html")
        found = await answers(service, texts, ask, pair, caller)
        translated: dict[str, Any] = {"translatedText": [answer.text() for answer in found]}
        if asked.alternatives:
            ranks = [range(1, answer.num_candidates) for answer in found]
            translated["alternatives"] = [
                [answer.text(rank) for rank in of_text] for answer, of_text in zip(found, ranks, strict=True)
            ]
        if asked.source in ("", AUTO):
            translated["detectedLanguage"] = [_guesses(text, service.models.sources)[0] for text in texts]
        return JSONResponse(translated if is_list else {name: value[0] for name, value in translated.items()})

    @routes.post(
        "/detect",
        summary="Find the language of a text among those served",
        responses={200: {"model": list[Guess]}},
        openapi_extra=body_of(LibreDetect, *BODIES),
    )
    async def detect(request: Request) -> Response:
        asked = await read(request, LibreDetect, *BODIES)
        service.check_texts([asked.q], caller_of(request, service, asked.api_key))
        return JSONResponse(_guesses(asked.q, service.models.languages))


def _add_languages(routes: APIRouter, service: Service) -> None:
    @routes.get("/languages", summary="The languages served", responses={200: {"model": list[LibreLanguage]}})
    async def languages() -> Response:
        return JSONResponse([_language(code, service) for code in service.models.sources])

    @routes.get("/frontend/settings", summary="What a page needs to know")
    async def settings() -> Response:
        source, target = next(iter(service.models.pairs))
        return JSONResponse(
            {
                "apiKeys": service.keys.keys is not None,
                "keyRequired": service.keys.keys is not None,
                "charLimit": service.limits.max_characters,
                "frontendTimeout": 500,
                "suggestions": False,
                "filesTranslation": service.takes_files,
                "supportedFilesFormat": list(ENDINGS) if service.takes_files else [],
                "language": {
                    "source": {"code": source, "name": language_name(source)},
                    "target": {"code": target, "name": language_name(target)},
                },
            }
        )


def _add_files(routes: APIRouter, service: Service, documents: Documents) -> None:
    @routes.post(
        "/translate_file",
        summary="Translate a file",
        responses={200: {"model": FileUrl}},
        openapi_extra=body_of(LibreFile, MULTIPART),
    )
    async def translate_file(request: Request) -> Response:
        asked = await read(request, LibreFile, MULTIPART)
        if not is_file(asked.file):
            raise bad_request("file must be a file")
        caller = caller_of(request, service, asked.api_key)
        content = await asked.file.read()
        pair = service.models.pair(asked.source, asked.target, content[:5000].decode("utf-8", "replace"))
        name, translate = asked.file.filename or "", in_lines(service, pair, caller.key)
        document = documents.add(content, name, pair, translate)
        assert document.task is not None
        await document.task
        if document.error is not None:
            documents.forget(document)
            raise bad_request(document.error)
        url = request.url_for("download", id=document.id, secret=document.secret, name=document.name)
        return JSONResponse({"translatedFileUrl": str(url)})

    @routes.get("/download_file/{id}/{secret}/{name}", name="download", summary="Fetch a translated file")
    async def download(id: str, secret: str, name: str) -> Response:
        document = documents.get(id, secret)
        return FileResponse(document.result, filename=document.name, media_type="application/octet-stream")


def _language(code: str, service: Service) -> dict[str, Any]:
    targets = [target for source, target in service.models.pairs if source == code]
    return {"code": code, "name": language_name(code), "targets": targets}


def _guesses(text: str, codes: list[str]) -> list[dict[str, Any]]:
    return [{"confidence": round(100 * share, 1), "language": code} for code, share in detected(text, codes)]
