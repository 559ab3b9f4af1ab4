"""How well a model finds pictures (or sounds) for texts and texts for them, by several ways of comparing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mt.data.scenes.grammar import LANGUAGES, truths
from mt.data.scenes.scene import MARK, Scene
from mt.data.sources import language_of_tag
from mt.evaluation.changed_scenes import Judge
from mt.evaluation.retrieval import RANKS, retrieval_scores
from mt.inference.retriever import WORDS, Retriever
from mt.inference.similarities import SIMILARITIES

PLAIN = {"vectors": "vectors", "words": "words and regions"}  # what the model's own similarity is called in the table
OTHERS = {"words": "word by word, largest", "attended words": "word by word, attended"}
OTHERS |= {"averaged attention": "averaged cross-attention"}


LEAST_PROBABILITY = 0.05  # of a piece of a true text; chosen on the validation set of the drawn scenes (-3.0 nats)


@dataclass(frozen=True)
class Gallery:
    """Texts of one language and all different pictures (or sounds) that any of them belongs to.

    `own` is the picture of each text, `true` all that it is true of, as far as that is known.
    """

    tag: str | None
    texts: Sequence[str]
    names: Sequence[str]  # of the pictures
    values: Sequence[np.ndarray]
    own: Sequence[int]
    true: Sequence[frozenset[int]]

    @classmethod
    def of(cls, tag: str | None, language: str, rows: Sequence[tuple[str, str, Any]]) -> Gallery:
        """Of (text, name of its picture, the picture as its reader gives it).

        Of a drawn scene all true texts are known; of another picture those that stand beside it.
        """
        numbers: dict[bytes, int] = {}
        values: list[np.ndarray] = []
        names: list[str] = []
        for _, name, read in rows:
            if read.digest not in numbers:
                numbers[read.digest] = len(values)
                values.append(read.values)
                names.append(name)
        own = [numbers[read.digest] for _, _, read in rows]
        said: dict[str, set[int]] = {}
        for (text, _, _), number in zip(rows, own, strict=True):
            said.setdefault(text, set()).add(number)
        for number, name in enumerate(names):
            if name.startswith(MARK) and language in LANGUAGES:
                for text in truths(Scene.of(name), language) & said.keys():
                    said[text].add(number)
        texts = [text for text, _, _ in rows]
        return cls(tag, texts, names, values, own, [frozenset(said[text]) for text in texts])


def galleries(
    names: Sequence[str], read: Sequence[Any], texts: Sequence[str], tags: Sequence[str | None], language: str
) -> dict[str, Gallery]:
    """Those of the lines of each language, by its name; `language` is that of lines without a tag.

    Lines of one language with different tags are apart, too: "de, <formal>" and "de, no tag".
    """
    rows: dict[str | None, list[tuple[str, str, Any]]] = {}
    for name, one, text, tag in zip(names, read, texts, tags, strict=True):
        rows.setdefault(tag, []).append((text, name, one))
    of = {tag: language_of_tag(tag) or language for tag in rows}
    has_one_tag = {name: count == 1 for name, count in Counter(of.values()).items()}
    names_of = {tag: name if has_one_tag[name] else f"{name}, {tag or 'no tag'}" for tag, name in of.items()}
    return {names_of[tag]: Gallery.of(tag, of[tag], some) for tag, some in rows.items()}


def evaluate(retriever: Retriever, gallery: Gallery, kind: str, *, candidates: int) -> dict[str, dict[str, Any]]:
    """Scores (`retrieval_scores`) by direction and way: of the model's own similarity, of that with the best
    `candidates` ordered anew, and of other similarities of the same points."""
    texts = list(dict.fromkeys(gallery.texts))
    numbers = {text: number for number, text in enumerate(texts)}
    lines = [numbers[text] for text in gallery.texts]
    points_NTE, is_word_NT = retriever.points_of_texts(texts)
    points_MSE = retriever.points(kind, gallery.values)
    own_way = retriever.space.similarity
    found = {name: of(points_NTE, is_word_NT, points_MSE) for name, of in SIMILARITIES.items()}
    ways = {PLAIN[own_way]: found[own_way]} | {title: found[name] for name, title in OTHERS.items() if name != own_way}
    judges = judges_of(retriever, gallery, kind)
    true_of: list[set[int]] = [set() for _ in gallery.values]
    own_of: dict[int, int] = {}
    for line, picture, true in zip(lines, gallery.own, gallery.true, strict=True):
        own_of.setdefault(picture, line)
        for one in true:
            true_of[one].add(line)
    own = [own_of[picture] for picture in range(len(gallery.values))]
    scores: dict[str, dict[str, Any]] = {}
    for direction, is_from_text in ((f"text to {kind}", True), (f"{kind} to text", False)):
        rankings = {}
        for title, similarity_NM in ways.items():
            scored = similarity_NM if is_from_text else similarity_NM.T
            rankings[title] = scored.argsort(dim=1, descending=True, stable=True).tolist()
            if title == PLAIN[own_way]:
                for name, judge in judges.items():
                    anew = reordered(rankings[title], texts, candidates, judge, is_from_text=is_from_text)
                    rankings[f"{title}, then {name}"] = anew
        if is_from_text:
            scores[direction] = {
                title: retrieval_scores([ranked[line] for line in lines], gallery.own, gallery.true)
                for title, ranked in rankings.items()
            }
        else:
            scores[direction] = {title: retrieval_scores(ranked, own, true_of) for title, ranked in rankings.items()}
    return scores


def judges_of(retriever: Retriever, gallery: Gallery, kind: str) -> dict[str, Judge]:
    """What says whether texts are true of pictures of the gallery: the decoder's likelihood, and the layer that judges
    where the model has one."""

    def gains(pairs: Sequence[tuple[str, int]]) -> list[float]:
        ids = retriever.ids([text for text, _ in pairs])
        rows = [(one, gallery.tag, gallery.values[number]) for one, (_, number) in zip(ids, pairs, strict=True)]
        return retriever.gains(kind, rows)

    def judgements(pairs: Sequence[tuple[str, int]]) -> list[float]:
        ids = retriever.ids([text for text, _ in pairs])
        rows = [(one, gallery.values[number]) for one, (_, number) in zip(ids, pairs, strict=True)]
        return retriever.judgements(kind, rows)

    judges: dict[str, Judge] = {"likelihood": gains}
    return judges if retriever.space.judge is None else {**judges, "judgement": judgements}


def judges_of_truth(retriever: Retriever, gallery: Gallery, kind: str) -> dict[str, Judge]:
    """Those of `judges_of`, and the least likely word: a text is taken for true where each piece of it has at least the
    probability `LEAST_PROBABILITY` beside the picture. It says what is false and orders nothing."""

    def least(pairs: Sequence[tuple[str, int]]) -> list[float]:
        ids = retriever.ids([text for text, _ in pairs])
        rows = [(one, gallery.tag, gallery.values[number]) for one, (_, number) in zip(ids, pairs, strict=True)]
        return [nats - math.log(LEAST_PROBABILITY) for nats in retriever.least_log_probs(kind, rows)]

    return {**judges_of(retriever, gallery, kind), "least word": least}


def reordered(
    rankings: Sequence[Sequence[int]], texts: Sequence[str], candidates: int, judge: Judge, *, is_from_text: bool
) -> list[list[int]]:
    """The rankings with the first `candidates` of each in the order of their judgements."""
    places = [(query, one) for query, ranked in enumerate(rankings) for one in ranked[:candidates]]
    pairs = [(query, one) if is_from_text else (one, query) for query, one in places]
    judged = dict(zip(places, judge([(texts[text], picture) for text, picture in pairs]), strict=True))
    found = []
    for query, ranked in enumerate(rankings):
        first = sorted(ranked[:candidates], key=lambda one, query=query: -judged[query, one])  # type: ignore[misc]  # a default binds the loop's value
        found.append([*first, *ranked[candidates:]])
    return found


def as_table(scores: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]], counts: Mapping[str, str]) -> str:
    """The scores of each language (or of one without name), a row for each way; `counts` says what was compared."""
    blocks = []
    for language, directions in scores.items():
        for direction, ways in directions.items():
            width = max(map(len, ways))
            first = next(iter(ways.values()))
            title = f"{language}: {direction}, {counts[language]}"
            ceilings = " ".join(f"{first[f'plain_ceiling@{k}']:.1f}" for k in RANKS)
            heads = [*(f"R@{k}" for k in RANKS), "median", "mAP", *(f"own@{k}" for k in RANKS)]
            lines = [title, f"{'':<{width}}  " + " ".join(f"{head:>6}" for head in heads)]
            for name, of in ways.items():
                cells = [*(of[f"r@{k}"] for k in RANKS), of["median_rank"], of["map@r"]]
                cells += [of[f"plain_r@{k}"] for k in RANKS]
                lines.append(f"{name:<{width}}  " + " ".join(f"{cell:>6.1f}" for cell in cells))
            blocks.append("\n".join([*lines, f"own@k: the own one alone; a perfect ranking can expect {ceilings}"]))
    return "\n\n".join(blocks)


def described(gallery: Gallery, kind: str) -> str:
    """How many texts and pictures are compared."""
    return f"{len(gallery.texts)} texts, {len(gallery.values)} {WORDS[kind]}"
