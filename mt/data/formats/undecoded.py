"""A handler of decoding errors that leaves a mark, so that only the record with the wrong bytes is lost."""

from __future__ import annotations

import codecs

UNDECODED = "\uffff"  # replaces bytes that are not in the encoding; a noncharacter, so that no text has it
UNDECODED_ERRORS = "mt-undecoded"  # for `errors=` of a decoder

codecs.register_error(UNDECODED_ERRORS, lambda error: (UNDECODED, error.end))  # type: ignore[attr-defined]  # any Unicode error
