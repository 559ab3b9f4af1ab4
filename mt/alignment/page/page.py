"""Alignments of many sentences as one HTML page that opens from disk: every layer and head, links, gold.

The page contains all it needs and uses no network. For the chosen layer and heads it shows the weights and links of
alignments.jsonl exactly; for others the browser computes them from attention whose square root is stored in steps of
1/255 (error at most 0.002 at a weight of 0.3, 0.004 at 1; less for small weights).

    page.html   the skeleton: {{NAME}} is where a file of this folder goes, and {{data}} the sentences
    page.css    how it looks, light and dark
    *.js        elements (building), weights (arithmetic), list, lines (the two texts), map, heads, picture, page
                (what is shown)
"""

from __future__ import annotations

import json
import re
import struct
import unicodedata
import zlib
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mt.alignment.alignment import SPECIAL_PIECES, Alignment, RawAttention
from mt.alignment.error_rate import ErrorRate
from mt.alignment.gold import Gold
from mt.alignment.head_roles import HeadRoles
from mt.alignment.links import Link
from mt.alignment.words import Words, is_written_without_blanks, words_of

# L layers, H heads, T target pieces, S source pieces, P pieces, W words

FOLDER = Path(__file__).parent
PLACE = re.compile(r"\{\{([\w.]+)\}\}")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(_[A-Za-z0-9]+)*")
TEN_THOUSANDTHS = 10_000  # the digits of alignments.jsonl


class Page:
    """Collects sentences, packed (one byte per weight before compression), and makes the page.

    All sentences are read at one place (layer, heads, shift, signal) in one unit, by one model. `method` and
    `threshold` are those of `link_rule`; `symmetrize` says how links of two directions became one, if they did.
    """

    def __init__(self, *, method: str, threshold: float, symmetrize: str | None = None):
        self.rule = {"method": method, "threshold": threshold}
        self.symmetrize = symmetrize
        self.chosen: dict[str, Any] | None = None
        self.sentences: list[dict[str, Any]] = []
        self._roles = HeadRoles()

    def add(
        self,
        number: int,
        source: str,
        target: str,
        raw: RawAttention,
        alignment: Alignment,
        links: Iterable[Link],
        gold: Gold | None = None,
        picture: np.ndarray | None = None,
    ) -> None:
        """Adds a pair of sentences, line `number` of its file, with its alignment, links, gold links and picture."""
        if self.chosen is None:
            self.chosen = {
                "layer": alignment.layer,
                "heads": sorted(alignment.heads),
                "shift": alignment.shift,
                "signal": alignment.signal,
                "unit": alignment.unit,
                "layers": raw.num_layers,
                "all_heads": raw.num_heads,
                "direction": alignment.direction,
                "languages": languages(alignment.direction),
            }
        links = sorted(links)
        known = gold.sure | gold.possible if gold else links
        self._roles.add(raw, source, target, known, unit="words" if gold else alignment.unit)
        weights_TS = np.array(alignment.to_json()["weights"]).reshape(alignment.weights_TS.shape)
        columns = [s for s, piece in enumerate(raw.source_pieces) if piece not in SPECIAL_PIECES]
        rows = [t for t, piece in enumerate(raw.target_pieces) if piece not in SPECIAL_PIECES]
        self.sentences.append(
            {
                "line": number,
                "source": side(source, [raw.source_pieces[s] for s in columns]),
                "target": side(target, [raw.target_pieces[t] for t in rows]),
                "columns": columns,
                "rows": rows,
                "width": len(raw.source_pieces),
                "height": len(raw.target_pieces),
                "norms": raw.norms_LHS is not None,
                "links": links,
                "gold": {"sure": sorted(gold.sure), "possible": sorted(gold.possible)} if gold else None,
                "confidence": round(float(weights_TS.max(axis=1).mean()), 4) if weights_TS.size else 0.0,
                "sink": round(alignment.sink_mass, 4),
                "shares": alignment.to_json().get("source_share"),
                "aer": round(ErrorRate.of(set(links), gold).aer, 4) if gold else None,
                "packed": packed(raw, weights_TS),
                "picture": None if picture is None else pictured(raw, picture),
            }
        )

    def __len__(self) -> int:
        return len(self.sentences)

    def html(self, facts: dict[str, str], agreement: dict[str, Any] | None = None) -> str:
        """The whole page; `facts` are names and values for its top, `agreement` is that of heads with erasure."""
        data = {
            "facts": facts,
            "chosen": self.chosen,
            "roles": [[role and [role.name, role.share] for role in layer] for layer in self._roles.roles()],
            "agreement": agreement,
            "rule": self.rule,
            "symmetrize": self.symmetrize,
            "sentences": self.sentences,
        }
        # in ASCII, lone surrogates and line separators are escapes; without "<" nothing in a sentence ends the script
        values = {"data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")}

        def part(place: re.Match[str]) -> str:
            name = place[1]
            return values[name] if name in values else (FOLDER / name).read_text("utf-8").strip()

        return PLACE.sub(part, (FOLDER / "page.html").read_text("utf-8"))


def pictured(raw: RawAttention, picture: np.ndarray) -> dict[str, Any]:
    """A picture as a data URI, the side of its grid, and the attention to its cells, packed as in `packed`."""
    assert raw.regions is not None and raw.regions_LHTR is not None
    weights_LHTC = raw.regions_LHTR @ raw.regions.cells_RC
    cells = np.rint(np.sqrt(np.clip(weights_LHTC, 0, 1)) * 255).astype("u1")
    return {
        "data": "data:image/png;base64," + b64encode(png_of(picture)).decode("ascii"),
        "side": raw.regions.side,
        "packed": b64encode(zlib.compress(cells.tobytes(), level=9)).decode("ascii"),
    }


def png_of(picture: np.ndarray) -> bytes:
    """pixels_HWC (uint8) as a PNG file."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(picture))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def side(text: str, pieces: list[str]) -> dict[str, Any]:
    """A sentence's words and pieces, and how pieces are divided among words."""
    words = words_of(pieces, text)
    return {
        "words": words.words,
        "pieces": pieces,
        "shares": shares(words),
        "rtl": runs_right_to_left(text),
        "blankless": is_written_without_blanks(text),
    }


def shares(words: Words) -> list[list[list[float]]]:
    """For each piece its [word, share] pairs, shares summing to one."""
    return [
        [[int(word), round(float(share_W[word]), 6)] for word in np.flatnonzero(share_W)] for share_W in words.share_PW
    ]


def runs_right_to_left(text: str) -> bool:
    """Whether most letters run from right to left: a Latin name at the start does not change that."""
    directions = [unicodedata.bidirectional(letter) for letter in text]
    return sum(name in ("R", "AL") for name in directions) > directions.count("L")


def languages(direction: str) -> list[str]:
    """The languages of a direction such as "en-de", for fonts and voices; empty strings if unknown."""
    names = direction.split("-")
    is_known = len(names) == 2 and all(LANGUAGE.fullmatch(name) for name in names)
    return [name.replace("_", "-") for name in names] if is_known else ["", ""]


def packed(raw: RawAttention, weights_TS: np.ndarray) -> str:
    """The weights for the browser: little-endian numbers, zlib-compressed, in base 64. In this order:

    weights_TS in ten-thousandths, 16 bits; norms_LHS in 1/65535 of their largest, 16 bits, where there are norms;
    weights_LHTS, "</s>" included, in 1/255 of the square root, 8 bits.
    """
    T, S = len(raw.target_pieces), len(raw.source_pieces)
    parts = [np.rint(weights_TS * TEN_THOUSANDTHS).astype("<u2")]
    if raw.norms_LHS is not None:
        norms_LHS = raw.norms_LHS[..., :S]
        parts.append(np.rint(norms_LHS / max(norms_LHS.max(), 1e-12) * 65535).astype("<u2"))
    parts.append(np.rint(np.sqrt(np.clip(raw.weights_LHTS[:, :, :T, :S], 0, 1)) * 255).astype("u1"))
    return b64encode(zlib.compress(b"".join(part.tobytes() for part in parts), level=9)).decode("ascii")
