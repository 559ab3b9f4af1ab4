"""The records and rows of translations: texts, scores, links, coverage, terms, in columns or in JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mt.alignment.links import to_pharaoh
from mt.alignment.omission import is_omitted
from mt.inference.loops import loops
from mt.inference.markup import Marked
from mt.inference.markup_transfer import restore_all
from mt.inference.options import Options
from mt.inference.part import Part, links_of, strengths_of
from mt.inference.terms import Glossary
from mt.inference.translation import Candidate, Translation
from mt.words import num_words, split_words

if TYPE_CHECKING:
    from mt.alignment.nowhere import Nowhere

# characters that some tool treats as the end of a line, escaped as in JSON and other languages
LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)}
ESCAPES = LINE_ENDS | str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Text:
    """One of the texts of a line, translated, and for each rank the result of `Aligner.parts`."""

    translation: Translation
    parts: Sequence[Sequence[Part]]

    def candidate(self, rank: int) -> Candidate:
        """The candidate of that rank (the last if there are fewer)."""
        return self.translation.candidates[min(rank, len(self.translation.candidates) - 1)]

    def ranked(self, rank: int) -> tuple[str, str, Sequence[Part]]:
        """The text, its candidate of that rank (the last if there are fewer), and the parts."""
        rank = min(rank, len(self.translation.candidates) - 1)
        return self.translation.source, self.candidate(rank).text, self.parts[rank] if self.parts else []


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
    candidate: Candidate, texts: Sequence[tuple[str, str, Sequence[Part]]], marked: Marked | None, options: Options
) -> dict[str, Any]:
    """The output record of a translation of a line that had this markup; `texts` are those of `Text.ranked`."""
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
        **({"links": to_pharaoh(links), "strength": strengths_of(parts, num_target)} if options.alignment else {}),
        **(coverage(candidate, parts) if options.coverage else {}),
        **({} if options.terms is None else {"terms": _terms_of(texts, options.terms)}),
    }


def _terms_of(texts: Sequence[tuple[str, str, Sequence[Part]]], glossary: Glossary) -> list[dict[str, Any]]:
    """The terms of a line's texts, and whether their translations have them."""
    uses = [use for source, target, _ in texts for use in glossary.uses(source, target)]
    return [{**asdict(use), "is_honoured": use.is_honoured} for use in uses]


def missed_terms(texts: Sequence[Text], glossary: Glossary | None) -> Iterator[str]:
    """A note for each term that the best translation lacks."""
    if glossary is None:
        return
    for text in texts:
        source, target, _ = text.ranked(0)
        for use in glossary.uses(source, target):
            if not use.is_honoured:
                yield f"term not honoured: {use.source} -> {use.target} ({use.found} of {use.times})"


def coverage(candidate: Candidate, parts: Sequence[Part]) -> dict[str, Any]:
    """Possible omissions and repetitions in a translation; words are counted from 0.

    `coverage` is the share of source words that do not seem to be omitted; `read` and `left_over` are the two
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


def from_nowhere(texts: Sequence[Text], rank: int, nowhere: Nowhere) -> list[dict[str, Any]]:
    """Words of the translation of this rank that nothing in the source seems to support (`mt.alignment.nowhere`).

    Words are counted from 0; `chance` is the chance that the word is from nowhere, 0 to 1.
    """
    found, first = [], 0
    for text in texts:
        source, target, _ = text.ranked(rank)
        words = split_words(target)
        found += [
            {"position": first + place, "word": words[place], "chance": round(chance, 4)}
            for place, chance in nowhere.named(split_words(source), words)
        ]
        first += len(words)
    return found


def is_too_unsure(of_best: Mapping[str, Any], options: Options) -> bool:
    """Whether the best translation's confidence is below what the options demand."""
    sure = of_best.get("line_confidence")
    return options.abstain is not None and sure is not None and sure < options.abstain


def rows(
    number: int, line: str, translation: Translation, bodies: Sequence[dict[str, Any]], options: Options
) -> list[str]:
    """The output for one line: its number, its text, and the records of its translations."""
    if options.json:
        plain = {"plain_source": translation.source} if options.markup else {}
        record = {"line": number, "source": line, **plain, "translations": bodies, "notes": translation.notes}
        return [json_line(record)]
    found = []
    for of_candidate in bodies:
        columns = [str(number)] if options.n_best > 1 else []
        columns += [f"{of_candidate['score']:.4f}"] if options.scores else []
        text = of_candidate["text"]
        columns += [in_column(text) if len(columns) or options.alignment else text]
        columns += [of_candidate["links"]] if options.alignment else []
        found.append("\t".join(columns))
    return found


def in_column(text: str) -> str:
    """The text with tabs and line ends escaped as in `ESCAPES`, so that it stays one column of one line."""
    return text.translate(ESCAPES)


def json_line(record: dict[str, Any]) -> str:
    """The record as one line of JSON that every parser accepts.

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
