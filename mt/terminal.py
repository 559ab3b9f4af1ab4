"""Output to the terminal: text without control characters and of bounded length, and streams that may be closed."""

import errno
import io
import logging
import os
import re
import sys
import warnings
from contextlib import suppress
from typing import Any

LONGEST = 2000  # characters of a message, or of a value in a log line
KEPT_END = 400  # of them at the end, where a message gives the remedy

# Controls (C0, C1), line and paragraph separators, marks and overrides of direction, halves of surrogate pairs: a
# terminal obeys them, or shows the rest of the line in another order.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_IN_LINES = re.compile(f"(?![\n\t]){_CONTROL.pattern}")


def visible(text: str) -> str:
    """The text with control characters as escapes (`\\x1b`, `\\n`, `\\u202e`), and cut to LONGEST characters."""
    return shortened(_CONTROL.sub(lambda found: _escape(found[0]), shortened(text)))


def visible_lines(text: str) -> str:
    """Text of several lines, which keeps its line ends and tabs and is not cut."""
    return _CONTROL_IN_LINES.sub(lambda found: _escape(found[0]), text)


def escaped(text: str) -> str:
    """The text with every character that is not printable as an escape: for names, of which each letter counts."""
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def shortened(text: str) -> str:
    """Text of at most about LONGEST characters: of a longer one the beginning, how many are left out, and the end."""
    if len(text) <= LONGEST:
        return text
    left_out = f" … {len(text) - LONGEST:,} characters left out … "
    return text[: LONGEST - KEPT_END - len(left_out)] + left_out + text[-KEPT_END:]


def _escape(letter: str) -> str:
    return ascii(letter)[1:-1]


class VisibleFormatter(logging.Formatter):
    """Formats log lines so that values (names, text of files, errors) cannot bring control characters.

    The format string is ours: it may have several lines. Values are put on one line and cut.
    """

    def format(self, record: logging.LogRecord) -> str:
        shown = logging.makeLogRecord(vars(record))
        shown.args = (
            {name: _shown(value) for name, value in record.args.items()}
            if isinstance(record.args, dict)
            else tuple(map(_shown, record.args or ()))
        )
        return visible_lines(super().format(shown))


def _shown(value: Any) -> Any:
    """A value of a log line: itself, or its escaped text where necessary."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    fit = visible(text)
    return value if fit == text else fit


def tell(message: str) -> None:
    """Writes one line to stderr; does nothing where that fails (closed, a full disk)."""
    try:
        print(visible(message), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        # Python would try again at exit, and return another exit code
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def settle_streams() -> None:
    """Makes stdout UTF-8 with "\\n" ending each line, as files are written here; a closed stdin is an empty one.

    A closed stderr becomes one that drops everything: else what Python writes there would go to stdout, and what C
    libraries write there to the file that is opened next. Raises ValueError for a closed stdout.
    """
    is_stdout_closed = sys.stdout is None
    for number in (0, 1, 2):  # opened in this order, each gets the lowest number that is free: its own
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (as long as we live)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    if is_stdout_closed:
        raise ValueError("standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a notebook's is none
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")


def log_to_stderr() -> None:
    """Sends our own logs and other libraries' warnings to stderr: stdout is for results."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for ours in ("mt", "__main__"):
        logging.getLogger(ours).setLevel(logging.INFO)
    warnings.formatwarning = _warning_line


def _warning_line(message: Any, category: type[Warning], filename: str, lineno: int, line: str | None = None) -> str:
    return visible(" ".join(f"{filename}:{lineno}: {category.__name__}: {message}".split())) + "\n"
