"""Fields of a row that may be nested, named with dots: "translation.en"."""

from __future__ import annotations

from functools import reduce
from typing import Any

from mt.data.formats.lines import in_one_line
from mt.data.pair import Fault, Pair
from mt.listing import listed


class WrongField(ValueError):
    """A field that is missing or is not text; `reason` is the kind of fault."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def fault(self, place: str) -> Fault:
        """The same as a fault at that place."""
        return Fault(self.reason, f"{place}: {self}")


def pair_at(row: dict[str, Any], source_field: str, target_field: str, links_field: str | None = None) -> Pair:
    """The pair of a row; null is an empty sentence. Raises WrongField."""
    return Pair(
        text_at(row, source_field) or "",
        text_at(row, target_field) or "",
        None if links_field is None else text_at(row, links_field),
    )


def text_at(row: dict[str, Any], field: str) -> str | None:
    """The text at `field` in one line, None for null; bytes are UTF-8. Raises WrongField."""
    value = row[field] if field in row else reduce(inside, keys_to(row, field), row)
    if value is None:
        return None
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = f"byte {error.start} (0x{value[error.start]:02x})"
            raise WrongField("not UTF-8", f"field ({field}) is not UTF-8 at {byte}") from None
    if not isinstance(value, str):
        raise WrongField("not text", f"field ({field}) must be text, it is {type(value).__name__}")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:  # JSON can write "\ud83d" without the other half
            half = f"\\u{ord(value[error.start]):04x}"
            raise WrongField("not text", f"field ({field}) holds half a character ({half})") from None
    return in_one_line(value)


def fields_in(value: Any) -> dict[str, Any] | None:
    """The fields of a value by name; None where it has none.

    A map may come as its pairs: [("en", "one"), ("de", "eins")]. Translations into any number of languages may come as
    two lists, {"language": ["en", "de", "de"], "translation": [...]}: the first of a language counts.
    """
    if isinstance(value, dict):
        languages, texts = value.get("language"), value.get("translation")
        if len(value) == 2 and isinstance(languages, list) and isinstance(texts, list) and len(languages) == len(texts):
            return dict(zip(reversed(languages), reversed(texts), strict=True))
        return value
    if isinstance(value, list) and all(isinstance(one, tuple) and len(one) == 2 for one in value):
        return dict(reversed(value))
    return None


def inside(value: Any, key: str) -> Any:
    """The field of a value with an existing name."""
    fields = fields_in(value)
    assert fields is not None
    return fields[key]


def keys_to(row: dict[str, Any], field: str) -> list[str]:
    """The keys that lead to a field, from outer to inner: each the longest that exists, dots included.

    They end early at null, since every field of null is null. Raises WrongField.
    """
    keys: list[str] = []
    inner: Any = row
    rest = field
    while rest and inner is not None:
        fields = fields_in(inner)
        if fields is None:
            message = f"field ({field}): {'.'.join(keys)} must hold fields, it is {type(inner).__name__}"
            raise WrongField("missing field", message)
        key = rest
        while key not in fields:
            key, dot, _ = key.rpartition(".")
            if not dot:
                where = f"{rest} in {'.'.join(keys)}" if keys else f"field ({field})"
                raise WrongField("missing field", f"{where} must be one of: {listed(fields) or 'none is there'}")
        keys.append(key)
        inner, rest = fields[key], rest[len(key) + 1 :]
    return keys
