"""What `translate` does to a window of lines, in its own process or in another: lines in, rows of text out."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mt.alignment.links import to_pharaoh
from mt.alignment.omission import is_omitted
from mt.data.document import Context, tree_in_context
from mt.inference.aligner import Aligner, Part, links_of
from mt.inference.loops import loops
from mt.inference.markup import Marked, parse
from mt.inference.markup_transfer import restore
from mt.inference.translator import Candidate, Translation
from mt.inference.window import Rows, Window
from mt.search.beam import adjusted
from mt.search.sampling import Sampling
from mt.search.search import Search
from mt.words import split_words


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
            aligner.translator.check_tag(self.flags.tag)
            if flags.trees:
                aligner.translator.check_trees(flags.trees, self.checkpoint)
            aligner.translator.search = search_of(self.flags, aligner.translator.search)
            self._aligner = aligner
        return self._aligner

    def __call__(self, window: Window) -> Rows:
        aligner, flags = self.load(), self.flags
        marked = [parse(line) if flags.markup else None for line in window.lines]
        plain = [line if found is None else found.text for line, found in zip(window.lines, marked, strict=True)]
        contexts = [_plain(context) if flags.markup else context for context in window.contexts]
        sources, trees = plain, window.trees
        if contexts:
            sources = [context.around(line) for context, line in zip(contexts, plain, strict=True)]
            trees = list(map(tree_in_context, trees, sources))
        translations = list(
            aligner.translator.translate(
                sources,
                batch_tokens=flags.batch_tokens,
                max_pieces=flags.max_pieces,
                seed=flags.seed,
                first_line=window.first,
                tag=flags.tag,
                trees=trees or None,
            )
        )
        needs_parts = flags.alignment or flags.markup or flags.coverage
        parts = [aligner.parts(translations, rank) if needs_parts else None for rank in range(flags.n_best)]
        text, notes = [], []
        for index, (line, translation) in enumerate(zip(window.lines, translations, strict=True)):
            translation = replace(translation, source=plain[index])  # without its context
            number = window.first + index + 1
            notes += [f"line {number}: {note}" for note in translation.notes]
            bodies = [
                body(candidate, [] if of_rank is None else of_rank[index], marked[index], flags)
                for of_rank, candidate in zip(parts, translation.candidates, strict=False)
            ]
            text += rows(number, line, translation, bodies, flags)
        return Rows("".join(f"{row}\n" for row in text), notes)


def _plain(context: Context) -> Context:
    """The context without its markup."""
    return Context(*(tuple(parse(line).text for line in lines) for lines in context))


def body(candidate: Candidate, parts: Sequence[Part], marked: Marked | None, flags: Namespace) -> dict[str, Any]:
    """What is said of a translation, made of these parts, of a line that had this markup."""
    links = links_of(parts)
    return {
        "text": candidate.text if marked is None else restore(marked, candidate.text, links),
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
        return [json.dumps(record, ensure_ascii=False)]
    found = []
    for of_candidate in bodies:
        columns = [str(number)] if flags.n_best > 1 else []
        columns += [f"{of_candidate['score']:.4f}"] if flags.scores else []
        columns += [of_candidate["text"]]
        columns += [of_candidate["links"]] if flags.alignment else []
        found.append("\t".join(columns))
    return found


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
