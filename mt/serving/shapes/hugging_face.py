"""The API of Hugging Face's inference servers for translation: `{"inputs": …}`.

`huggingface_hub.InferenceClient(model="http://HOST:PORT/hf").translation(text)` works unchanged.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mt.serving.answers import answers
from mt.serving.ask import Ask
from mt.serving.reading import JSON, REFUSALS, Body, Problem, body_of, caller_of, read
from mt.serving.refusal import Refused, bad_request
from mt.serving.service import Service

NAME = "hugging_face"
PREFIXES = ("/hf",)


class Generation(Body):
    """Settings of the search, by the names of the library `transformers`."""

    num_beams: int | None = Field(default=None, ge=1)
    length_penalty: float | None = Field(default=None, ge=-20, le=20)
    max_new_tokens: int | None = Field(default=None, ge=1, le=10_000)
    no_repeat_ngram_size: int | None = Field(default=None, ge=0, le=100)


class Parameters(Body):
    """Languages, and settings of the search; others of the API have no effect here and are refused."""

    src_lang: str | None = None
    tgt_lang: str | None = None
    generate_parameters: Generation = Generation()


class Inputs(Body):
    """A text or a list of texts."""

    inputs: str | list[str]
    parameters: Parameters = Parameters()


class TranslationText(BaseModel):
    """A translation."""

    translation_text: str


def written(refused: Refused) -> dict[str, Any]:
    """The body of a refusal."""
    return Problem(error=refused.message).model_dump()


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["Hugging Face"], responses=REFUSALS)

    @routes.post(
        "/hf",
        summary="Translate as Hugging Face's servers do",
        responses={200: {"model": list[TranslationText]}},
        openapi_extra=body_of(Inputs, JSON),
    )
    async def translate(request: Request) -> Response:
        asked = await read(request, Inputs, JSON)
        texts = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
        if not texts:
            raise bad_request("inputs must hold at least one text")
        caller, languages = caller_of(request, service), asked.parameters
        pair = service.models.pair(_code(languages.src_lang), _code(languages.tgt_lang), "\n".join(texts))
        how = languages.generate_parameters
        ask = Ask(
            model=pair.model,
            tag=pair.tag,
            beam_size=how.num_beams,
            length_penalty=how.length_penalty,
            max_length=how.max_new_tokens,
            no_repeat_ngram=how.no_repeat_ngram_size,
        )
        found = await answers(service, texts, ask, pair, caller)
        return JSONResponse([{"translation_text": answer.text()} for answer in found])

    return routes


def _code(given: str | None) -> str | None:
    """`en_XX` and `eng_Latn`-like codes: the language is before the underline."""
    return given.partition("_")[0] if given else None
