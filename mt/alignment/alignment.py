"""From raw attention to an alignment: which layer, which heads, which row, and without the special columns.

Rows, with target pieces y_0 ... y_{n-1} and decoder input <s> y_0 ... y_{n-1}:

    row 0      row 1      ...  row n-1        row n
    reads <s>  reads y_0       reads y_{n-2}  reads y_{n-1}
    predicts   predicts        predicts       predicts
    y_0        y_1             y_{n-1}        </s>

shift 0 takes for y_i the row that predicts it (row i); shift 1 the next row, which reads it (row i + 1): there the
decoder knows the word (Shift-Att, Chen et al. 2020, "Accurate Word Alignment Induction from Neural Machine
Translation").

Signals: `weights` are the attention weights a; `norms` are |a f(x)|, weights times the length of the value vectors: a
column that takes weight but adds little counts little (Kobayashi et al. 2020, "Attention is Not Only a Weight").
`erasure` is no attention: how much less probable a target piece is without a source word, for the whole model
(`mt.inference.erasure`). `contributions` are traced through all layers (`mt.inference.contributions`). Both are of the
whole model: they have no layer, head or shift.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mt.alignment.regions import Regions

# L layers, H heads, T target pieces, S source pieces; "..." any leading axes

SPECIAL_PIECES = frozenset({"<pad>", "<s>", "</s>"})
SHIFTS = (0, 1)
SIGNALS = ("weights", "norms")  # of heads
ERASURE, CONTRIBUTIONS = "erasure", "contributions"
WHOLE_MODEL = (ERASURE, CONTRIBUTIONS)


@dataclass(frozen=True, eq=False)
class RawAttention:
    """Cross-attention of one sentence: all layers and heads, before dropout.

    `weights_LHTS`: one row per decoder step, including the one that predicts "</s>"; one column per source piece,
    including "</s>". `source_pieces` name the columns, `target_pieces` what each row predicts. Padding may follow on
    both axes. `norms_LHS`: the lengths |f(x)| of the columns' values, needed for the signal `norms`. `erasure_TS`: nats
    that each target piece loses without a source piece, needed for `erasure`. `contributions_TS`: the share of
    each step that comes from a source piece, needed for `contributions`; `source_share_T`: from all of them. Where a
    picture is seen, too, `regions_LHTR` are the weights of its `regions`; those of pieces then sum to less than one.
    """

    weights_LHTS: np.ndarray
    source_pieces: list[str]
    target_pieces: list[str]
    norms_LHS: np.ndarray | None = None
    regions_LHTR: np.ndarray | None = None
    regions: Regions | None = None
    erasure_TS: np.ndarray | None = None
    contributions_TS: np.ndarray | None = None
    source_share_T: np.ndarray | None = None

    @property
    def image_mass(self) -> float:
        """The mean share of attention that lies on the picture; 0 without one."""
        if self.regions_LHTR is None:
            return 0.0
        rows = [t for t, piece in enumerate(self.target_pieces) if piece not in SPECIAL_PIECES]
        return float(self.regions_LHTR[:, :, rows].sum(axis=-1).mean()) if rows else 0.0

    def signal(self, name: str = "weights") -> np.ndarray:
        """weights_LHTS, or these times norms with rows summing to one; what is of the whole model is the same in all.

        Raises ValueError for an unknown signal, or one whose values are not here.
        """
        if name == "weights":
            return self.weights_LHTS
        whole_TS = {ERASURE: self.erasure_TS, CONTRIBUTIONS: self.contributions_TS}.get(name)
        if whole_TS is not None:
            return np.broadcast_to(whole_TS, (*self.weights_LHTS.shape[:2], *whole_TS.shape))
        if name not in SIGNALS or self.norms_LHS is None:
            raise ValueError(f"signal ({name}) must be one of {', '.join(SIGNALS)}, and norms need norms_LHS")
        S = self.norms_LHS.shape[-1]
        return renormalise(self.weights_LHTS[..., :S] * self.norms_LHS[:, :, None, :])

    @property
    def num_layers(self) -> int:
        return self.weights_LHTS.shape[0]

    @property
    def num_heads(self) -> int:
        return self.weights_LHTS.shape[1]


@dataclass(frozen=True, eq=False)
class Alignment:
    """How much each target token attends to each source token, and where that was read.

    `weights_TS`: one row per target token, one column per source token, no special pieces; a row sums to one, or is
    all zero when everything it held lay on the special columns. The tokens are pieces or words, as `unit` says.
    `layer` and `heads` count from 0. `signal` says what was read there. `sink_mass`: the mean mass that the dropped
    columns (mostly "</s>") held; `image_mass`: the mean mass on a picture. `source_share_T`: for the signal
    `contributions`, how much of each token comes from the source, 0 to 1; the rest comes from the target before it.
    `direction`: the translation direction of the model, such as "en-de", source first.
    """

    source_pieces: list[str]
    target_pieces: list[str]
    weights_TS: np.ndarray
    layer: int
    heads: tuple[int, ...]
    shift: int
    sink_mass: float
    unit: str = "pieces"
    signal: str = "weights"
    direction: str = "source-target"
    image_mass: float = 0.0
    source_share_T: np.ndarray | None = None

    @classmethod
    def from_attention(
        cls,
        raw: RawAttention,
        *,
        layer: int,
        heads: Iterable[int] | None = None,
        shift: int = 1,
        signal: str = "weights",
        direction: str = "source-target",
    ) -> Alignment:
        """The mean of `heads` (None: all) of one layer, special pieces dropped, rows renormalised.

        Heads are averaged before rows are renormalised, so a head with its mass on "</s>" counts little. Raises
        ValueError for a layer, head or shift that does not exist.
        """
        heads = check_choice(raw.num_layers, raw.num_heads, layer=layer, heads=heads, shift=shift)
        shift = 0 if signal in WHOLE_MODEL else shift  # row i is about piece i
        weights_TS = raw.signal(signal)[layer, list(heads)].mean(axis=0)
        weights_TS, sink_mass = without_specials(weights_TS, raw.source_pieces, raw.target_pieces, shift=shift)
        rows = [t for t, piece in enumerate(raw.target_pieces) if piece not in SPECIAL_PIECES]
        shares = raw.source_share_T if signal == CONTRIBUTIONS else None
        return cls(
            source_pieces=[piece for piece in raw.source_pieces if piece not in SPECIAL_PIECES],
            target_pieces=[piece for piece in raw.target_pieces if piece not in SPECIAL_PIECES],
            weights_TS=weights_TS,
            layer=layer,
            heads=heads,
            shift=shift,
            sink_mass=float(sink_mass),
            signal=signal,
            direction=direction,
            image_mass=_image_mass(raw, layer, heads, shift),
            source_share_T=None if shares is None else shares[rows],
        )

    def describe(self) -> str:
        """ "layer 2, heads 0-3 (mean), shift 1": where the weights were read; layers and heads count from 0."""
        return describe(self.layer, self.heads, self.shift, self.signal)

    def to_json(self) -> dict:
        """Plain values: tokens, weights rounded to 4 decimals, and where they were read."""
        return {
            "direction": self.direction,
            "layer": self.layer,
            "heads": list(self.heads),
            "shift": self.shift,
            "signal": self.signal,
            "unit": self.unit,
            "sink_mass": round(self.sink_mass, 4),
            **({"image_mass": round(self.image_mass, 4)} if self.image_mass else {}),
            "source": list(self.source_pieces),
            "target": list(self.target_pieces),
            **(
                {}
                if self.source_share_T is None
                else {"source_share": [round(float(x), 4) for x in self.source_share_T]}
            ),
            "weights": [[round(float(weight), 4) for weight in row] for row in self.weights_TS],
        }


def _image_mass(raw: RawAttention, layer: int, heads: Sequence[int], shift: int) -> float:
    if raw.regions_LHTR is None:
        return 0.0
    rows = [t + shift for t, piece in enumerate(raw.target_pieces) if piece not in SPECIAL_PIECES]
    return float(raw.regions_LHTR[layer, list(heads)][:, rows].sum(axis=-1).mean()) if rows else 0.0


def describe(layer: int, heads: Sequence[int], shift: int, signal: str) -> str:
    """Where an alignment is read, as text."""
    if signal in WHOLE_MODEL:
        return f"{signal}, the whole model"
    return f"layer {layer}, {describe_heads(heads)}, {describe_row(shift, signal)}"


def describe_row(shift: int, signal: str) -> str:
    """ "shift 1", or "shift 1, by norms": which row is read, and which signal."""
    return f"shift {shift}{', by norms' if signal == 'norms' else ''}"


def describe_heads(heads: Sequence[int]) -> str:
    """ "head 3", or "heads 0-3, 6 (mean)"."""
    if len(heads) == 1:
        return f"head {heads[0]}"
    runs: list[list[int]] = []
    for head in sorted(heads):
        if runs and head == runs[-1][-1] + 1:
            runs[-1].append(head)
        else:
            runs.append([head])
    return f"heads {', '.join(str(run[0]) if len(run) == 1 else f'{run[0]}-{run[-1]}' for run in runs)} (mean)"


def check_choice(
    num_layers: int, num_heads: int, *, layer: int, heads: Iterable[int] | None, shift: int
) -> tuple[int, ...]:
    """The heads as a tuple, None being all of them. Raises ValueError naming what is out of range, and the range."""
    heads = tuple(range(num_heads)) if heads is None else tuple(heads)
    if not 0 <= layer < num_layers:
        raise ValueError(f"layer ({layer}) must be from 0 to {num_layers - 1}: the decoder has {num_layers} layers")
    if not heads:
        raise ValueError("heads () must name at least one head")
    for head in heads:
        if not 0 <= head < num_heads:
            raise ValueError(f"head ({head}) must be from 0 to {num_heads - 1}: a layer has {num_heads} heads")
    if len(set(heads)) < len(heads):
        raise ValueError(f"heads {heads} must differ from each other")
    if shift not in SHIFTS:
        raise ValueError(f"shift ({shift}) must be 0 (the row that predicts a piece) or 1 (the next, which reads it)")
    return heads


def without_specials(
    weights_TS: np.ndarray, source_pieces: Sequence[str], target_pieces: Sequence[str], *, shift: int
) -> tuple[np.ndarray, np.ndarray]:
    """(weights_...TS of the real pieces, rows renormalised; sink mass ...), for any leading axes (layers, heads).

    Columns of special pieces and of padding are dropped, rows are picked by `shift`. Sink mass is the mean over the
    rows that stay of what the dropped columns held; 0 without rows.
    """
    columns = [s for s, piece in enumerate(source_pieces) if piece not in SPECIAL_PIECES]
    rows = [t + shift for t, piece in enumerate(target_pieces) if piece not in SPECIAL_PIECES]
    if (rows and rows[-1] >= weights_TS.shape[-2]) or len(source_pieces) > weights_TS.shape[-1]:
        raise ValueError(
            f"attention of {weights_TS.shape[-2]} rows and {weights_TS.shape[-1]} columns is too small for "
            f"{len(rows)} target pieces at shift {shift} and {len(source_pieces)} source pieces"
        )
    all_TS = np.asarray(weights_TS, dtype=np.float64)[..., rows, :]
    sink_T = np.delete(all_TS, columns, axis=-1).sum(axis=-1)
    sink_mass = sink_T.mean(axis=-1) if rows else np.zeros(all_TS.shape[:-2])
    return renormalise(all_TS[..., columns]), sink_mass


def renormalise(weights_TS: np.ndarray) -> np.ndarray:
    """Every row divided by its sum; a row without mass stays zero. Any leading axes."""
    sum_T = weights_TS.sum(axis=-1, keepdims=True)
    return weights_TS / np.where(sum_T > 0, sum_T, 1.0)
