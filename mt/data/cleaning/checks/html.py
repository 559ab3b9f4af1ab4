"""Remains of HTML in a sentence: tags and character references."""

from __future__ import annotations

import re
from html.entities import html5

# Known tags only: "<2de>" is a language tag, "<3" a heart, "a < b" mathematics.
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|body|br|center|code|dd|div|dl|dt|em|font|form|h[1-6]|head|hr|html|i|iframe|img|input"
    r"|li|link|meta|object|ol|option|p|param|pre|script|select|small|span|strike|strong|style|sub|sup|table|tbody|td"
    r"|textarea|th|thead|title|tr|tt|u|ul)(?:\s[^<>]*)?/?>|<!--",
    re.IGNORECASE,
)
# The eight that Moses' tokenizer writes are allowed: whole corpora use them on purpose. "&amp;nbsp;" is a fault, since
# it was escaped twice.
_REFERENCE = re.compile(
    r"&(?:amp;)?(?!(?:amp|lt|gt|quot|apos|#91|#93|#124);)(#\d+;|#[xX][0-9a-fA-F]+;|[A-Za-z]\w{1,31};)"
)


def has_html(text: str) -> bool:
    """Whether a text holds an HTML tag, or a character reference such as &nbsp; or &#39;."""
    if "<" in text and _TAG.search(text):
        return True
    return "&" in text and any(name.startswith("#") or name in html5 for name in _REFERENCE.findall(text))
