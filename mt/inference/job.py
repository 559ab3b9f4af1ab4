"""What `translate` does to a window of lines, in its own process or in another: lines in, rows of text out."""

from __future__ import annotations

import json
import math
import re
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mt.alignment.links import to_pharaoh
from mt.alignment.omission import is_omitted
from mt.data.document import Context, tree_in_context
from mt.inference.aligner import Aligner, Part, links_of
from mt.inference.loops import loops
from mt.inference.markup import Marked, parse
from mt.inference.markup_transfer import restore_all
from mt.inference.translator import Candidate, Translation
from mt.inference.window import Rows, Window
from mt.search.beam import adjusted
from mt.search.sampling import Sampling
from mt.search.search import Search
from mt.words import num_words, split_words

# what some tool takes for the end of a line, as JSON and other languages write it
LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)}
ESCAPES = LINE_ENDS | str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
SURROGATE = re.compile("[\ud800-\udfff]")


class Job:
    """A checkpoint and the flags of `translate`. It can be pickled, and loads the model where it is first called."""

    def __init__(self, checkpoint: Path, flags: Namespace):
        self.checkpoint, self.flags = checkpoint, flags
        self._aligner: Aligner | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_aligner": None}

    def load(self) -> Aligner:
        """The model at work, as the flags want it. Raises ValueError for what they ask in vain."""
        if self._aligner is None:
            flags = self.flags
            aligner = Aligner.load(
                self.checkpoint, device=flags.device, precision=flags.precision, shortlist=flags.shortlist
            )
            aligner.translator.tags.check(self.flags.tag)
            if flags.trees:
                aligner.translator.check_trees(flags.trees, self.checkpoint)
            aligner.translator.search = search_of(self.flags, aligner.translator.search)
            self._aligner = aligner
        return self._aligner

    def __call__(self, window: Window) -> Rows:
        aligner, flags = self.load(), self.flags
        marked = [parse(line) if flags.markup else None for line in window.lines]
        plain = [line if found is None else found.text for line, found in zip(window.lines, marked, strict=True)]
        # texts of branches of messages, which are translated by themselves
        more = [[] if found is None else list(found.texts())[1:] for found in marked]
        contexts = [_plain(context) if flags.markup else context for context in window.contexts]
        sources, trees = plain, window.trees
        if contexts:
            sources = [context.around(line) for context, line in zip(contexts, plain, strict=True)]
            trees = list(map(tree_in_context, trees, sources))
        translations = self._translated(sources, window.first, trees or None)
        of_branches = self._branches(more, contexts, window.first)
        needs_parts = flags.alignment or flags.markup or flags.coverage
        parts = [aligner.parts(translations, rank) if needs_parts else None for rank in range(flags.n_best)]
        text, notes = [], []
        for index, (line, translation) in enumerate(zip(window.lines, translations, strict=True)):
            translation = replace(translation, source=plain[index])  # without its context
            number, found = window.first + index + 1, marked[index]
            of_line = [Text(translation, [[] if of_rank is None else of_rank[index] for of_rank in parts])]
            of_line += of_branches[index]
            translation = together(of_line, () if found is None else found.notes)
            notes += [f"line {number}: {note}" for note in translation.notes]
            bodies = [
                body(candidate, [text.ranked(rank) for text in of_line], found, flags)
                for rank, candidate in enumerate(translation.candidates)
            ]
            text += rows(number, line, translation, bodies, flags)
        return Rows("".join(f"{row}\n" for row in text), notes)

    def _branches(
        self, lines: Sequence[Sequence[Marked]], contexts: Sequence[Context], first_line: int
    ) -> list[list[Text]]:
        """Translations of the branches of each line."""
        found: list[list[Text]] = [[] for _ in lines]
        with_branches = [number for number, branches in enumerate(lines) if branches]
        # what sampling draws for a line may not depend on its neighbours: each such line by itself
        groups = [[number] for number in with_branches] if self.flags.sample else [with_branches]
        for numbers in filter(None, groups):
            # in a message a doubled apostrophe is one
            of_texts = [(number, branch.text.replace("''", "'")) for number in numbers for branch in lines[number]]
            sources = [contexts[number].around(text) if contexts else text for number, text in of_texts]
            translations = self._translated(sources, first_line + numbers[0])
            parts = [self.load().parts(translations, rank) for rank in range(self.flags.n_best)]
            for place, ((number, text), translation) in enumerate(zip(of_texts, translations, strict=True)):
                of_ranks = [of_rank[place] for of_rank in parts]
                found[number].append(Text(replace(translation, source=text), of_ranks))
        return found

    def _translated(
        self, sources: Sequence[str], first_line: int, trees: Sequence[str | None] | None = None
    ) -> list[Translation]:
        """Translations as the flags want them."""
        flags = self.flags
        found = self.load().translator.translate(
            sources,
            batch_tokens=flags.batch_tokens,
            max_pieces=flags.max_pieces,
            seed=flags.seed,
            first_line=first_line,
            tag=flags.tag,
            trees=trees,
        )
        return list(found)


def _plain(context: Context) -> Context:
    """The context without its markup."""
    return Context(*(tuple(_plain_text(parse(line)) for line in lines) for lines in context))


def _plain_text(marked: Marked) -> str:
    return " ".join(found.text for found in marked.texts() if found.text.strip()) or marked.text


@dataclass(frozen=True)
class Text:
    """One of the texts of a line, translated, and for each rank what `Aligner.parts` says."""

    translation: Translation
    parts: Sequence[Sequence[Part]]

    def ranked(self, rank: int) -> tuple[str, str, Sequence[Part]]:
        """The text, its candidate of that rank (the last if there are fewer), and the parts."""
        candidates = self.translation.candidates
        rank = min(rank, len(candidates) - 1)
        return self.translation.source, candidates[rank].text, self.parts[rank] if self.parts else []


def together(texts: Sequence[Text], notes: Sequence[str] = ()) -> Translation:
    """The translations of a line's texts as one; candidate i joins the i-th best of each, scores are summed."""
    first = texts[0].translation
    if len(texts) == 1:
        return replace(first, notes=(*first.notes, *notes))
    candidates = []
    for rank in range(max(len(text.translation.candidates) for text in texts)):
        chosen = [text.translation.candidates[min(rank, len(text.translation.candidates) - 1)] for text in texts]
        log_prob, score = (math.fsum(getattr(one, name) for one in chosen) for name in ("log_prob", "score"))
        candidates.append(Candidate(_one_text(one.text for one in chosen), log_prob, score))
    all_notes = (*(note for text in texts for note in text.translation.notes), *notes)
    source = _one_text(text.translation.source for text in texts)
    return replace(first, source=source, candidates=tuple(candidates), notes=tuple(dict.fromkeys(all_notes)))


def _one_text(texts: Iterable[str]) -> str:
    return " ".join(text for text in texts if text)


def body(
    candidate: Candidate, texts: Sequence[tuple[str, str, Sequence[Part]]], marked: Marked | None, flags: Namespace
) -> dict[str, Any]:
    """What is said of a translation of a line that had this markup; `texts` are those of `Text.ranked`."""
    parts, num_source, num_target = [], 0, 0
    for source, target, of_text in texts:
        parts += [
            replace(part, first_source=part.first_source + num_source, first_target=part.first_target + num_target)
            for part in of_text
        ]
        num_source, num_target = num_source + num_words(source), num_target + num_words(target)
    links = links_of(parts)
    found = [(target, links_of(of_text)) for _, target, of_text in texts]
    return {
        "text": candidate.text if marked is None else restore_all(marked, found),
        **({} if marked is None else {"plain_text": candidate.text}),
        "score": round(candidate.score, 4),
        "log_prob": round(candidate.log_prob, 4),
        **({"links": to_pharaoh(links)} if flags.alignment else {}),
        **(coverage(candidate, parts) if flags.coverage else {}),
    }


def coverage(candidate: Candidate, parts: Sequence[Part]) -> dict[str, Any]:
    """What seems to be left out of a translation, and what it says over and over; words are counted from 0.

    `coverage` is the share of the source words that do not seem to be left out; `read` and `left_over` are the two
    signals (`mt.alignment.omission`).
    """
    omitted = []
    for part in parts:
        read_S = part.words.weights_TS.sum(axis=0)
        omitted += [
            {
                "position": part.first_source + int(place),
                "word": part.words.source_pieces[place],
                "read": round(float(read_S[place]), 4),
                "left_over": round(float(part.left_S[place]), 4),
            }
            for place in np.flatnonzero(is_omitted(read_S, part.left_S, part.is_common_S))
        ]
    source, target = [word for part in parts for word in part.words.source_pieces], split_words(candidate.text)
    return {
        "coverage": round(1 - len(omitted) / max(len(source), 1), 4),
        "omitted": omitted,
        "repeated": [
            {"position": loop.start, "words": " ".join(target[loop.start :][: loop.size]), "times": loop.times}
            for loop in loops(source, target)
        ],
    }


def rows(
    number: int, line: str, translation: Translation, bodies: Sequence[dict[str, Any]], flags: Namespace
) -> list[str]:
    """What is written for one line: its number, itself, and what is said of its translations."""
    if flags.json:
        plain = {"plain_source": translation.source} if flags.markup else {}
        record = {"line": number, "source": line, **plain, "translations": bodies, "notes": translation.notes}
        return [json_line(record)]
    found = []
    for of_candidate in bodies:
        columns = [str(number)] if flags.n_best > 1 else []
        columns += [f"{of_candidate['score']:.4f}"] if flags.scores else []
        text = of_candidate["text"]
        columns += [in_column(text) if len(columns) or flags.alignment else text]
        columns += [of_candidate["links"]] if flags.alignment else []
        found.append("\t".join(columns))
    return found


def in_column(text: str) -> str:
    """The text such that no tool takes a part of it for a column or a line of its own; `ESCAPES` say how."""
    return text.translate(ESCAPES)


def json_line(record: dict[str, Any]) -> str:
    """The record as one line of JSON that every parser takes.

    NaN and infinity become null, half a character (a surrogate) U+FFFD.
    """
    text = json.dumps(_plain_numbers(record), ensure_ascii=False, allow_nan=False)
    return SURROGATE.sub("\ufffd", text).translate(LINE_ENDS)


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    return [_plain_numbers(item) for item in value] if isinstance(value, (list, tuple)) else value


def search_of(flags: Namespace, default: Search) -> Search:
    """The search that the flags ask for, the checkpoint's own where they are silent."""
    names = ("max_length", "min_length", "no_repeat_ngram", "length_penalty", "n_best")
    wanted = {name: getattr(flags, name) for name in names if getattr(flags, name) is not None}
    if flags.sample:
        return Sampling(**wanted, temperature=flags.temperature, top_k=flags.top_k, top_p=flags.top_p)
    size = flags.beam_size
    if size is None and flags.n_best > getattr(default, "size", 1) and not isinstance(default, Sampling):
        size = flags.n_best
    # both at once: n_best may not exceed the size
    return replace(adjusted(default, beam_size=size, n_best=flags.n_best), **wanted)
