"""Scores of what a checkpoint makes of lines with pictures or sounds beside them: captions, or translations."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mt.data.formats.lines import check_lines, read_lines
from mt.data.images.decode import PictureReader
from mt.data.images.store import digest_of
from mt.data.named_file import read_named
from mt.data.sounds.decode import SoundReader
from mt.data.sources import language_of_tag
from mt.evaluation.ambiguity import ambiguous_words, is_twofold
from mt.evaluation.captions import Truth, caption_scores, is_caption, truth_of
from mt.evaluation.restoring import check_restores, restored_words
from mt.evaluation.scores import score
from mt.evaluation.tokenization import Tokenization
from mt.inference.request import Request
from mt.inference.translator import Translator
from mt.search.beam import adjusted

Values = Sequence[np.ndarray | None]  # of each line; None: it has none


@dataclass(frozen=True)
class Kind:
    """What may stand beside a line: its flag, what reads it, its name in `Request`, and words for messages."""

    flag: str
    reader: Callable[[Translator], Callable[[str], Any] | None]
    field: str
    lacks: str


KINDS = {
    "image": Kind(
        "images",
        lambda translator: None if translator.images is None else PictureReader(translator.images),
        "picture",
        "sees no pictures",
    ),
    "sound": Kind(
        "sounds",
        lambda translator: None if translator.sounds is None else SoundReader(translator.sounds),
        "sound",
        "hears no sounds",
    ),
}
IDLE = ("hypotheses", "document", "trees", "shortlist", "confidence", "paired", "engine")


def evaluate(
    checkpoint: str,
    files: Mapping[str, str],
    *,
    sources: str | None,
    references: Sequence[str],
    tag: str | None,
    tokenization: Tokenization,
    with_another: bool,
    restore: float | None,
    beam_size: int | None,
    length_penalty: float | None,
    batch_tokens: int | None,
    device: str,
    precision: str,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The scores of a checkpoint's captions of what `files` name, or of its translations beside them, and these.

    `files` are the files of names by kind (`KINDS`), one or both; `references` are files, too: a line of all of them
    belongs together. A source that begins with a tag keeps it, the others get `tag`. With `with_another`, also the
    scores with another picture (or sound), one kind after the other (`others_of`), and, where all lines have text,
    those of the text alone. With `restore`, a rate, also how many hidden words are restored
    (`mt.evaluation.restoring`).
    Raises ValueError, naming file and line, for a file that cannot be read, and for files of different lengths.
    """
    translator = Translator.load(checkpoint, device=device, precision=precision)
    readers = {kind: KINDS[kind].reader(translator) for kind in files}
    for kind, read in readers.items():
        if read is None:
            of = KINDS[kind]
            raise ValueError(f"{checkpoint} {of.lacks}: --{of.flag} is for models trained with model.beside.{kind}")
    names = {kind: list(read_lines(path)) for kind, path in files.items()}
    [(first, of_first), *others] = [(files[kind], lines) for kind, lines in names.items()]
    texts = [""] * len(of_first) if sources is None else list(read_lines(sources))
    columns = [list(read_lines(path)) for path in references]
    rest = [*others, (sources or first, texts), *zip(references, columns, strict=True)]
    check_lines(first, of_first, rest)
    if restore is not None:
        check_restores(translator)
    beside: dict[str, Values] = {
        kind: read_named(read, names[kind], files[kind]) for kind, read in readers.items() if read is not None
    }
    is_text = not any(map(is_caption, texts))
    for number, (text, *values) in enumerate(zip(texts, *beside.values(), strict=True), start=1):
        if is_caption(text) and all(one is None for one in values):
            raise ValueError(f"{first}, line {number}: a line without text must have a picture or sound")
    known = _known(texts, list(zip(*names.values(), strict=True)), columns, tag, translator.language)
    # of sentences that come twice, the other picture of the same sentence would be the one that is certainly wrong
    step = 2 if is_twofold(texts, columns[0]) else 1
    title = " and ".join(KINDS[kind].flag for kind in files)
    shown = {title: beside}
    if with_another:
        none: Values = [None] * len(texts)
        shown |= {"text alone": dict.fromkeys(beside, none)} if is_text else {}
        for kind, one in beside.items():
            shown[f"with another {kind}"] = {**beside, kind: others_of(one, step, files[kind])}
    search = adjusted(translator.search, beam_size=beam_size, length_penalty=length_penalty, n_best=1)
    scores: dict[str, dict[str, Any]] = {}
    found: dict[str, list[str]] = {}
    for row, of_row in shown.items():
        fields: list[dict[str, Any]] = [
            {KINDS[kind].field: value for kind, value in zip(of_row, values, strict=True)}
            for values in zip(*of_row.values(), strict=True)
        ]
        requests = [
            Request(text, tag=None if language_of_tag(text.partition(" ")[0]) else tag, **of_line)
            for text, of_line in zip(texts, fields, strict=True)
        ]
        found[row] = [one.text for one in translator.translate(requests, search=search, batch_tokens=batch_tokens)]
        scores[row] = {"lines": len(texts)}
        if is_text:
            scores[row] |= translation_scores(texts, found[row], columns, tokenization)
        else:
            scores[row] |= caption_scores(found[row], known, tokenization)
        if restore is not None:
            both = {kind: of_row.get(kind, [None] * len(texts)) for kind in KINDS}
            tagged = [f"{one.tag} {one.text}" if one.tag else one.text for one in requests]
            scores[row] |= restored_words(translator, tagged, both["image"], both["sound"], rate=restore)
    return scores, found[title]


def others_of(values: Values, step: int, path: str) -> list[np.ndarray | None]:
    """For each line the picture (or sound) of the next line that has another one, from `step` lines on.

    A line without one stays without. Raises ValueError, naming the file, where all are the same.
    """
    digests = [None if one is None else digest_of(one) for one in values]
    if len(set(digests) - {None}) < 2:
        raise ValueError(f"{path}: --with-another needs at least two different ones")
    count = len(digests)
    found: list[np.ndarray | None] = []
    for place, own in enumerate(digests):
        following = ((place + offset) % count for offset in (*range(step, count), *range(1, step)))
        other = next(other for other in following if digests[other] not in (own, None)) if own is not None else None
        found.append(None if other is None else values[other])
    return found


def translation_scores(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[Sequence[str]], how: Tokenization
) -> dict[str, Any]:
    """BLEU and chrF of translations, and `ambiguous_words` in % where each source comes twice (`is_twofold`)."""
    found = score(hypotheses, references, metrics=("bleu", "chrf"), tokenize=how.tokenize, ter=how.ter)
    scores = {"bleu": round(found.bleu, 4), "chrf": round(found.chrf, 4)}
    if is_twofold(sources, references[0]):
        scores["ambiguous_words"] = round(ambiguous_words(hypotheses, references[0]), 4)
    return scores


def check_flags(flags: argparse.Namespace) -> None:
    """Raises ValueError for flags of `mt.evaluate` that have no effect beside pictures or sounds."""
    [flag, *_] = [of.flag for of in KINDS.values() if getattr(flags, of.flag)]
    for name in IDLE:
        if getattr(flags, name):
            raise ValueError(f"--{name} has no effect with --{flag}")
    if flags.checkpoint and len(flags.checkpoint) > 1:
        raise ValueError(f"--checkpoint must be one with --{flag}, not {len(flags.checkpoint)}")
    if flags.restore is not None and not flags.source:
        raise ValueError("--restore needs --source FILE: there are no words to hide")


def as_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """The scores of `evaluate` for the terminal, a row each."""
    names = {
        **{"caption_bleu": "BLEU-4", "cider_d": "CIDEr-D", "true_captions": "true, %"},
        **{"bleu": "BLEU", "chrf": "chrF", "ambiguous_words": "ambiguous, %"},
        **{"restored_words": "restored, %", "restored_colours": "colours, %", "restored_nouns": "nouns, %"},
        "lines": "lines",
    }
    columns = [name for name in names if any(name in of for of in scores.values())]
    width = max(map(len, scores))
    wide = [max(8, len(names[name])) for name in columns]
    rows = [f"{'':<{width}}  " + "  ".join(f"{names[name]:>{w}}" for name, w in zip(columns, wide, strict=True))]
    for title, of in scores.items():
        values = (
            f"{of[name]:>{w}.2f}" if isinstance(of[name], float) else f"{of[name]:>{w}}"
            for name, w in zip(columns, wide, strict=True)
        )
        rows.append(f"{title:<{width}}  " + "  ".join(values))
    references = max(of.get("caption_references", 0) for of in scores.values())
    if not references:
        return "\n".join(rows)
    return "\n".join([*rows, "", f"BLEU-4 and CIDEr-D against up to {references} references of each line"])


def _known(
    texts: Sequence[str],
    names: Sequence[Sequence[str]],
    columns: Sequence[Sequence[str]],
    tag: str | None,
    language: str,
) -> list[Truth]:
    """What is known of each line, of which `names` are the files; drawn scenes know more than their references."""
    known = []
    for text, of_line, own in zip(texts, names, zip(*columns, strict=True), strict=True):
        of_tag = language_of_tag((text or tag or "").strip()) or language_of_tag(tag)
        name = next(filter(str.strip, of_line), "")
        truth = truth_of(name, own[0], of_tag or language) if is_caption(text) else Truth(own, None)
        known.append(truth if truth.true is not None else Truth(own, None))
    return known
