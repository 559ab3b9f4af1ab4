"""Bodies of requests: JSON or a form into a checked value, and what the description of the API says of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from mt.serving.refusal import Refused, bad_request
from mt.serving.service import Caller, Service

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
SCHEMAS: dict[str, Any] = {}  # of all bodies that `body_of` described, for the description of the API


class Body(BaseModel):
    """A request's body. A field that it does not have is refused, since it would have no effect."""

    model_config = ConfigDict(extra="forbid")


Given = TypeVar("Given", bound=Body)


class Problem(BaseModel):
    """Why a request was refused, in one line."""

    error: str


def body_of(kind: type[Body], *types: str, is_required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is a `kind`, in one of the types of content."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    SCHEMAS.update(schema.pop("$defs", {}))
    SCHEMAS[kind.__name__] = schema
    reference = {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}
    return {"requestBody": {"required": is_required, "content": {one: reference for one in types}}}


async def read(request: Request, kind: type[Given], *types: str, lists: Iterable[str] = ()) -> Given:
    """The body of a request as a `kind`. In a form, the fields `lists` may stand several times.

    Raises `Refused`, naming the field, for a body that is none.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower() or types[0]
    if given.endswith("+json"):
        given = JSON
    if given not in types:
        raise Refused(415, f"content-type must be one of {', '.join(types)}", reason="bad request")
    if given == JSON:
        fields = _parsed(await request.body())
    else:
        try:
            form = await request.form(max_fields=1000)
        except HTTPException as error:  # of Starlette's parser
            raise bad_request(f"the form cannot be read: {error.detail}") from None
        fields = {name: form.getlist(name) if name in lists else form.get(name) for name in form}
    return checked(kind, fields)


def checked(kind: type[Given], fields: Any) -> Given:
    """The fields as a `kind`. Raises `Refused`, naming the first field that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise bad_request(f"{place}: {first['msg']}") from None


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise bad_request("the body must be JSON (UTF-8)") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def is_file(value: Any) -> bool:
    """Whether a field of a form is a file."""
    return isinstance(value, UploadFile)


def caller_of(request: Request, service: Service, given: str | None = None, *, deadline: float | None = None) -> Caller:
    """Who asks, by the key that was `given` in the body or stands in a header. Raises `Refused` for a wrong key.

    Headers: `Authorization: Bearer KEY`, `Authorization: DeepL-Auth-Key KEY`, `X-API-Key: KEY`.
    """
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() in ("bearer", "deepl-auth-key"):
        given = value.strip()
    key = service.keys.find(given or request.headers.get("x-api-key"))
    service.keys.request(key)
    arrived, most = request.scope["state"]["arrived"], service.limits.deadline
    return Caller(key, arrived, arrived + min(most, most if deadline is None else deadline), lambda: _gone(request))


async def _gone(request: Request) -> None:
    """Returns when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 404, 408, 413, 415, 429, 456, 503, 504)
}
"""What the description of an API says of refusals."""
