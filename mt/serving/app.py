"""The application (ASGI): all APIs on one service, with health, metrics, and the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import mt
from mt.serving import metrics
from mt.serving.files import Documents
from mt.serving.reading import SCHEMAS
from mt.serving.refusal import CLIENT_LEFT, Refused
from mt.serving.service import Service
from mt.serving.shapes import deepl, hugging_face, libretranslate, own
from mt.serving.web import OTHER, Gate

SHAPES = (libretranslate, deepl, hugging_face, own)
METHODS = ("DELETE", "GET", "HEAD", "POST", "PUT")
REFERENCE, PAGE = Path(__file__).parent / "reference", Path(__file__).parent / "page"


def make_app(service: Service, *, starts_service: bool = False) -> ASGIApp:
    """The application on a service; with `starts_service` it also starts and stops it, for servers other than ours."""
    documents = Documents()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if starts_service:
            await service.start()
        yield
        documents.close()
        if starts_service:
            await service.stop()

    app = FastAPI(title="mt", version=mt.__version__, docs_url=None, redoc_url=None, lifespan=life)
    app.include_router(libretranslate.router(service, documents))
    app.include_router(deepl.router(service, documents))
    app.include_router(hugging_face.router(service))
    app.include_router(own.router(service))
    _add_health(app, service)
    _add_pages(app)
    refuse = _add_errors(app, service)
    app.openapi = _openapi(app)  # type: ignore[method-assign]
    if service.settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(service.settings.cors),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
        )
    return Gate(app, service=service, api_of=api_of, refuse=refuse)


def api_of(path: str) -> str:
    """The name of the API that a path belongs to."""
    for shape in SHAPES:
        if any(path == prefix or path.startswith(prefix) for prefix in shape.PREFIXES):
            return shape.NAME
    return OTHER


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/health", tags=["LibreTranslate"], summary="As LibreTranslate has it", responses={503: {}})
    @app.get("/health/ready", tags=["operation"], summary="Whether requests are answered", responses={503: {}})
    async def ready() -> Response:
        is_ready = service.is_ready
        return JSONResponse({"status": "ok" if is_ready else "not ready"}, status_code=200 if is_ready else 503)

    @app.get("/health/live", tags=["operation"], summary="Whether the server runs at all")
    async def live() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get(
        "/metrics",
        tags=["operation"],
        summary="Numbers for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    async def numbers() -> Response:
        return Response(service.metrics.text(), media_type=metrics.CONTENT_TYPE)


def _add_pages(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    async def reference() -> Response:
        return FileResponse(REFERENCE / "index.html")

    app.mount("/docs", StaticFiles(directory=REFERENCE), name="reference")
    if (PAGE / "index.html").is_file():
        app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")


def _add_errors(app: FastAPI, service: Service) -> Callable[[str, Refused], Response]:
    """Every refusal is answered in the form of its API, and counted; gives the function that does it for a path."""

    def answered(path: str, refused: Refused) -> Response:
        service.metrics.refused.labels(refused.reason).inc()
        api = api_of(path)
        shape = next((shape for shape in SHAPES if api == shape.NAME), own)
        return JSONResponse(shape.written(refused), status_code=refused.status, headers=refused.headers)

    async def on_refusal(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return answered(request.url.path, error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status, detail, headers = error.status_code, error.detail, dict(error.headers or {})
        # the page's files lie under "/", so that a path of an API with a wrong method is looked for among them
        if status == 404 and (methods := _methods_of(app, request)):
            status, detail, headers = 405, f"method ({request.method}) must be {methods}", {"Allow": methods}
        return answered(request.url.path, Refused(status, detail, reason="bad request", headers=headers))

    async def on_disconnect(request: Request, error: Exception) -> Response:
        return answered(request.url.path, Refused(CLIENT_LEFT, "the client has left", reason="left"))

    async def on_failure(request: Request, error: Exception) -> Response:
        return answered(request.url.path, Refused(500, "the server has failed: its log has the place", reason="failed"))

    app.add_exception_handler(Refused, on_refusal)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(Exception, on_failure)
    return answered


def _methods_of(app: FastAPI, request: Request) -> str:
    """The methods that an API takes at the path of a request, "GET, POST"; blank where there is none."""
    routes = [route for route in app.routes if not isinstance(route, Mount)]

    def is_taken(method: str) -> bool:
        return any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)

    return ", ".join(filter(is_taken, METHODS))


def _openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The description of the API, with the schemas of bodies that are read by `mt.serving.reading`."""
    made: dict[str, Any] = {}

    def describe() -> dict[str, Any]:
        if not made:
            made.update(get_openapi(title=app.title, version=app.version, routes=app.routes))
            schemas = made["components"]["schemas"]
            schemas.update(SCHEMAS)
            for name in ("HTTPValidationError", "ValidationError"):  # of FastAPI's own checks, which none here uses
                schemas.pop(name, None)
            for operation in (one for path in made["paths"].values() for one in path.values()):
                operation["responses"].pop("422", None)
        return made

    return describe
