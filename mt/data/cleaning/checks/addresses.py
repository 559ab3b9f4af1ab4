"""Web and e-mail addresses, which a translation keeps."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"https?://\S|(?<!/)\bwww\.\w|\w@[\w-]+\.\w")


def num_addresses(text: str) -> int:
    """How many web addresses (http://, www.) and e-mail addresses a text holds."""
    if "@" in text or "www." in text or "://" in text:
        return len(_ADDRESS.findall(text))
    return 0
