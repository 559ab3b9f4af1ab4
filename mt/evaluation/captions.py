"""Scores of captions: BLEU-4 and CIDEr-D with several references, and how many are true where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mt.data.held_out import HeldOut
from mt.data.scenes.grammar import LANGUAGES, full_descriptions, truths
from mt.data.scenes.scene import MARK, Scene
from mt.data.sources import language_of_tag
from mt.evaluation import tokenization
from mt.evaluation.cider import cider_d, words_of_caption
from mt.evaluation.tokenization import Tokenization

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


def true_share(captions: Sequence[str], known: Sequence[Truth]) -> float | None:
    """How many of the captions are true, in %; None where that is not known of all pictures."""
    if any(truth.true is None for truth in known):
        return None
    right = sum(caption in (truth.true or ()) for caption, truth in zip(captions, known, strict=True))
    return 100 * right / len(captions)
