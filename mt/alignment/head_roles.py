"""What each head of cross-attention does most of the time (after Voita et al. 2019, there for self-attention).

    links     its largest weight is in a word that is linked with the target word (in gold links, where there are some)
    position  … in the column that is a fixed number of places before or after the row's own
    end       … in a special column, mostly "</s>": it gives little but rest
    rare      … in the sentence's rarest piece, of those counted here

A head's role is the one that most of its rows have. A row may have several: "links" also holds of a head that follows
the order of words, where both languages have the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mt.alignment.alignment import SHIFTS, SPECIAL_PIECES, RawAttention
from mt.alignment.links import Link
from mt.alignment.words import words_of

# L layers, H heads, T rows, S columns

OFFSETS = range(-3, 4)  # columns from a row's own
LEAST_SHARE = 0.5  # of the rows: a head has a role that more of them have
NONE = -1  # in place of a column


@dataclass(frozen=True)
class Role:
    """A role's name, and the share of the rows that have it, 0 to 1."""

    name: str
    share: float


class HeadRoles:
    """Counts rows over sentences, which must all be of one model."""

    def __init__(self) -> None:
        self._counts: dict[str, np.ndarray] = {}  # LH, by role
        self._rows = 0
        self._pieces: Counter[str] = Counter()
        self._tops: list[tuple[list[str], np.ndarray]] = []  # pieces and LHT of each sentence

    def add(self, raw: RawAttention, source: str, target: str, links: Iterable[Link], *, unit: str) -> None:
        """Counts a sentence; `links` are of its words, or of its pieces by `unit`."""
        columns = [s for s, piece in enumerate(raw.source_pieces) if piece not in SPECIAL_PIECES]
        rows = [t for t, piece in enumerate(raw.target_pieces) if piece not in SPECIAL_PIECES]
        if not rows or not columns:
            return
        seen = 0.0 if raw.regions_LHTR is None else raw.regions_LHTR.max(axis=-1)
        # none where the largest weight is on a picture, or all are zero, as of a removed head
        top_LHT = np.where(raw.weights_LHTS.max(axis=-1) > seen, raw.weights_LHTS.argmax(axis=-1), NONE)
        here_LHT = top_LHT[:, :, rows]
        self._rows += len(rows)
        self._pieces.update(raw.source_pieces[s] for s in columns)
        self._tops.append((raw.source_pieces, here_LHT))
        self._add("end", (here_LHT != NONE) & ~np.isin(here_LHT, columns))
        for offset in OFFSETS:
            self._add(
                f"position {offset:+d}" if offset else "position",
                (here_LHT != NONE) & (here_LHT == np.array(rows) + offset),
            )
        is_linked_TS = _is_linked(raw, rows, columns, source, target, set(links), unit)
        for shift in SHIFTS:
            read = [min(row + shift, top_LHT.shape[2] - 1) for row in rows]
            read_LHT = top_LHT[:, :, read]
            self._add(f"links {shift}", (read_LHT != NONE) & is_linked_TS[np.arange(len(rows)), read_LHT])

    def _add(self, name: str, is_so_LHT: np.ndarray) -> None:
        self._counts[name] = self._counts.get(name, 0) + is_so_LHT.sum(axis=-1)

    def roles(self) -> list[list[Role | None]]:
        """The role of each head by layer, None where no role has more than LEAST_SHARE; empty without sentences."""
        if not self._rows:
            return []
        counts = {**self._counts, "rare": np.sum([self._rare(*one) for one in self._tops], axis=0)}
        counts["links"] = np.max([counts.pop(f"links {shift}") for shift in SHIFTS], axis=0)
        names = ["links", "rare", "end", *(name for name in counts if name.startswith("position"))]  # first where equal
        shares_RLH = np.stack([counts[name] for name in names]) / self._rows
        best_LH = shares_RLH.argmax(axis=0)
        return [
            [
                Role(names[best], round(float(share), 4)) if share > LEAST_SHARE else None
                for best, share in zip(of_layer, shares, strict=True)
            ]
            for of_layer, shares in zip(best_LH, shares_RLH.max(axis=0), strict=True)
        ]

    def _rare(self, pieces: list[str], top_LHT: np.ndarray) -> np.ndarray:
        counts = [self._pieces.get(piece, np.inf) for piece in pieces]  # special ones are not counted
        return np.isin(top_LHT, np.flatnonzero(np.array(counts) == min(counts))).sum(axis=-1)


def _is_linked(
    raw: RawAttention,
    rows: list[int],
    columns: list[int],
    source: str,
    target: str,
    links: set[Link],
    unit: str,
) -> np.ndarray:
    """Whether the pieces of each row and column (all of them) belong to words that are linked."""
    is_linked_TS = np.zeros((len(rows), len(raw.source_pieces)), dtype=bool)
    sides = [[raw.source_pieces[s] for s in columns], [raw.target_pieces[t] for t in rows]]
    if unit == "pieces":
        shares = [np.eye(len(side)) for side in sides]
    else:
        shares = [words_of(side, text).share_PW for side, text in zip(sides, (source, target), strict=True)]
    is_pair_SW = np.zeros((shares[0].shape[1], shares[1].shape[1]), dtype=bool)
    for one, other in links:
        is_pair_SW[one, other] = True
    is_linked_TS[:, columns] = (shares[0] @ is_pair_SW @ shares[1].T > 0).T
    return is_linked_TS
