"""The models as the service sees them: pairs of languages, the number of pieces of a text, and detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt.data.cleaning.checks.scripts import language_of
from mt.data.tokenizer import Tokenizer, TokenizerPair
from mt.inference.tags import TARGET_TAG
from mt.serving.detection import detected
from mt.serving.messages import ModelFacts
from mt.serving.refusal import Refused, bad_request

AUTO = "auto"


@dataclass(frozen=True)
class Pair:
    """Two languages, the number of the model that translates between them, and the tag that it needs for them."""

    source: str
    target: str
    model: int
    tag: str | None = None


class Models:
    """What is served. Raises ValueError for two checkpoints with the same pair."""

    def __init__(self, facts: Sequence[ModelFacts]):
        self.facts = list(facts)
        self.pairs: dict[tuple[str, str], Pair] = {}
        for number, model in enumerate(facts):
            for pair in _pairs_of(number, model):
                other = self.pairs.setdefault((pair.source, pair.target), pair)
                if other is not pair:
                    both = f"{facts[other.model].checkpoint} and {model.checkpoint}"
                    raise ValueError(f"checkpoints ({both}) must have different languages, not {_shown(pair)} twice")
        self._tokenizers = [TokenizerPair.load(model.folder) for model in facts]

    @property
    def sources(self) -> list[str]:
        """Source languages, each once."""
        return list(dict.fromkeys(source for source, _ in self.pairs))

    @property
    def targets(self) -> list[str]:
        """Target languages, each once."""
        return list(dict.fromkeys(target for _, target in self.pairs))

    @property
    def languages(self) -> list[str]:
        """All languages, each once."""
        return list(dict.fromkeys([*self.sources, *self.targets]))

    def tokenizer(self, model: int) -> Tokenizer:
        """Of the model's source."""
        return self._tokenizers[model].source

    def target_tokenizer(self, model: int) -> Tokenizer:
        """Of the model's target."""
        return self._tokenizers[model].target

    def pair(self, source: str | None, target: str | None, text: str) -> Pair:
        """The pair of languages by their codes; variants (en-GB) find their language.

        A missing one, or the source `auto`, may be any: the only one, or the one that `text` seems to be written in.
        Raises `Refused` for languages that are not served.
        """
        wanted = None if source in (None, "", AUTO) else source
        found = [pair for pair in self.pairs.values() if _fits(target or None, pair.target)]
        if not found:
            raise bad_request(f"target ({target}) must be a served language: {', '.join(self.targets)}")
        if wanted is None:
            sources = list(dict.fromkeys(pair.source for pair in found))
            wanted = detected(text, sources)[0][0]
        fitting = [pair for pair in found if _fits(wanted, pair.source)]
        exact = [pair for pair in fitting if pair.source == wanted and pair.target == (target or pair.target)]
        chosen = exact or fitting
        if not chosen:
            pairs = ", ".join(map(_shown, self.pairs.values()))
            raise bad_request(f"source-target ({wanted}-{target or 'any'}) must be a served pair: {pairs}")
        if target is None and len({pair.target for pair in chosen}) > 1:
            raise bad_request(f"target must be given: {', '.join(pair.target for pair in chosen)}")
        return chosen[0]

    def check_same(self, facts: Sequence[ModelFacts]) -> None:
        """Raises ValueError where newly loaded models have other languages than those that are served."""
        for old, new in zip(self.facts, facts, strict=True):
            before, after = (_pairs_of(0, one) for one in (old, new))
            if before != after:
                raise ValueError(
                    f"checkpoint ({new.folder}) must have the languages that are served "
                    f"({', '.join(map(_shown, before))}), not {', '.join(map(_shown, after))}: restart to change them"
                )


def check_unicode(text: str, name: str) -> None:
    """Raises `Refused` for a text with half a character (a surrogate), which no encoding can write."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Refused(400, f"{name} must be Unicode text: it has half a character (a surrogate)", reason="bad request")


def _pairs_of(number: int, model: ModelFacts) -> list[Pair]:
    tags = [(tag, named[1]) for tag in model.tags if (named := TARGET_TAG.fullmatch(tag))]
    pairs = [Pair(model.source_language, target, number, tag) for tag, target in tags]
    is_named = any(target == model.target_language for _, target in tags)
    if model.reads_untagged and not is_named:
        pairs.append(Pair(model.source_language, model.target_language, number))
    if not pairs:  # it needs a tag, and none names a language: the client gives one
        pairs.append(Pair(model.source_language, model.target_language, number))
    return pairs


def _fits(wanted: str | None, code: str) -> bool:
    return wanted is None or wanted.lower() == code.lower() or language_of(wanted) == language_of(code)


def _shown(pair: Pair) -> str:
    return f"{pair.source}-{pair.target}"
