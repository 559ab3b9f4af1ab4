"""Named lists of terms that clients keep on the server and name in their requests, each seen by its own key alone."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from mt.data.cleaning.checks.scripts import language_of
from mt.data.whole_folder import whole_file
from mt.serving.models import Pair, check_unicode
from mt.serving.refusal import Refused, bad_request

log = logging.getLogger(__name__)

FOLDER = "glossaries"
MOST = 1000  # of a key
MOST_TERMS = 10_000
ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LONGEST = 1024  # characters of a term or a name


@dataclass(frozen=True, kw_only=True)
class StoredGlossary:
    """A glossary: who owns it, between which languages, and its terms."""

    id: str
    owner: str
    name: str
    source: str
    target: str
    created: str  # ISO 8601
    terms: Mapping[str, str]


class Glossaries:
    """The glossaries of all keys: in files of the folder `state`, which several servers may share, or in memory."""

    def __init__(self, state: Path | None):
        self._folder = None if state is None else state / FOLDER
        self._in_memory: dict[str, StoredGlossary] = {}
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)

    def add(self, *, owner: str, name: str, source: str, target: str, terms: Mapping[str, str]) -> StoredGlossary:
        """Stores a new one. Raises `Refused` for too many, and for a name that is empty or long."""
        if len(self.of(owner)) >= MOST:
            raise bad_request(f"glossaries ({MOST + 1}) must be at most {MOST} for a key")
        if not name.strip() or len(name) > LONGEST:
            raise bad_request(f"name must be a text of 1 to {LONGEST} characters")
        check_unicode(name, "name")
        created = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        glossary = StoredGlossary(
            id=_new_id(), owner=owner, name=name, source=source, target=target, created=created, terms=dict(terms)
        )
        if self._folder is None:
            self._in_memory[glossary.id] = glossary
        else:
            with whole_file(self._folder / f"{glossary.id}.json") as file:
                file.write(json.dumps(asdict(glossary), ensure_ascii=False))
        return glossary

    def of(self, owner: str) -> list[StoredGlossary]:
        """All of an owner, the oldest first."""
        stored = self._in_memory.values() if self._folder is None else map(_read, self._folder.glob("*.json"))
        owned = [glossary for glossary in stored if glossary is not None and glossary.owner == owner]
        return sorted(owned, key=lambda glossary: glossary.created)

    def terms(self, id: str, owner: str, pair: Pair) -> dict[str, str]:
        """The terms of one of the owner's. Raises `Refused`: 404, and 400 where it is of other languages."""
        stored, wanted = self.get(id, owner), (language_of(pair.source), language_of(pair.target))
        if (language_of(stored.source), language_of(stored.target)) != wanted:
            raise bad_request(f"glossary is of {stored.source}-{stored.target}, not of {pair.source}-{pair.target}")
        return dict(stored.terms)

    def get(self, id: str, owner: str) -> StoredGlossary:
        """One of the owner's. Raises `Refused` (404)."""
        found = self._in_memory.get(id)
        if self._folder is not None and ID.fullmatch(id):
            found = _read(self._folder / f"{id}.json")
        if found is None or found.owner != owner:
            raise Refused(404, "there is no glossary with this id", reason="not found")
        return found

    def delete(self, id: str, owner: str) -> None:
        """Deletes one of the owner's. Raises `Refused` (404)."""
        self.get(id, owner)
        if self._folder is not None:
            (self._folder / f"{id}.json").unlink(missing_ok=True)
        self._in_memory.pop(id, None)


def _read(path: Path) -> StoredGlossary | None:
    """The glossary of a file; None where there is none, or another program wrote it."""
    try:
        return StoredGlossary(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:  # deleted meanwhile
        return None
    except (ValueError, TypeError):
        log.error("%s is no glossary of the server", path)
        return None


def _new_id() -> str:
    digits = secrets.token_hex(16)
    return "-".join(re.fullmatch("(.{8})(.{4})(.{4})(.{4})(.{12})", digits).groups())  # type: ignore[union-attr]


def checked_terms(terms: Mapping[str, str] | list[tuple[str, str]], name: str = "terms") -> dict[str, str]:
    """Terms without blanks at their ends. Raises `Refused` for empty or long ones, and two targets of a source."""
    pairs = list(terms.items()) if isinstance(terms, Mapping) else terms
    if len(pairs) > MOST_TERMS:
        raise bad_request(f"{name} ({len(pairs)}) must be at most {MOST_TERMS}")
    found: dict[str, str] = {}
    for number, (source, target) in enumerate(pairs, start=1):
        check_unicode(source + target, f"{name}, entry {number}")
        source, target = source.strip(), target.strip()
        if not source or not target or max(len(source), len(target)) > LONGEST:
            raise bad_request(f"{name}, entry {number}: source and target must have 1 to {LONGEST} characters")
        if any(character in "\t\r\n" for character in source + target):
            raise bad_request(f"{name}, entry {number}: must not hold tabs or line ends")
        if found.setdefault(source, target) != target:
            raise bad_request(f"{name}, entry {number}: its source has another target before")
    return found


def parsed_terms(text: str, form: str) -> dict[str, str]:
    """The terms of a text in the form `tsv` or `csv` (source, target). Raises `Refused`."""
    if form not in ("tsv", "csv"):
        raise bad_request("entries_format must be tsv or csv")
    if form == "tsv":
        rows = [line.rstrip("\r").split("\t") for line in text.split("\n") if line.strip()]
    else:
        try:
            # columns after the second are languages, as DeepL's own files have them
            rows = [row[:2] for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
        except csv.Error:
            raise bad_request("entries must be CSV: source,target on each line") from None
    for number, row in enumerate(rows, start=1):
        if len(row) != 2:
            raise bad_request(f"entries, line {number}: must be a source term and a target term")
    if not rows:
        raise bad_request("entries must hold at least one term")
    return checked_terms([(row[0], row[1]) for row in rows], "entries")
