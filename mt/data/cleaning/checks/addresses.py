"""Web and e-mail addresses, which a translation keeps."""

from __future__ import annotations

import re

STARTS = ("@", "www.", "://")  # a text without these holds no address
_ADDRESS = re.compile(r"https?://\S|(?<!/)\bwww\.\w|\w@[\w-]+\.\w")


def num_addresses(text: str) -> int:
    """How many web addresses (http://, www.) and e-mail addresses a text holds."""
    if any(start in text for start in STARTS):
        return len(_ADDRESS.findall(text))
    return 0
