"""Made-up attention on made-up sentences, for pages whose content is known."""

import numpy as np

from mt.alignment.alignment import Alignment, RawAttention
from mt.alignment.error_rate import ErrorRate
from mt.alignment.links import argmax_links
from mt.alignment.words import by_words

LAYERS, HEADS = 2, 3
HOSTILE = [
    "</script><script>pwned=1</script>",
    "<!--",
    '"quotes"\'',
    "a\u2028b",
    "\\u003c",
    "&lt;&amp;",
    "{{data}}",
    "$&",
    "lone\ud800",
    "\u202eesrever",
    "\x00\x07",
]


def raw_attention(source, target, seed=0, concentration=0.3):
    """Made-up attention with norms: words of more than four letters are of two pieces."""
    rng = np.random.default_rng(seed)
    pieces = [
        [piece for word in text.split() for piece in filter(None, ("▁" + word[:4], word[4:]))] + ["</s>"]
        for text in (source, target)
    ]
    S, T = map(len, pieces)
    weights_LHTS = rng.dirichlet(np.full(S, concentration), size=(LAYERS, HEADS, T))
    return RawAttention(weights_LHTS, *pieces, norms_LHS=rng.uniform(0.1, 2, (LAYERS, HEADS, S)))


def add(page, number, source, target, gold=None, **where):
    """Adds made-up attention to a page; gives it with its alignment and links."""
    raw = raw_attention(source, target, seed=number)
    where = {"layer": 1, "heads": (1,), "shift": 1, **where}
    alignment = by_words(Alignment.from_attention(raw, direction="en-de", **where), source, target)
    links = argmax_links(alignment.weights_TS)
    page.add(number, source, target, raw, alignment, links, gold)
    return raw, alignment, links


def error_rate(links, gold):
    """The counts of a set of sentences."""
    return sum((ErrorRate.of(*pair) for pair in zip(links, gold, strict=True)), ErrorRate())
