"""Finds pictures or sounds for a text, and texts for them: near vectors first, then what the decoder finds likely."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mt.checkpoint.manifest import has_manifest, read_manifest
from mt.checkpoint.steps import WEIGHTS, find_step
from mt.data.images.decode import PictureReader
from mt.data.named_file import UnusableFile
from mt.data.several import Images, Shared, Sounds, with_pictures, with_sounds
from mt.data.sounds.decode import SoundReader
from mt.data.source import Text, padded
from mt.data.sources import language_of_tag
from mt.data.tokenizer import BOS, EOS, PAD
from mt.data.whole_update import concatenated
from mt.inference.scorer import MAX_CELLS
from mt.inference.translator import Translator
from mt.inference.vector_index import VectorIndex
from mt.model.shared_space import mean_vectors

# N things, T words of a text, S places of a picture or sound, E width of the space, R rows, V vocabulary

TEXT = "text"
KINDS: dict[str, type[Shared]] = {"image": Images, "sound": Sounds}
BESIDE: dict[str, Callable[..., Any]] = {"image": with_pictures, "sound": with_sounds}
WORDS = {TEXT: "texts", "image": "pictures", "sound": "sounds"}
AT_ONCE = 64  # pictures, sounds or texts in a batch
PAIRS_AT_ONCE = 256  # a text beside a picture or sound

# (pieces of a text, its tag, a picture or sound or nothing)
Beside = tuple[Sequence[int], str | None, np.ndarray | None]


@dataclass(frozen=True)
class Query:
    """What is looked for: a text, or the values of a picture or sound (`kind`)."""

    kind: str
    text: str = ""
    values: np.ndarray | None = None


@dataclass(frozen=True)
class Found:
    """A thing of an index: its name, the cosine of its vector, and `gain_nats`, what the picture (or sound) adds to the
    log-probability of the text (pointwise mutual information); None where both are pictures, or both texts."""

    name: str
    cosine: float
    gain_nats: float | None


class Retriever:
    """The model of a translator whose texts share a space with pictures or sounds.

    Raises ValueError for a model without that space.
    """

    def __init__(self, translator: Translator, name: str, digest: str | None = None):
        model = translator.model
        if model.space is None:
            raise ValueError(
                f"{name} has no space that texts share with pictures: retrieval needs a model trained with"
                " objective=contrastive +space@model.space=shared"
            )
        self.translator, self.space = translator, model.space
        self.digest = digest  # of the weights; None: not known

    @classmethod
    def load(cls, checkpoint: str | Path, *, device: str = "auto", precision: str = "float32") -> Retriever:
        """The retriever of a run folder (its best step) or a step folder. Raises ValueError in one line."""
        folder = find_step(Path(checkpoint))
        digest = read_manifest(folder)[WEIGHTS].sha256 if has_manifest(folder) else None
        return cls(Translator.load(folder, device=device, precision=precision), str(checkpoint), digest)

    @cached_property
    def readers(self) -> dict[str, Callable[[str], Any]]:
        """What reads the pictures and sounds that the model knows, by kind, from any folder."""
        translator = self.translator
        found: dict[str, Callable[[str], Any]] = {}
        if translator.images is not None:
            found["image"] = PictureReader(replace(translator.images, folder=None))
        if translator.sounds is not None:
            found["sound"] = SoundReader(replace(translator.sounds, folder=None))
        return found

    def folder(self, kind: str) -> str | None:
        """Where the files lie that a corpus of the model names (data.images.folder); None: names are paths."""
        settings = self.translator.images if kind == "image" else self.translator.sounds
        return None if settings is None else settings.folder

    def reader(self, kind: str, folder: str | None) -> Callable[[str], Any]:
        """Reads files of this kind inside of a folder. Raises ValueError for a kind that the model does not know."""
        if kind not in self.readers or kind not in self.space.names:
            raise ValueError(f"this model knows no {WORDS[kind]}: it was trained without them")
        if folder is None:
            return self.readers[kind]
        reader: Any = self.readers[kind]
        return type(reader)(replace(reader.settings, folder=folder))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of texts. Raises ValueError for one that is blank or longer than the model's positions."""
        found = self.translator.tokenizers.target.encode_many(list(texts))
        most = self.translator.max_length
        for text, ids in zip(texts, found, strict=True):
            if not text.strip():
                raise ValueError("a text to look for must not be blank")
            if most is not None and len(ids) >= most:
                raise ValueError(f"{text[:60]}…: {len(ids)} pieces must be fewer than {most}, the model's maximum")
        return found

    def points_of_texts(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """points_NTE of the words of texts, on the CPU, and is_word_NT."""
        parts = [self._points_of_some_texts(some) for some in in_turn(self.ids(texts), AT_ONCE)]
        return concatenated([points for points, _ in parts]), concatenated([is_word for _, is_word in parts])

    @torch.inference_mode()
    def _points_of_some_texts(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        translator, model = self.translator, self.translator.model
        tokens_NT = padded([[BOS, *pieces] for pieces in ids]).to(translator.device)
        with translator.precision():
            states_NTD, _ = model.extend(tokens_NT, model.start(Text.of([[]]).to(translator.device)))
            points_NTE = self.space.text(states_NTD)
        return points_NTE.cpu(), ((tokens_NT != PAD) & (tokens_NT != BOS)).cpu()

    @torch.inference_mode()
    def points(self, kind: str, values: Sequence[np.ndarray]) -> Tensor:
        """points_NSE of the places of pictures or sounds, on the CPU."""
        translator, model = self.translator, self.translator.model
        assert model.beside is not None
        found = []
        for some in in_turn(values, AT_ONCE):
            source = KINDS[kind].of(some, translator.decodable.places[kind]).to(translator.device)
            with translator.precision():
                found.append(self.space.things[kind](model.beside[kind](source, None).states_BSD).cpu())
        return torch.cat(found)

    def vectors(self, query: Query) -> Tensor:
        """vectors_1E of a query. Raises ValueError for a space in which single vectors are not compared."""
        self.check_vectors()
        if query.kind == TEXT:
            return mean_vectors(*self.points_of_texts([query.text]))
        assert query.values is not None
        return mean_vectors(self.points(query.kind, [query.values]), None)

    def check_vectors(self) -> None:
        """Raises ValueError for a model that compares words with regions, of which there is no index."""
        if not self.space.has_vectors:
            raise ValueError(
                f"model.space.similarity ({self.space.similarity}) must be vectors for an index: words are compared"
                " with every region, which `mt.retrieve evaluate` does"
            )

    def log_probs(self, kind: str, pairs: Sequence[Beside]) -> list[float]:
        """Log-probabilities in nats of texts (their pieces), each with its tag beside its picture or sound.

        None for the picture: the text by itself, beside nothing. One that comes several times (the same array) is
        encoded once a batch.
        """
        return [total for total, _ in self._scored(kind, pairs)]

    def least_log_probs(self, kind: str, pairs: Sequence[Beside]) -> list[float]:
        """As `log_probs`, but of the least likely piece of each text alone, its end among them."""
        return [least for _, least in self._scored(kind, pairs)]

    @torch.inference_mode()
    def _scored(self, kind: str, pairs: Sequence[Beside]) -> list[tuple[float, float]]:
        """The log-probability of each text, and of its least likely piece."""
        translator = self.translator
        places = translator.decodable.places[kind]
        order = sorted(range(len(pairs)), key=lambda n: (_address(pairs[n][2]), len(pairs[n][0])))
        found = [(0.0, 0.0)] * len(pairs)
        longest = max((len(ids) for ids, _, _ in pairs), default=0) + 1
        at_once = max(1, min(PAIRS_AT_ONCE, MAX_CELLS // (longest * translator.tokenizers.target.size)))
        for some in in_turn(order, at_once):
            ids = [pairs[n][0] for n in some]
            tags = translator.tokenizers.source.encode_many([pairs[n][1] or "" for n in some])
            source = BESIDE[kind](Text.of(tags), [pairs[n][2] for n in some], places).to(translator.device)
            tokens_RT = padded([[BOS, *pieces] for pieces in ids]).to(translator.device)
            wanted_RT = padded([[*pieces, EOS] for pieces in ids]).to(translator.device)
            with translator.precision():
                logits_RTV, _ = translator.decodable.extend(tokens_RT, translator.decodable.start(source))
            chosen_RT = (
                logits_RTV.log_softmax(dim=-1, dtype=torch.float32).gather(-1, wanted_RT.unsqueeze(-1)).squeeze(-1)
            )
            chosen_RT = chosen_RT * (wanted_RT != PAD)
            rows = zip(some, chosen_RT.sum(dim=1).tolist(), chosen_RT.amin(dim=1).tolist(), strict=True)
            for n, total, least in rows:
                found[n] = total, least
        return found

    def gains(self, kind: str, pairs: Sequence[Beside]) -> list[float]:
        """log P(text | picture) - log P(text), in nats, of pairs as `log_probs` takes them."""
        texts = list(dict.fromkeys(tuple(ids) for ids, _, _ in pairs))
        alone = dict(zip(texts, self.log_probs(kind, [(ids, None, None) for ids in texts]), strict=True))
        beside = self.log_probs(kind, pairs)
        return [total - alone[tuple(ids)] for total, (ids, _, _) in zip(beside, pairs, strict=True)]

    @torch.inference_mode()
    def judgements(self, kind: str, pairs: Sequence[tuple[Sequence[int], np.ndarray]]) -> list[float]:
        """Above 0 where the model's layer judges that a text (its pieces) is true of a picture or sound.

        For a model with that layer: `space.judge` is not None.
        """
        translator, model = self.translator, self.translator.model
        assert model.beside is not None
        order = sorted(range(len(pairs)), key=lambda n: (_address(pairs[n][1]), len(pairs[n][0])))
        found = [0.0] * len(pairs)
        for some in in_turn(order, PAIRS_AT_ONCE):
            source = KINDS[kind].of([pairs[n][1] for n in some], translator.decodable.places[kind])
            tokens_RT = padded([[BOS, *pairs[n][0]] for n in some]).to(translator.device)
            with translator.precision():
                logits_R = model.judge(tokens_RT, model.beside[kind](source.to(translator.device), None))
            for n, logit in zip(some, logits_R.tolist(), strict=True):
                found[n] = logit
        return found

    def tag(self, kind: str, text: str, beside: np.ndarray, language: str | None) -> str | None:
        """The tag of a text's language; None for `language`: the one under which it is likeliest beside this picture.

        Raises ValueError for a language that the model does not know.
        """
        tags = self.translator.tags
        known = [tag for tag in tags.known if language_of_tag(tag)]
        if language is not None or len(known) < 2:
            return tags.of_language(language, language or self.translator.language)
        [ids] = self.ids([text])
        totals = self.log_probs(kind, [(ids, tag, beside) for tag in known])
        return known[totals.index(max(totals))]

    def find(
        self, index: VectorIndex, query: Query, *, best: int, candidates: int, language: str | None
    ) -> list[Found]:
        """The `best` things of an index, of its `candidates` nearest, ordered anew by what they gain where that can be.

        `candidates` 0: by their vectors alone. Raises ValueError for an index that another model made, and for one of
        files that cannot be read any more.
        """
        self.check(index)
        of_index = str(index.about["kind"])
        has_gains = candidates > 0 and (query.kind == TEXT) != (of_index == TEXT)
        scores, places = index.search(self.vectors(query), max(best, candidates) if has_gains else best)
        names = [index.names[place] for place in places[0].tolist()]
        gains: list[float] = []
        if has_gains and query.kind == TEXT:
            read = self.reader(of_index, index.about.get("folder"))
            values = [read(name).values for name in names]
            [ids], tag = self.ids([query.text]), self.tag(of_index, query.text, values[0], language)
            gains = self.gains(of_index, [(ids, tag, one) for one in values])
        elif has_gains:
            assert query.values is not None
            tag = self.translator.tags.of_language(index.about.get("language"), self.translator.language)
            gains = self.gains(query.kind, [(ids, tag, query.values) for ids in self.ids(names)])
        found = [
            Found(name, score, gains[place] if gains else None)
            for place, (name, score) in enumerate(zip(names, scores[0].tolist(), strict=True))
        ]
        if gains:
            found.sort(key=lambda one: -(one.gain_nats or 0.0))
        return found[:best]

    def check(self, index: VectorIndex) -> None:
        """Raises ValueError for an index of something else, or of another model."""
        if index.about.get("kind") not in WORDS:
            raise ValueError(f"the index's kind ({index.about.get('kind')}) must be one of {', '.join(WORDS)}")
        made_by = index.about.get("model")
        if None not in (made_by, self.digest) and made_by != self.digest:
            raise ValueError("the index must be made by this checkpoint: its vectors are those of other weights")


def index_of(
    retriever: Retriever,
    kind: str,
    names: Iterable[str],
    *,
    about: dict[str, Any],
    say: Callable[[str], None],
) -> VectorIndex:
    """An index of texts, or of the pictures or sounds that `names` are the files of, inside of `about`'s folder.

    `say` is told of each file that cannot be used, which is left out. Raises ValueError where nothing is left.
    """
    retriever.check_vectors()
    kept: list[str] = []
    vectors: list[Tensor] = []
    if kind == TEXT:
        for some in in_turn(_fitting(retriever, names, say), AT_ONCE):
            kept += some
            vectors.append(mean_vectors(*retriever.points_of_texts(some)))
    else:
        read = retriever.reader(kind, about.get("folder"))
        for some in in_turn(_readable(read, names, say), AT_ONCE):
            kept += [name for name, _ in some]
            vectors.append(mean_vectors(retriever.points(kind, [values for _, values in some]), None))
    if not kept:
        raise ValueError(f"there are no {WORDS[kind]} to make an index of")
    return VectorIndex.of(kept, torch.cat(vectors), {"kind": kind, "model": retriever.digest, **about})


def in_turn(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` items; the last one may be shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _readable(
    read: Callable[[str], Any], names: Iterable[str], say: Callable[[str], None]
) -> Iterator[tuple[str, np.ndarray]]:
    for name in names:
        try:
            yield name, read(name).values
        except UnusableFile as error:
            say(str(error))


def _fitting(retriever: Retriever, texts: Iterable[str], say: Callable[[str], None]) -> Iterator[str]:
    for text in texts:
        try:
            if text.strip() and retriever.ids([text]):
                yield text
        except ValueError as error:
            say(str(error))


def _address(values: np.ndarray | None) -> int:
    return 0 if values is None else values.__array_interface__["data"][0]
