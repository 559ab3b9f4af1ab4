"""Files that are translated as a whole: in a folder of their own until they are fetched or an hour has passed."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mt.data.formats.compressed import compression_of
from mt.inference.files.passage import FileSettings
from mt.inference.files.table import FILE_FORMATS
from mt.inference.files.translate_file import FileReport, Text, translate_file
from mt.serving.models import Pair
from mt.serving.refusal import Refused, bad_request

log = logging.getLogger(__name__)

ENDINGS = tuple(ending for one in FILE_FORMATS.values() for ending in one.endings)
KEPT_SECONDS = 3600.0
MOST_FILES = 100
CHUNK = 64  # lines that a file has in the queue at a time, so that others come between
LONGEST_PAUSE = 5.0  # seconds before a file tries again where the queue is full
AT_A_TIME = 4  # files; others wait for them

Translate = Callable[[Sequence[str]], Awaitable[list[str]]]
"""The translations of lines, in order: each with its markup, and in sentences."""


@dataclass(eq=False)
class Document:
    """A file that was sent: the secret with which it is fetched, and how far it has come."""

    id: str
    secret: str
    name: str
    folder: Path
    created: float
    characters: int = 0
    error: str | None = None
    notes: tuple[str, ...] = ()  # on texts that stay as they were
    num_done: int = 0  # texts
    num_texts: int = 0
    is_forgotten: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def given(self) -> Path:
        """The file that was sent; its ending says the format."""
        return self.folder / f"given{Path(self.name).suffix}"

    @property
    def result(self) -> Path:
        """The translated file."""
        return self.folder / "translated"

    @property
    def status(self) -> str:
        """`translating`, `done` or `error`."""
        if self.task is not None and not self.task.done():
            return "translating"
        return "error" if self.error else "done"


class Documents:
    """The files of all clients."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._folder: Path | None = None
        self._all: dict[str, Document] = {}
        self._clock = clock
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="file")  # formats are read outside the loop

    def add(self, content: bytes, name: str, pair: Pair, translate: Translate) -> Document:
        """Begins to translate a file. Raises `Refused` for a format that is not known, and for too many files."""
        self._forget_old()
        ending = Path(name).suffix.lower()
        if ending not in ENDINGS:
            raise bad_request(f"file ({Path(name).name[:100]}) must have one of the endings {', '.join(ENDINGS)}")
        if compression_of(content):  # what it holds may be a thousand times as large
            raise bad_request(f"file ({Path(name).name[:100]}) must not be compressed")
        if len(self._all) >= MOST_FILES:
            raise Refused(503, "too many files wait to be fetched", reason="files", headers={"Retry-After": "60"})
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="mt-serve-"))
        id = secrets.token_hex(16)
        folder = self._folder / id
        folder.mkdir(mode=0o700)
        document = Document(id, secrets.token_hex(32), f"{Path(name).stem[:100]}{ending}", folder, self._clock())
        document.given.write_bytes(content)
        settings = FileSettings(source_language=pair.source, target_language=pair.target)
        document.task = asyncio.create_task(self._translate(document, settings, translate))
        self._all[id] = document
        return document

    async def _translate(self, document: Document, settings: FileSettings, translate: Translate) -> None:
        loop = asyncio.get_running_loop()

        async def one_chunk(lines: Sequence[str]) -> list[str]:
            while True:
                try:
                    return await translate(lines)
                except Refused as refused:
                    if refused.reason not in ("queue", "deadline"):
                        raise
                    await asyncio.sleep(min(LONGEST_PAUSE, float(refused.headers.get("Retry-After", 1))))

        def in_chunks(texts: Sequence[Text], number: int) -> Iterator[str]:
            for start in range(0, len(texts), CHUNK):
                if document.is_forgotten:
                    raise Refused(404, "the file was deleted", reason="not found")
                lines = [text.line for text in texts[start:][:CHUNK]]
                document.characters += sum(map(len, lines))
                yield from asyncio.run_coroutine_threadsafe(one_chunk(lines), loop).result()

        def on_progress(num_done: int, total: int) -> None:
            document.num_done, document.num_texts = num_done, total

        def in_thread() -> FileReport:
            how = {"settings": settings, "on_progress": on_progress}
            return translate_file(document.given, document.result, in_chunks, **how)  # type: ignore[arg-type]

        try:
            document.notes = (await loop.run_in_executor(self._threads, in_thread)).notes
        except (Refused, ValueError) as error:
            document.error = str(error).replace(str(document.given), document.name)
        except Exception as error:
            log.error("a file could not be translated: %s", type(error).__name__)
            document.error = "the file could not be translated"

    def get(self, id: str, secret: str | None) -> Document:
        """A file, for who knows its secret. Raises `Refused` (404) for an unknown id, and for a wrong secret."""
        found = self._all.get(id)
        is_right = hmac.compare_digest((secret or "").encode(), found.secret.encode()) if found else False
        if found is None or not is_right:
            raise Refused(404, "there is no file with this id and key", reason="not found")
        return found

    def seconds_left(self, document: Document) -> int:
        """How long its translation will take yet, at least 1, if the rest goes on as before."""
        rest = (document.num_texts - document.num_done) / max(1, document.num_done)
        return max(1, round((self._clock() - document.created) * rest))

    def forget(self, document: Document) -> None:
        """Deletes a file."""
        self._all.pop(document.id, None)
        document.is_forgotten = True
        if document.task is not None:
            document.task.cancel()
        shutil.rmtree(document.folder, ignore_errors=True)

    def close(self) -> None:
        """Deletes all."""
        for document in list(self._all.values()):
            self.forget(document)
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _forget_old(self) -> None:
        for document in list(self._all.values()):
            if self._clock() - document.created > KEPT_SECONDS:
                self.forget(document)
