"""What `translate` does to a window of lines, in its own process or in another: lines in, rows of text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mt.checkpoint.card import described
from mt.checkpoint.priors_file import has_priors, read_priors
from mt.checkpoint.steps import find_step
from mt.cores import is_surely_cpu
from mt.data.document import Context
from mt.data.named_file import read_named
from mt.inference.confidence import FILE_NAME as CALIBRATION
from mt.inference.confidence import Calibration, rounded, word_probabilities
from mt.inference.lines import LineTranslator
from mt.inference.markup import Marked, parse
from mt.inference.native import NativeTranslator
from mt.inference.options import Options
from mt.inference.part import Part
from mt.inference.records import Text, body, from_nowhere, is_too_unsure, missed_terms, rows, together
from mt.inference.request import NO_CONTEXT, Request
from mt.inference.reranking import Reranking, digest
from mt.inference.tags import bare
from mt.inference.translation import Translation
from mt.inference.window import Rows, Window

if TYPE_CHECKING:
    from mt.alignment.nowhere import Nowhere
    from mt.data.images.decode import PictureReader
    from mt.data.images.picture import Picture
    from mt.data.sounds.decode import SoundReader
    from mt.data.sounds.sound import Wave
    from mt.inference.aligner import Aligner
    from mt.inference.reranker import Reranker
    from mt.inference.translator import Translator

NOT_SENT = ("_reranker", "_nowhere", "_loaded", "_search")  # to other processes, which load their own
# makes the models; the aligner, which reads attention, may be missing
Load = Callable[[Sequence[Path], Options], "tuple[Translator, Aligner | None]"]


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
        kept = {name: value for name, value in vars(self).items() if name not in NOT_SENT}
        return {**kept, "_loaded": None, "_search": None}

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
            if options.abstain is not None and self._calibration is None:
                names = " and ".join(map(str, self.checkpoints))
                raise ValueError(
                    f"--abstain needs one checkpoint with {CALIBRATION}, which training writes, not {names}"
                )
            native = None if self._load else NativeTranslator.load(self.checkpoints, self._searching)
            if native is not None:
                native.tags.check(options.tag)
                self._loaded, self._search = (native, None), native.search
            else:
                self._take(*(self._load or load_models)(self.checkpoints, options))
            _ = self._nowhere  # what is wrong with it is said before anything is translated
            if self._reranking is not None:
                _ = self._reranker
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
        search = search_of(self._searching, translator.search)
        for name, verb in (("images", "sees"), ("sounds", "hears")):
            if getattr(options, name) and getattr(translator, name) is None:
                named = " and ".join(map(str, self.checkpoints))
                raise ValueError(
                    f"--{name} ({getattr(options, name)}) is for a model that {verb} them: {named} does not"
                )
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
        columns = (plain, trees, contexts, prefixes, self._pictures(window), self._sounds(window))
        requests = [
            Request(
                text,
                tag=options.tag,
                tree=tree,
                context=context,
                prefix=prefix,
                picture=picture,
                sound=sound,
                **self._of_all,
            )
            for text, tree, context, prefix, picture, sound in zip(*columns, strict=True)
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
            translation = together(of_line, (*more_notes, *missed_terms(of_line, options.terms)))
            notes += [f"line {number}: {note}" for note in translation.notes]
            bodies = [
                body(candidate, [text.ranked(rank) for text in of_line], found, options)
                | ({"from_nowhere": from_nowhere(of_line, rank, self._nowhere)} if self._nowhere else {})
                | self._confidence(of_line, rank)
                for rank, candidate in enumerate(translation.candidates)
            ]
            if is_too_unsure(bodies[0], options):
                notes.append(f"line {number}: left empty, its confidence is {bodies[0]['line_confidence']:.2f}")
                unaligned = {"links": "", "strength": []} if options.alignment else {}
                bodies = [{**bodies[0], "text": "", "abstained": True, **unaligned}]
            text += rows(number, line, translation, bodies, options)
        return Rows("".join(f"{row}\n" for row in text), notes)

    def _pictures(self, window: Window) -> Sequence[Picture | None]:
        """The picture of each line. Raises ValueError, naming file and line, for one that cannot be read."""
        if not window.images:
            return [None] * len(window.lines)
        return read_named(self._picture_reader, window.images, str(self.options.images), window.first)

    def _sounds(self, window: Window) -> Sequence[Wave | None]:
        """The sound of each line, likewise."""
        if not window.sounds:
            return [None] * len(window.lines)
        return read_named(self._sound_reader, window.sounds, str(self.options.sounds), window.first)

    @cached_property
    def _picture_reader(self) -> PictureReader:
        from mt.data.images.decode import PictureReader  # Pillow, which text does not need

        settings = self.load().images
        assert settings is not None  # checked with the options
        return PictureReader(settings)

    @cached_property
    def _sound_reader(self) -> SoundReader:
        from mt.data.sounds.decode import SoundReader

        settings = self.load().sounds
        assert settings is not None
        return SoundReader(settings)

    @property
    def _of_all(self) -> dict[str, Any]:
        """What all requests have in common."""
        return {"terms": self.options.terms, "by_sentence": self.options.by_sentence}

    def _without_columns(self, context: Context) -> Context:
        return Context(*(tuple(self.options.columns(line)[0] for line in lines) for lines in context))

    def _confidence(self, texts: Sequence[Text], rank: int) -> dict[str, Any]:
        """For the record of the candidate of this rank."""
        if not self.options.confidence and self.options.abstain is None:
            return {}
        tokenizer = self.load().tokenizers.target
        words = [one for text in texts for one in word_probabilities(text.candidate(rank), tokenizer)]
        if self._calibration is None:
            return {"confidence": rounded(words), "line_confidence": None}
        return {"confidence": self._calibration.words(words), "line_confidence": self._calibration.whole(words)}

    @cached_property
    def _nowhere(self) -> Nowhere | None:
        """The links that the first checkpoint has learned, if they are asked for and it has any.

        None beside pictures or sounds, from which words may come, too.
        """
        options = self.options
        if not options.coverage or options.images or options.sounds or not has_priors(find_step(self.checkpoints[0])):
            return None
        from mt.alignment.lexicon_priors import LexiconPriors
        from mt.alignment.nowhere import Nowhere

        path, arrays = read_priors(self.checkpoints[0])
        return Nowhere(LexiconPriors.of_arrays(arrays, str(path)))

    @cached_property
    def _calibration(self) -> Calibration | None:
        """That of the checkpoint; several together have none."""
        return Calibration.load(find_step(self.checkpoints[0])) if len(self.checkpoints) == 1 else None

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
        if self._reranking is None:
            return list(found)
        lines = [bare(request.text, translator.tags.known) for request in requests]
        ranked = self._reranker.ranked(
            list(found), lines, self._reranking, options.n_best, batch_tokens=options.batch_tokens
        )
        return list(ranked)

    @cached_property
    def _reranking(self) -> Reranking | None:
        """How candidates are ranked; None: as the search does."""
        options = self.options
        if options.rerank is None:
            return None
        found = Reranking.load(self.checkpoints[0])
        if found.model != digest(options.rerank):
            raise ValueError(
                f"--rerank ({options.rerank}) must be the model that reranking was tuned with: run mt.rerank with it"
            )
        if options.beam_size is not None and options.beam_size < found.candidates:
            raise ValueError(
                f"--beam-size ({options.beam_size}) must be at least {found.candidates}, the number of translations"
                " that --rerank compares"
            )
        return found

    @cached_property
    def _reranker(self) -> Reranker:
        from mt.inference.reranker import Reranker

        options = self.options
        assert self._reranking is not None
        return Reranker.load(
            options.rerank,
            self.checkpoints[0],
            tag=self._reranking.tag,
            device=options.device,
            precision=options.precision,
        )

    @property
    def _searching(self) -> Options:
        """The options of the search, which finds as many candidates as are reranked."""
        if self._reranking is None:
            return self.options
        return replace(self.options, n_best=max(self.options.n_best, self._reranking.candidates))


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
