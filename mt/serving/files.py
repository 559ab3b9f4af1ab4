"""Files that are translated as a whole: in a folder of their own until they are fetched or an hour has passed."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mt.serving.refusal import Refused, bad_request
from mt.serving.texts import parts_of

log = logging.getLogger(__name__)

FORMATS = {".txt": "txt"}  # by the ending of a file's name
KEPT_SECONDS = 3600.0
MOST_FILES = 100
CHUNK = 64  # lines that a file has in the queue at a time, so that others come between
LONGEST_PAUSE = 5.0  # seconds before a file tries again where the queue is full

Translate = Callable[[Sequence[str]], Awaitable[list[str]]]
"""The translations of lines, in order."""


async def translate_file(path: Path, form: str, output: Path, *, translate: Translate) -> None:
    """Writes the file at `path`, of the format `form`, to `output` with its texts translated.

    Raises ValueError in one line for a file that is not of that format.
    """
    assert form in FORMATS.values()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the file must be UTF-8: byte {error.start} is not") from None
    parts = parts_of(text)
    output.write_bytes(parts.joined(await translate(parts.lines)).encode())


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
    task: asyncio.Task[None] | None = field(default=None, repr=False)

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

    def add(self, content: bytes, name: str, translate: Translate) -> Document:
        """Begins to translate a file. Raises `Refused` for a format that is not known, and for too many files."""
        self._forget_old()
        ending = Path(name).suffix.lower()
        if ending not in FORMATS:
            raise bad_request(f"file ({Path(name).name[:100]}) must have one of the endings {', '.join(FORMATS)}")
        if len(self._all) >= MOST_FILES:
            raise Refused(503, "too many files wait to be fetched", reason="files", headers={"Retry-After": "60"})
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="mt-serve-"))
        id = secrets.token_hex(16)
        folder = self._folder / id
        folder.mkdir(mode=0o700)
        (folder / "given").write_bytes(content)
        document = Document(id, secrets.token_hex(32), f"{Path(name).stem[:100]}{ending}", folder, self._clock())
        document.task = asyncio.create_task(self._translate(document, FORMATS[ending], translate))
        self._all[id] = document
        return document

    async def _translate(self, document: Document, form: str, translate: Translate) -> None:
        async def in_chunks(lines: Sequence[str]) -> list[str]:
            document.characters += sum(map(len, lines))
            done: list[str] = []
            while len(done) < len(lines):
                try:
                    done += await translate(lines[len(done) :][:CHUNK])
                except Refused as refused:
                    if refused.reason not in ("queue", "deadline"):
                        raise
                    await asyncio.sleep(min(LONGEST_PAUSE, float(refused.headers.get("Retry-After", 1))))
            return done

        try:
            await translate_file(document.folder / "given", form, document.result, translate=in_chunks)
        except (Refused, ValueError) as error:
            document.error = str(error)
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

    def forget(self, document: Document) -> None:
        """Deletes a file."""
        self._all.pop(document.id, None)
        if document.task is not None:
            document.task.cancel()
        shutil.rmtree(document.folder, ignore_errors=True)

    def close(self) -> None:
        """Deletes all."""
        for document in list(self._all.values()):
            self.forget(document)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _forget_old(self) -> None:
        for document in list(self._all.values()):
            if self._clock() - document.created > KEPT_SECONDS:
                self.forget(document)
