"""Scores of captions: BLEU-4 and CIDEr-D with several references, and how many are true where that is known."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mt.data.formats.lines import read_lines
from mt.data.held_out import HeldOut
from mt.data.images.decode import PictureReader
from mt.data.named_file import read_named
from mt.data.scenes.grammar import LANGUAGES, full_descriptions, truths
from mt.data.scenes.scene import MARK, Scene
from mt.data.sources import language_of_tag
from mt.evaluation import tokenization
from mt.evaluation.ambiguity import ambiguous_words, is_twofold
from mt.evaluation.cider import cider_d, words_of_caption
from mt.evaluation.scores import score
from mt.evaluation.tokenization import Tokenization
from mt.inference.request import Request
from mt.inference.translator import Translator
from mt.search.beam import adjusted

MOST_REFERENCES = 5  # as the sets that people wrote have


@dataclass(frozen=True)
class Truth:
    """What is known of a picture: captions to compare with, and all that are true of it (None: not known)."""

    references: Sequence[str]
    true: frozenset[str] | None


def truth_of(image: str, caption: str, language: str) -> Truth:
    """What is known of a drawn scene (`mt.data.scenes`), and of another picture: its caption alone.

    References of a scene are its full descriptions, at most five, the one in reading order first.
    """
    if not image.startswith(MARK) or language not in LANGUAGES:
        return Truth([caption], None)
    scene = Scene.of(image)
    return Truth(full_descriptions(scene, language)[:MOST_REFERENCES], frozenset(truths(scene, language)))


def truths_of(held_out: HeldOut, language: str) -> list[Truth] | None:
    """What is known of each line of a held-out set of captions; None for a set of something else.

    A source of more than a tag is a sentence to translate. `language` is that of captions whose tag does not say.
    """
    if held_out.images is None or any(source and not is_caption(source) for source in held_out.sources):
        return None
    rows = zip(held_out.sources, held_out.images, held_out.targets, strict=True)
    return [truth_of(image, target, language_of_tag(source.strip()) or language) for source, image, target in rows]


def is_caption(source: str) -> bool:
    """Whether a source is a picture alone: nothing, or a tag such as <2de>."""
    return not source.strip() or language_of_tag(source.strip()) is not None


def caption_scores(captions: Sequence[str], known: Sequence[Truth], how: Tokenization) -> dict[str, Any]:
    """BLEU-4 and CIDEr-D against all references, and `true_captions` in % where every truth is known."""
    columns = max(len(truth.references) for truth in known)
    references: list[Any] = [  # None where a picture has fewer, as sacrebleu takes it
        [truth.references[number] if number < len(truth.references) else None for truth in known]
        for number in range(columns)
    ]
    bleu = tokenization.bleu(how, lowercase=False, references=None)
    scores: dict[str, Any] = {
        "caption_bleu": round(float(bleu.corpus_score(list(captions), references).score), 4),
        "cider_d": round(
            cider_d(
                [words_of_caption(caption) for caption in captions],
                [[words_of_caption(one) for one in truth.references] for truth in known],
            ),
            4,
        ),
        "caption_references": columns,
    }
    share = true_share(captions, known)
    return scores if share is None else {**scores, "true_captions": round(share, 4)}


def evaluate(
    checkpoint: str,
    *,
    images: str,
    sources: str | None,
    references: Sequence[str],
    tag: str | None,
    tokenization: Tokenization,
    with_another: bool,
    beam_size: int | None,
    length_penalty: float | None,
    batch_tokens: int | None,
    device: str,
    precision: str,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The scores of a checkpoint's captions of the pictures in a file, or of its translations beside them, and these.

    `references` are files; a line of all of them belongs to a picture. A source that begins with a tag keeps it, the
    others get `tag`. With `with_another`, also the scores with the picture of another line, and, where all lines have
    text, those of the text alone. Raises ValueError, naming file and line, for a picture that cannot be read, and for
    files of different lengths.
    """
    translator = Translator.load(checkpoint, device=device, precision=precision)
    if translator.images is None:
        raise ValueError(f"{checkpoint} sees no pictures: --images is for models trained with model.beside.image")
    names = list(read_lines(images))
    texts = [""] * len(names) if sources is None else list(read_lines(sources))
    columns = [list(read_lines(path)) for path in references]
    for path, lines in zip([sources or images, *references], [texts, *columns], strict=True):
        if len(lines) != len(names) or not names:
            raise ValueError(f"{path} has {len(lines)} lines, {images} has {len(names)}: line n must belong to line n")
    pictures = read_named(PictureReader(translator.images), names, images)
    is_text = not any(map(is_caption, texts))
    for number, (picture, text) in enumerate(zip(pictures, texts, strict=True), start=1):
        if picture is None and is_caption(text):
            raise ValueError(f"{images}, line {number}: a line without text must have a picture")
    known = []
    for text, name, own in zip(texts, names, zip(*columns, strict=True), strict=True):
        language = language_of_tag((text or tag or "").strip()) or language_of_tag(tag)
        truth = truth_of(name, own[0], language or translator.language) if is_caption(text) else Truth(own, None)
        known.append(truth if truth.true is not None else Truth(own, None))
    # of sentences that come twice, the other picture of the same sentence would be the one that is certainly wrong
    step = 2 if is_twofold(texts, columns[0]) else 1
    shown = {"images": pictures}
    if with_another:
        shown |= {"text alone": [None] * len(names)} if is_text else {}
        shown |= {"with another image": [*pictures[step:], *pictures[:step]]}
    search = adjusted(translator.search, beam_size=beam_size, length_penalty=length_penalty, n_best=1)
    scores: dict[str, dict[str, Any]] = {}
    found: dict[str, list[str]] = {}
    for title, of_title in shown.items():
        requests = [
            Request(text, tag=None if language_of_tag(text.partition(" ")[0]) else tag, picture=picture)
            for text, picture in zip(texts, of_title, strict=True)
        ]
        found[title] = [one.text for one in translator.translate(requests, search=search, batch_tokens=batch_tokens)]
        of = translation_scores(texts, found[title], columns, tokenization) if is_text else None
        scores[title] = {"lines": len(names), **(of or caption_scores(found[title], known, tokenization))}
    return scores, found["images"]


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
    """Raises ValueError for flags of `mt.evaluate` that have no effect on captions."""
    for name in ("hypotheses", "document", "trees", "shortlist", "confidence", "paired", "engine"):
        if getattr(flags, name):
            raise ValueError(f"--{name} has no effect with --images")
    if flags.checkpoint and len(flags.checkpoint) > 1:
        raise ValueError(f"--checkpoint must be one with --images, not {len(flags.checkpoint)}")


def as_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """The scores of `evaluate` for the terminal, a row each."""
    names = {
        **{"caption_bleu": "BLEU-4", "cider_d": "CIDEr-D", "true_captions": "true, %"},
        **{"bleu": "BLEU", "chrf": "chrF", "ambiguous_words": "ambiguous, %", "lines": "lines"},
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
    return "\n".join([*rows, "", f"BLEU-4 and CIDEr-D against up to {references} references of each picture"])


def true_share(captions: Sequence[str], known: Sequence[Truth]) -> float | None:
    """How many of the captions are true, in %; None where that is not known of all pictures."""
    if any(truth.true is None for truth in known):
        return None
    right = sum(caption in (truth.true or ()) for caption, truth in zip(captions, known, strict=True))
    return 100 * right / len(captions)
