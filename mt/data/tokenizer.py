"""Text to pieces and back, by sentencepiece: unigram or BPE, one joint vocabulary or one per side.

In every tokenizer pad is 0, unknown 1, begin of sentence 2, end of sentence 3; then come the reserved symbols, then 256
bytes (with byte fallback), then the learned pieces.
"""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from mt.cores import check_threads
from mt.data.canonical import composed, is_composed
from mt.data.subword_sampler import SubwordSampler
from mt.listing import listed

log = logging.getLogger(__name__)

PAD, UNK, BOS, EOS = 0, 1, 2, 3
NUM_SPECIAL = 4
NUM_BYTES = 256
MODEL_TYPES = ("unigram", "bpe")
NORMALIZATIONS = ("nfc", "identity", "nfkc", "nmt_nfkc", "nfkc_cf")
# Normalizations that apply NFC first, by the name in their models; sentencepiece's own rules do not order marks.
COMPOSING = {"nfc": "nfc", "nfkc": "nfc_nfkc", "nmt_nfkc": "nfc_nmt_nfkc", "nfkc_cf": "nfc_nfkc_cf"}
RESERVED = re.compile(r"<[^\s<>▁]+>")  # the shape of a reserved symbol: <2de>
MAX_LINE_BYTES = 65536  # sentencepiece ignores longer lines in its training
TRAINING_THREADS = 16  # fixed: another number sums in another order, and the vocabulary could depend on the machine

MOST_PIECES = 1_000_000  # of a vocabulary


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """Settings of a tokenizer's training. Subword sampling is separate: see SubwordSampling."""

    vocab_size: int = 8000  # pieces in all, per vocabulary; a corpus too small for it gives fewer, and a warning
    model_type: str = "unigram"  # unigram | bpe
    joint: bool = True  # one vocabulary for both languages, or one per side
    byte_fallback: bool = True  # spell unseen characters in bytes, so that nothing is ever unknown
    character_coverage: float = 0.9999  # share of the characters that get a piece; the rest is spelled in bytes
    split_digits: bool = False  # one piece per digit
    reserved_symbols: Sequence[str] = ()  # each encodes to one id everywhere: language tags like <2de>
    normalization: str = "nfc"  # nfc (canonically equal texts are the same) | identity | nfkc | nmt_nfkc | nfkc_cf
    source_normalization: str | None = None  # of the source side alone (with joint=False); None: as `normalization`
    collapse_blanks: bool = False  # runs of blanks become one, blanks at the ends are removed (also in decoded text)
    max_sentences: int = 1_000_000  # at most so many sentences train a vocabulary, drawn evenly from the corpus
    max_megabytes: int = 64  # and at most this much text: unigram takes 20 times as much memory, bpe 6 times
    seed: int = 1  # of drawing those sentences

    def of_source(self) -> TokenizerSettings:
        """The settings as they are for the source side alone."""
        return replace(self, normalization=self.source_normalization or self.normalization)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reserved_symbols", tuple(self.reserved_symbols))
        if self.model_type not in MODEL_TYPES:
            raise ValueError(f"tokenizer.model_type ({self.model_type}) must be one of: {', '.join(MODEL_TYPES)}")
        for name in ("normalization", "source_normalization"):
            given = getattr(self, name)
            if given not in NORMALIZATIONS and (given is not None or name == "normalization"):
                raise ValueError(f"tokenizer.{name} ({given}) must be one of: {', '.join(NORMALIZATIONS)}")
        if self.joint and self.source_normalization not in (None, self.normalization):
            raise ValueError(
                f"tokenizer.source_normalization ({self.source_normalization}) needs tokenizer.joint=false, "
                f"or to be that of both sides ({self.normalization})"
            )
        if not 0.98 <= self.character_coverage <= 1:  # sentencepiece takes no less
            raise ValueError(f"tokenizer.character_coverage ({self.character_coverage}) must be between 0.98 and 1")
        for name in ("max_sentences", "max_megabytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"tokenizer.{name} ({getattr(self, name)}) must be at least 1")
        for symbol in self.reserved_symbols:
            if not RESERVED.fullmatch(symbol) or symbol in ("<pad>", "<unk>", "<s>", "</s>"):
                raise ValueError(
                    f"tokenizer.reserved_symbols: {symbol!r} must look like <2de> and not be a special piece"
                )
            if self.normalization != "identity" and not is_composed(symbol):
                raise ValueError(f"tokenizer.reserved_symbols: {symbol!r} must be in NFC, as all text is")
        if len(set(self.reserved_symbols)) != len(self.reserved_symbols):
            raise ValueError(f"tokenizer.reserved_symbols must differ: {listed(self.reserved_symbols)}")
        if self.vocab_size > MOST_PIECES:
            raise ValueError(f"tokenizer.vocab_size ({self.vocab_size}) must be at most {MOST_PIECES}")
        fixed = NUM_SPECIAL + len(self.reserved_symbols) + NUM_BYTES * self.byte_fallback
        if self.vocab_size <= fixed:
            raise ValueError(
                f"tokenizer.vocab_size ({self.vocab_size}) must be more than {fixed}: {NUM_SPECIAL} special, "
                f"{len(self.reserved_symbols)} reserved and {NUM_BYTES * self.byte_fallback} byte pieces"
            )


class Tokenizer:
    """A trained sentencepiece model.

    With byte fallback and normalization "identity" `decode(encode(text)) == text` for every text without U+2581, the
    sign that sentencepiece writes for a blank (it comes back as a blank): double blanks, tabs and emoji included; with
    "nfc" it is `composed(text)`. With `collapse_blanks` or another normalization decoding gives the normalized text;
    without byte fallback a character that was not in the training text becomes " ⁇ ".

    `is_composing` says whether text is first converted to Unicode's NFC, so that canonically equal texts have the same
    pieces. The model file records it in the name of its normalizer; older models keep reading text without it.
    """

    def __init__(self, model: bytes) -> None:
        try:
            processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError:
            raise ValueError(f"not a sentencepiece model ({len(model)} bytes)") from None
        special = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
        if special != (PAD, UNK, BOS, EOS):
            raise ValueError(f"ids of pad, unk, bos, eos must be {(PAD, UNK, BOS, EOS)}, the model has {special}")
        self._model = model
        self.is_composing = any(model.endswith(_normalizer_name(name)) for name in COMPOSING.values())
        self._processor = processor
        self.size = len(processor)  # pieces in the vocabulary
        self.reserved_symbols = tuple(_leading_reserved(processor))
        self.blank = processor.piece_to_id("▁")
        first = NUM_SPECIAL + len(self.reserved_symbols)
        self._first_learned = first + NUM_BYTES * (first < self.size and processor.is_byte(first))

    @classmethod
    def from_bytes(cls, model: bytes) -> Tokenizer:
        """The tokenizer of a serialized sentencepiece model; raises ValueError for anything else."""
        return cls(model)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """The tokenizer of a model file."""
        try:
            return cls(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write the model file, byte for byte as loaded or trained."""
        Path(path).write_bytes(self._model)

    def to_bytes(self) -> bytes:
        """The serialized sentencepiece model."""
        return self._model

    def composed(self, text: str) -> str:
        """The text as it is encoded: in NFC, unless the model is from an older version."""
        return composed(text) if self.is_composing else text

    def encode(self, text: str) -> list[int]:
        """Ids of the best segmentation, without BOS and EOS; a reserved symbol is one id."""
        text = self.composed(text)
        return self._without_blank_before_symbol(text, self._processor.encode(text))

    def encode_many(self, texts: Sequence[str], *, num_threads: int = 1) -> list[list[int]]:
        """`encode` of every text, in order."""
        texts = list(map(self.composed, texts))
        ids = self._processor.encode(texts, num_threads=num_threads)
        return self._without_blanks_before_symbols(texts, ids)

    def sample(self, texts: Sequence[str], strength: float, seeds: Sequence[int] | np.ndarray) -> list[list[int]]:
        """Ids of a random segmentation of every text, each determined by model, text, `strength` and its own seed.

        `strength` is the exponent of unigram sampling, or the dropout probability of BPE (see SubwordSampling).
        """
        texts = list(map(self.composed, texts))
        ids = self._sampler.draw(texts, strength, seeds)
        return self._without_blanks_before_symbols(texts, ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids; pad, BOS and EOS are ignored. Raises ValueError for an id outside the vocabulary."""
        kept = [id_ for id_ in map(int, ids) if id_ not in (PAD, BOS, EOS)]
        outside = [id_ for id_ in kept if not 0 <= id_ < self.size]
        if outside:
            raise ValueError(f"id ({outside[0]}) must be below the vocabulary's size ({self.size})")
        return self._processor.decode(kept)

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The piece of every id, special ones included; "▁" stands for a blank."""
        return self._processor.id_to_piece([int(id_) for id_ in ids])

    def is_common(self, id_: int, count: int) -> bool:
        """Whether a piece is among the first `count` that were learned: they are in the order of their frequency."""
        return 0 <= id_ - self._first_learned < count

    @functools.cached_property
    def cuts_words_by_themselves(self) -> bool:
        """Whether the ids of a text are those of its words one by one, a blank before each: BPE with "nfc" alone.

        A unigram model is not among them: it sums up the probabilities of a text in 32 bits, so that of two cuts that
        are nearly as likely the words before may choose.
        """
        is_nfc_alone = self._model.endswith(_normalizer_name("nfc"))
        has_all_blanks = self._processor.normalize(" a  b ") == "▁▁a▁▁b▁"
        is_by_words = self._sampler.is_bpe and not self._sampler.is_crossed
        return is_nfc_alone and has_all_blanks and is_by_words and self.blank != UNK

    def __reduce__(self) -> tuple:
        return Tokenizer, (self._model,)  # without the cache for sampling

    @functools.cached_property
    def _sampler(self) -> SubwordSampler:
        return SubwordSampler(self._processor, self.reserved_symbols)

    def _without_blanks_before_symbols(self, texts: Sequence[str], ids: list[list[int]]) -> list[list[int]]:
        if not self.reserved_symbols:
            return ids
        return [self._without_blank_before_symbol(text, one) for text, one in zip(texts, ids, strict=True)]

    def _without_blank_before_symbol(self, text: str, ids: list[int]) -> list[int]:
        # sentencepiece puts a blank before every sentence; "<2de> A man" must start with the tag itself
        if ids and ids[0] == self.blank and self.reserved_symbols and text.startswith(self.reserved_symbols):
            return ids[1:]
        return ids


@dataclass(frozen=True)
class TokenizerPair:
    """The tokenizers of both sides; a joint one is used on both."""

    source: Tokenizer
    target: Tokenizer

    @property
    def is_joint(self) -> bool:
        """Whether both sides share one vocabulary."""
        return self.source is self.target

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.model when joint, else source.model and target.model."""
        if self.is_joint:
            self.source.save(Path(folder) / "tokenizer.model")
        else:
            self.source.save(Path(folder) / "source.model")
            self.target.save(Path(folder) / "target.model")

    def digests(self) -> list[str]:
        """The identity of these tokenizers: SHA-256 of one joint model file, or of two."""
        sides = [self.source] if self.is_joint else [self.source, self.target]
        return [hashlib.sha256(side.to_bytes()).hexdigest() for side in sides]

    @classmethod
    def load(cls, folder: str | Path) -> TokenizerPair:
        """Reads what `save` wrote."""
        joint = Path(folder) / "tokenizer.model"
        if joint.is_file():
            tokenizer = Tokenizer.load(joint)
            return cls(tokenizer, tokenizer)
        for name in ("source.model", "target.model"):
            if not (Path(folder) / name).is_file():
                raise FileNotFoundError(f"{folder}: no tokenizer.model, and no {name}")
        return cls(Tokenizer.load(Path(folder) / "source.model"), Tokenizer.load(Path(folder) / "target.model"))


def train_tokenizers(
    sources: Iterable[str], targets: Iterable[str], num_pairs: int, settings: TokenizerSettings, *, num_bytes: int = 0
) -> TokenizerPair:
    """Tokenizers trained on the two sides of a corpus of `num_pairs` pairs and `num_bytes`, or on an even sample of it.

    A corpus too small for `vocab_size` gives a smaller vocabulary and a warning; one with more characters than
    `vocab_size` raises ValueError with one line.
    """
    sides = 2 if settings.joint else 1
    bytes_a_pair = num_bytes / max(num_pairs, 1) * sides / 2
    most_pairs = min(settings.max_sentences // sides, int(settings.max_megabytes * 1e6 / max(bytes_a_pair, 1)))
    if num_pairs > most_pairs:
        log.info(
            "tokenizer: trained on %d of %d pairs, drawn at random (max_sentences, max_megabytes)",
            most_pairs,
            num_pairs,
        )
    chosen = _chosen(num_pairs, most_pairs, settings.seed)
    if settings.joint:
        both = (line for pair in zip(sources, targets, strict=True) for line in pair)
        joint = _train(_pick(both, np.repeat(chosen, 2)), settings, "joint")
        return TokenizerPair(joint, joint)
    return TokenizerPair(
        _train(_pick(sources, chosen), settings.of_source(), "source"),
        _train(_pick(targets, chosen), settings, "target"),
    )


def _normalizer_name(name: str) -> bytes:
    """The bytes to append to a model so that its normalizer has this name: `normalizer_spec { name: ... }`.

    A message of protobuf that is appended to another is merged into it, so that every reader of the model finds the
    name.
    """
    field = b"\x0a" + bytes([len(name)]) + name.encode()
    return b"\x1a" + bytes([len(field)]) + field


def _chosen(num_pairs: int, most: int, seed: int) -> np.ndarray:
    chosen = np.ones(num_pairs, dtype=bool)
    if num_pairs > most:
        left_out = np.random.default_rng(seed).permutation(num_pairs)[max(most, 1) :]
        chosen[left_out] = False
    return chosen


def _pick(lines: Iterable[str], chosen: np.ndarray) -> Iterator[str]:
    return (line for line, is_chosen in zip(lines, chosen, strict=True) if is_chosen)


def _train(lines: Iterator[str], settings: TokenizerSettings, side: str) -> Tokenizer:
    model, name = io.BytesIO(), COMPOSING.get(settings.normalization)
    if name:
        lines = map(composed, lines)
    check_threads(TRAINING_THREADS)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_short_enough(lines, side),
            model_writer=model,
            model_type=settings.model_type,
            vocab_size=settings.vocab_size,
            byte_fallback=settings.byte_fallback,
            character_coverage=settings.character_coverage,
            split_digits=settings.split_digits,
            user_defined_symbols=list(settings.reserved_symbols),
            normalization_rule_name="identity" if settings.normalization == "nfc" else settings.normalization,
            remove_extra_whitespaces=settings.collapse_blanks,
            hard_vocab_limit=False,  # fewer pieces if the corpus has no more, otherwise exactly this many
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            max_sentence_length=MAX_LINE_BYTES,
            num_threads=TRAINING_THREADS,
            minloglevel=2,  # errors are raised as exceptions
        )
    except RuntimeError as error:
        raise ValueError(_one_line(str(error), settings, side)) from None
    tokenizer = Tokenizer(model.getvalue() + (_normalizer_name(name) if name else b""))
    if tokenizer.size < settings.vocab_size:
        given = settings.vocab_size
        log.warning("tokenizer.vocab_size (%d) is more than this corpus can fill: %d (%s)", given, tokenizer.size, side)
    return tokenizer


def _short_enough(lines: Iterable[str], side: str) -> Iterator[str]:
    """The lines that sentencepiece accepts; warns about those it would ignore."""
    num_long = 0
    for line in lines:
        if 4 * len(line) > MAX_LINE_BYTES and len(line.encode()) > MAX_LINE_BYTES:
            num_long += 1
        else:
            yield line
    if num_long:
        log.warning("tokenizer: not trained on %d lines of over %d bytes (%s)", num_long, MAX_LINE_BYTES, side)


def _one_line(message: str, settings: TokenizerSettings, side: str) -> str:
    name = f"tokenizer.vocab_size ({settings.vocab_size})"
    if found := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return (
            f"{name} must be at least {found[1]} for this corpus ({side} vocabulary) to give every character a piece, "
            f"or character_coverage ({settings.character_coverage}) be lower"
        )
    if "sentences_.empty()" in message:
        return f"tokenizer: no text to train on ({side} vocabulary)"
    return f"tokenizer: sentencepiece says: {' '.join(message.split())}"


def _leading_reserved(processor: Any) -> Iterator[str]:
    for id_ in range(NUM_SPECIAL, len(processor)):
        piece = processor.id_to_piece(id_)
        if processor.is_byte(id_) or not RESERVED.fullmatch(piece):
            return
        yield piece
