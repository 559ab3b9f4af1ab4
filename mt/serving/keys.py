"""API keys and quotas: a file of SHA-256 digests, and what each key has used this month.

A file of keys is YAML; a quota that is missing is none:

    keys:
      - name: shop
        sha256: 2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90   # printf %s "$KEY" | sha256sum
        characters_per_month: 500000
        requests_per_minute: 600
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from mt.checkpoint.small_file import read_yaml
from mt.data.whole_folder import whole_file
from mt.serving.refusal import Refused, retry_later

log = logging.getLogger(__name__)

NOBODY = "(no key)"  # whose usage is counted where no keys are needed
QUOTAS = ("characters_per_month", "requests_per_minute")
USAGE = "usage"  # the folder of counts: a file for each server that has run
MINUTE = 60.0


@dataclass(frozen=True, kw_only=True)
class Key:
    """A client's key: its name, its digest, and its quotas (None: none)."""

    name: str
    digest: str
    characters_per_month: int | None = None
    requests_per_minute: int | None = None


ANYBODY = Key(name=NOBODY, digest="")


@dataclass
class Usage:
    """What a key has used: characters of a month (2026-11), and the requests of the last minute."""

    month: str = ""
    characters: int = 0
    allowance: float = 0.0  # requests that may come now; refilled with time
    seen: float = field(default=0.0, repr=False)


def load_keys(path: Path) -> list[Key]:
    """The keys of a file. Raises ValueError, in one line, with the entry and what is wrong with it."""
    entries = read_yaml(path).get("keys")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} must have a list named keys, each with name and sha256")
    keys: list[Key] = []
    for number, entry in enumerate(entries, start=1):
        keys.append(_key(entry, f"{path}, key {number}"))
        for other in keys[:-1]:
            if other.name == keys[-1].name or other.digest == keys[-1].digest:
                raise ValueError(f"{path}, key {number}: name and sha256 must be its own, not those of {other.name}")
    return keys


def _key(entry: Any, where: str) -> Key:
    known = {"name", "sha256", *QUOTAS}
    if not isinstance(entry, Mapping) or not {"name", "sha256"} <= entry.keys() <= known:
        raise ValueError(f"{where} must have name and sha256, and may have {' and '.join(QUOTAS)}")
    digest = str(entry["sha256"]).lower()
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(f"{where}: sha256 must be 64 hexadecimal digits")
    for name in QUOTAS:
        value = entry.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{where}: {name} ({value}) must be a whole number of at least 1")
    return Key(name=str(entry["name"]), digest=digest, **{name: entry.get(name) for name in QUOTAS})


class Keys:
    """Checks keys and counts what they use.

    keys   None: no key is needed
    state  folder in which counts are kept over restarts, and which several servers may share: each knows what the
           others had counted when it last saved; None: a restart forgets them
    clock  seconds, rising; now: the time, for months
    """

    def __init__(
        self,
        keys: list[Key] | None,
        *,
        state: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ):
        self.keys, self._clock, self._now = keys, clock, now
        self._folder = None if state is None else state / USAGE
        self._file = f"{secrets.token_hex(8)}.json"  # each server has its own, so that several can share the folder
        self._used: dict[str, Usage] = {}
        self._elsewhere: dict[tuple[str, str], int] = {}  # characters in the files of others, by key and month
        self._is_changed = False
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._read_others()

    def find(self, given: str | None) -> Key:
        """The key that a client gave. Raises `Refused`: 401 for none where one is needed, 403 for an unknown one."""
        if self.keys is None:
            return ANYBODY
        digest, found = sha256((given or "").encode("utf-8", "replace")).hexdigest(), None
        for key in self.keys:  # all of them: the time must not tell which one was near
            if hmac.compare_digest(digest, key.digest):
                found = key
        if found is None:
            if given:
                raise Refused(403, "this API key is not known", reason="key")
            raise Refused(401, "an API key is needed", reason="key", headers={"WWW-Authenticate": "Bearer"})
        return found

    def request(self, key: Key) -> None:
        """Counts a request. Raises `Refused` (429) for more than the quota of a minute."""
        quota = key.requests_per_minute
        if quota is None:
            return
        used, now = self._of(key), self._clock()
        if not used.seen:
            used.allowance = float(quota)
        used.allowance = min(float(quota), used.allowance + (now - used.seen) * quota / MINUTE if used.seen else quota)
        used.seen = now
        if used.allowance < 1:
            message = f"requests per minute must be at most {quota} for this key (requests_per_minute)"
            raise retry_later(429, message, (1 - used.allowance) * MINUTE / quota, reason="quota")
        used.allowance -= 1

    def characters(self, key: Key, count: int) -> None:
        """Counts characters. Raises `Refused` (456, as DeepL has it) where the month's quota does not hold them."""
        before, quota = self.used(key), key.characters_per_month
        if quota is not None and before + count > quota:
            message = (
                f"characters of this month ({before} and {count} more) must be at most {quota} for this key "
                "(characters_per_month)"
            )
            raise retry_later(456, message, self._seconds_to_next_month(), reason="quota")
        self._of(key).characters += count
        self._is_changed = True

    def return_characters(self, key: Key, count: int) -> None:
        """Takes back what was counted for a request that was refused or failed."""
        used = self._of(key)
        used.characters = max(0, used.characters - count)
        self._is_changed = True

    def used(self, key: Key) -> int:
        """Characters of this month, also at other servers that share the folder."""
        return self._of(key).characters + self._elsewhere.get((key.name, self._month()), 0)

    def save(self) -> None:
        """Writes the counts if they changed, and reads those of others; a failure is logged, and the server goes on."""
        if self._folder is None:
            return
        counts = {name: {"month": used.month, "characters": used.characters} for name, used in self._used.items()}
        try:
            if self._is_changed:
                with whole_file(self._folder / self._file) as file:
                    file.write(json.dumps(counts, indent=1) + "\n")
                self._is_changed = False
            self._read_others()
        except (OSError, ValueError) as error:
            log.error("usage of keys: %s", error)

    def _read_others(self) -> None:
        """Raises ValueError for a file that no server wrote."""
        assert self._folder is not None
        found: Counter[tuple[str, str]] = Counter()
        for path in sorted(self._folder.glob("*.json")):
            if path.name == self._file:
                continue
            try:
                stored = json.loads(path.read_text("utf-8"))
                found.update({(name, one["month"]): int(one["characters"]) for name, one in stored.items()})
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ValueError(f"{path} must be what a server wrote: delete it to lose its counts") from None
        self._elsewhere = dict(found)

    def _month(self) -> str:
        return self._now().strftime("%Y-%m")

    def _of(self, key: Key) -> Usage:
        used, month = self._used.setdefault(key.name, Usage()), self._month()
        if used.month != month:
            used.month, used.characters = month, 0
        return used

    def _seconds_to_next_month(self) -> float:
        now = self._now()
        first = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return (first - now).total_seconds()
