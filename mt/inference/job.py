"""What `translate` does to a window of lines, in its own process or in another: lines in, rows of text out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mt.alignment.links import to_pharaoh
from mt.alignment.omission import is_omitted
from mt.checkpoint.card import described
from mt.checkpoint.steps import find_step
from mt.cores import is_surely_cpu
from mt.data.document import Context
from mt.inference.confidence import word_probabilities
from mt.inference.lines import LineTranslator
from mt.inference.loops import loops
from mt.inference.markup import Marked, parse
from mt.inference.markup_transfer import restore_all
from mt.inference.native import NativeTranslator
from mt.inference.options import Options
from mt.inference.part import Part, links_of
from mt.inference.request import NO_CONTEXT, Request
from mt.inference.terms import Glossary
from mt.inference.translation import Candidate, Translation
from mt.inference.window import Rows, Window
from mt.words import num_words, split_words

if TYPE_CHECKING:
    from mt.inference.aligner import Aligner
    from mt.inference.translator import Translator

# characters that some tool treats as the end of a line, escaped as in JSON and other languages
LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)}
ESCAPES = LINE_ENDS | str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
# makes the models; the aligner, which reads attention, may be missing
Load = Callable[[Sequence[Path], Options], "tuple[Translator, Aligner | None]"]
SURROGATE = re.compile("[\ud800-\udfff]")


class Job:
    """Checkpoints and the options for translating with them. It can be pickled, and loads the models when first called.

    Several checkpoints translate together (`mt.inference.ensemble`); attention is read in the first one. `load` may
    make other translators of the same options; it must be a function that can be pickled.
    """

    def __init__(self, checkpoints: Sequence[Path], options: Options, load: Load | None = None):
        self.checkpoints, self.options, self._load = tuple(checkpoints), options, load
        self._loaded: tuple[LineTranslator, Aligner | None] | None = None
        self._search: Any = None  # of the options, as the translator takes it

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_loaded": None, "_search": None}

    def with_options(self, options: Options) -> Job:
        """A job with these options and the loaded models of this one, which stay as they were loaded.

        Raises ValueError for options that the models cannot fulfil.
        """
        if self._load is None:  # native code is loaded for its options alone
            self._load, self._loaded = load_models, None
        self.load()
        assert self._loaded is not None
        job = Job(self.checkpoints, options, self._load)
        job._take(*self._loaded)
        return job

    def load(self) -> LineTranslator:
        """Loads the models as the options say. Raises ValueError for options that the models cannot fulfil."""
        if self._loaded is None:
            options = self.options
            native = None if self._load else NativeTranslator.load(self.checkpoints, options)
            if native is not None:
                native.tags.check(options.tag)
                self._loaded, self._search = (native, None), native.search
            else:
                self._take(*(self._load or load_models)(self.checkpoints, options))
        assert self._loaded is not None
        return self._loaded[0]

    @cached_property
    def is_on_cpu(self) -> bool:
        """Whether the models will be on the CPU. Raises ValueError for a device that is not there."""
        if is_surely_cpu(self.options.device):
            return True
        from mt.device import choose_device

        return choose_device(self.options.device).type == "cpu"

    def _take(self, translator: Any, aligner: Aligner | None) -> None:
        """Works with these models. Raises ValueError for options that they cannot fulfil."""
        from mt.inference.searching import search_of

        options = self.options
        translator.tags.check(options.tag)
        search = search_of(options, translator.search)
        if options.trees:
            translator.check_trees(options.trees, " and ".join(map(str, self.checkpoints)))
        self._loaded, self._search = (translator, aligner), search

    def _parts(self, translations: Sequence[Translation]) -> list[Sequence[Sequence[Part]]]:
        """For each rank the parts of each line with their word links."""
        self.load()
        assert self._loaded is not None and self._loaded[1] is not None  # attention is read with torch alone
        return [self._loaded[1].parts(translations, rank) for rank in range(self.options.n_best)]

    def __call__(self, window: Window) -> Rows:
        options = self.options
        lines, prefixes = zip(*map(options.columns, window.lines), strict=True) if window.lines else ((), ())
        marked = [parse(line) if options.markup else None for line in lines]
        plain = [line if found is None else found.text for line, found in zip(lines, marked, strict=True)]
        # texts of branches of messages, which are translated separately
        more = [[] if found is None else list(found.texts())[1:] for found in marked]
        contexts = [self._without_columns(context) for context in window.contexts] or [NO_CONTEXT] * len(lines)
        contexts = [_plain(context) if options.markup else context for context in contexts]
        trees: Sequence[str | None] = window.trees or [None] * len(lines)
        requests = [
            Request(text, tag=options.tag, tree=tree, context=context, prefix=prefix, **self._of_all)
            for text, tree, context, prefix in zip(plain, trees, contexts, prefixes, strict=True)
        ]
        translations = self.translated(requests, window.first)
        of_branches = self._branches(more, contexts, window.first)
        needs_parts = options.alignment or options.markup or options.coverage
        parts = self._parts(translations) if needs_parts else [None] * options.n_best
        text, notes = [], []
        for index, (line, translation) in enumerate(zip(lines, translations, strict=True)):
            translation = replace(translation, source=plain[index])  # without its context
            number, found = window.first + index + 1, marked[index]
            of_line = [Text(translation, [[] if of_rank is None else of_rank[index] for of_rank in parts])]
            of_line += of_branches[index]
            more_notes = () if found is None else found.notes
            translation = together(of_line, (*more_notes, *_missed_terms(of_line, options.terms)))
            notes += [f"line {number}: {note}" for note in translation.notes]
            bodies = [
                body(candidate, [text.ranked(rank) for text in of_line], found, options)
                | self._confidence(of_line, rank)
                for rank, candidate in enumerate(translation.candidates)
            ]
            text += rows(number, line, translation, bodies, options)
        return Rows("".join(f"{row}\n" for row in text), notes)

    @property
    def _of_all(self) -> dict[str, Any]:
        """What all requests have in common."""
        return {"terms": self.options.terms, "by_sentence": self.options.by_sentence}

    def _without_columns(self, context: Context) -> Context:
        return Context(*(tuple(self.options.columns(line)[0] for line in lines) for lines in context))

    def _confidence(self, texts: Sequence[Text], rank: int) -> dict[str, Any]:
        """For the record of the candidate of this rank."""
        if not self.options.confidence:
            return {}
        tokenizer = self.load().tokenizers.target
        return {"confidence": [one for text in texts for one in word_probabilities(text.candidate(rank), tokenizer)]}

    def _branches(
        self, lines: Sequence[Sequence[Marked]], contexts: Sequence[Context], first_line: int
    ) -> list[list[Text]]:
        """Translations of the branches of each line."""
        found: list[list[Text]] = [[] for _ in lines]
        with_branches = [number for number, branches in enumerate(lines) if branches]
        # sampling for a line must not depend on its neighbours: each such line is translated alone
        groups = [[number] for number in with_branches] if self.options.is_drawn else [with_branches]
        for numbers in filter(None, groups):
            # in a message a doubled apostrophe means one
            of_texts = [(number, branch.text.replace("''", "'")) for number in numbers for branch in lines[number]]
            requests = [
                Request(text, tag=self.options.tag, context=contexts[number], **self._of_all)
                for number, text in of_texts
            ]
            translations = self.translated(requests, first_line + numbers[0])
            parts = self._parts(translations)
            for place, ((number, text), translation) in enumerate(zip(of_texts, translations, strict=True)):
                of_ranks = [of_rank[place] for of_rank in parts]
                found[number].append(Text(replace(translation, source=text), of_ranks))
        return found

    def translated(self, requests: Sequence[Request], first_line: int) -> list[Translation]:
        """The translations of requests, the first of which is line `first_line`, from 0, as the options say."""
        options, translator = self.options, self.load()
        found = translator.translate(
            requests,
            search=self._search,
            batch_tokens=options.batch_tokens,
            max_pieces=options.max_pieces,
            seed=options.seed,
            first_line=first_line,
        )
        return list(found)


def load_models(checkpoints: Sequence[Path], options: Options) -> tuple[Translator, Aligner | None]:
    """The checkpoints as one translator with torch, and the first one as an aligner."""
    from mt.inference.aligner import Aligner
    from mt.inference.translator import Translator

    device, precision, shortlist = options.device, options.precision, options.shortlist
    aligner = Aligner.load(checkpoints[0], device=device, precision=precision, shortlist=shortlist)
    others = [
        Translator.load(checkpoint, device=device, precision=precision, shortlist=shortlist)
        for checkpoint in checkpoints[1:]
    ]
    return Translator.ensemble([aligner.translator, *others], list(map(str, checkpoints))), aligner


def described_languages(job: Job) -> tuple[str, str]:
    """Source and target language of the job's first checkpoint. Raises ValueError for one that cannot be read."""
    card = described(find_step(job.checkpoints[0]))
    return card.source_language, card.target_language


def _plain(context: Context) -> Context:
    """The context without its markup."""
    return Context(*(tuple(_plain_text(parse(line)) for line in lines) for lines in context))


def _plain_text(marked: Marked) -> str:
    return " ".join(found.text for found in marked.texts() if found.text.strip()) or marked.text


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
        **({"links": to_pharaoh(links)} if options.alignment else {}),
        **(coverage(candidate, parts) if options.coverage else {}),
        **({} if options.terms is None else {"terms": _terms_of(texts, options.terms)}),
    }


def _terms_of(texts: Sequence[tuple[str, str, Sequence[Part]]], glossary: Glossary) -> list[dict[str, Any]]:
    """The terms of a line's texts, and whether their translations have them."""
    uses = [use for source, target, _ in texts for use in glossary.uses(source, target)]
    return [{**asdict(use), "is_honoured": use.is_honoured} for use in uses]


def _missed_terms(texts: Sequence[Text], glossary: Glossary | None) -> Iterator[str]:
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
