"""A server without a model, in this process: its worker processes reverse words (`tests.serving.fakes`)."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from mt.data.tokenizer import TokenizerSettings, train_tokenizers
from mt.serving.app import make_app
from mt.serving.service import Service
from mt.serving.settings import Limits, Settings
from tests.conftest import made_once, reversed_pairs
from tests.serving.fakes import Reverse


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory):
    """A folder with the tokenizer of the number words."""

    def make(folder):
        sources, targets = reversed_pairs(300, seed=1)
        settings = TokenizerSettings(vocab_size=40, byte_fallback=False)
        train_tokenizers(sources, targets, len(sources), settings).save(folder)

    return made_once(tmp_path_factory, "tokenizer-for-serving", make)


@pytest.fixture
def with_server(tokenizer_folder):
    """Runs `test(client, service)` with a server that is ready; flags of `Settings` and `Limits` by name."""

    def run(test, *, limits=None, fake=None, **settings):
        @asynccontextmanager
        async def server():
            function = Reverse(tokenizer_folder, **(fake or {}))
            held = Limits(**(limits or {}))
            service = Service(Settings(checkpoints=(), limits=held, **{"wait": 0.0, **settings}), function)
            await service.start()
            transport = httpx.ASGITransport(app=make_app(service), raise_app_exceptions=False)
            try:
                async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                    yield client, service
            finally:
                await service.stop()

        async def main():
            async with server() as (client, service):
                return await test(client, service)

        return asyncio.run(main())

    return run
