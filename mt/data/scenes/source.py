"""The corpus object: scenes drawn from a seed, in splits that share no scene graph."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from zlib import crc32

from mt.data.pair import Pair
from mt.data.scenes.grammar import FULL, LANGUAGES, Sentence, sentences
from mt.data.scenes.lexicon import partners
from mt.data.scenes.scene import Scene, random_scene
from mt.data.scenes.twin import twins

DEFAULT_SIZES = {"train": 20_000, "valid": 300, "test": 500, "test_compositional": 300, "test_ambiguous": 300}
# which part of all scene graphs a split may take (`Scene.part`); the compositional one is apart by what it shows
REGIONS = {
    **{"train": range(0, 80), "valid": range(80, 85), "test": range(85, 90)},
    **{"test_ambiguous": range(90, 100), "test_compositional": range(0, 100)},
}
UNSEEN = range(80, 100)  # parts that training never has
HELD_OUT_PERCENT = 5  # of all colours with a kind, and numbers with a kind: only in test_compositional
SAID = ("full", "all")


@cache
def is_held_out(kind: str, what: str) -> bool:
    """Whether things of this kind never have this colour (or number) in train, valid and test."""
    return crc32(f"{kind}|{what}".encode()) % 100 < HELD_OUT_PERCENT


def has_held_out(scene: Scene) -> bool:
    """Whether a scene shows a combination that training never does."""
    return any(
        is_held_out(group.kind, group.colour) or (group.count > 1 and is_held_out(group.kind, str(group.count)))
        for group in scene.groups
    )


class Scenes:
    """A split of the scenes; the same settings give the same pairs, each with its picture, boxes and links.

    split     train, valid, test, test_compositional (unseen colours and numbers of a kind), test_ambiguous
    size      scenes; None for the split's default. test_ambiguous has two pairs for each: one source sentence with two
              pictures and two translations
    target    the language of the captions: en or de
    source    the language of the source sentences; None: captions of pictures alone
    said      full: captions that name every thing. all: one caption in four is any other true sentence
    shown     whether pairs have their pictures
    heard     whether pairs have their sounds (`mt.data.scenes.motif`); without both, a source is needed
    twins     whether every second scene is the twin of the one before (`mt.data.scenes.twin`): the same but for a
              colour, a kind or a number; both share a batch. Needs full captions, of which none is true of both
    Raises ValueError for an unknown split or language, and a size below 1.
    """

    def __init__(
        self,
        split: str,
        size: int | None = None,
        seed: int = 1,
        *,
        target: str,
        source: str | None = None,
        said: str = "all",
        shown: bool = True,
        heard: bool = False,
        twins: bool = False,
    ):
        if split not in DEFAULT_SIZES:
            raise ValueError(f"split ({split}) must be one of {', '.join(DEFAULT_SIZES)}")
        if size is not None and size < 1:
            raise ValueError(f"size ({size}) must be at least 1")
        for name, language in (("target", target), ("source", source)):
            if language not in LANGUAGES and not (name == "source" and language is None):
                raise ValueError(f"{name} ({language}) must be one of {', '.join(LANGUAGES)}")
        if source == target or (split == "test_ambiguous" and source is None):
            raise ValueError(f"source ({source}) must be another language than target ({target})")
        if source is None and not (shown or heard):
            raise ValueError("shown or heard must be true without a source: there would be nothing to read")
        if said not in SAID:
            raise ValueError(f"said ({said}) must be one of {', '.join(SAID)}")
        self.split, self.size, self.seed = split, DEFAULT_SIZES[split] if size is None else size, seed
        self.source, self.target, self.said, self.shown = source, target, said, shown
        if twins and (said != FULL or split == "test_ambiguous"):
            raise ValueError(f"twins needs said=full, not {said}, and another split than test_ambiguous")
        self.heard, self.twins = heard, twins

    def __len__(self) -> int:
        return self.size * (2 if self.split == "test_ambiguous" else 1)

    def __iter__(self) -> Iterator[Pair]:
        found = 0
        for number, (scene, group) in enumerate(self._grouped()):
            # one generator for each scene, so that both languages say the same of a picture
            random = Random(f"{self.split} {self.seed} {number}")
            if self.split == "test_ambiguous":
                both = self._ambiguous(scene, random)
                if both is None:
                    continue
                yield from both
            else:
                known = list(sentences(scene))
                is_full = self.said == "full" or random.random() < 0.75
                yield self._pair(scene, known[0] if is_full else random.choice(known), group)
            found += 1
            if found == self.size:
                return

    def scenes(self) -> Iterator[Scene]:
        """The scenes of the split, without end."""
        random = Random(f"{self.split} {self.seed}")
        while True:
            scene = random_scene(random)
            if self._has(scene):
                yield scene

    def fingerprint(self) -> str:
        """Hash of the grammar's own files and of the settings."""
        settings = (self.split, self.size, self.seed, self.source, self.target, self.said, self.shown, self.heard)
        digest = sha256(repr((*settings, self.twins)).encode())
        for path in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def _has(self, scene: Scene) -> bool:
        """Whether the split may show this scene."""
        return scene.part in REGIONS[self.split] and has_held_out(scene) == (self.split == "test_compositional")

    def _grouped(self) -> Iterator[tuple[Scene, str | None]]:
        """The scenes, each with what it shares with its twin, where it has one."""
        for number, scene in enumerate(self.scenes()):
            random = Random(f"twin {self.split} {self.seed} {number}")
            twin = next(filter(self._has, twins(scene, random)), None) if self.twins else None
            if twin is None:
                yield scene, None
            else:
                yield from ((one, f"{self.split} {self.seed} {number}") for one in (scene, twin))

    def _pair(self, scene: Scene, said: Sentence, group: str | None = None) -> Pair:
        return Pair(
            "" if self.source is None else said.text(self.source),
            said.text(self.target),
            None if self.source is None else said.links(self.source, self.target),
            image=scene.text if self.shown else None,
            boxes=said.boxes(self.target, scene) if self.shown else None,
            sound=scene.text if self.heard else None,
            group=group,
        )

    def _ambiguous(self, scene: Scene, random: Random) -> list[Pair] | None:
        """Two pairs with one source sentence, whose translation only the picture decides; None: this scene has none."""
        assert self.source is not None
        found = []
        for other in _variants(scene):
            if has_held_out(other) or other.part not in UNSEEN:
                continue
            of_other = {one.text(self.source): one for one in sentences(other)}
            for one in sentences(scene):
                twin = of_other.get(one.text(self.source))
                if twin is not None and twin.text(self.target) != one.text(self.target):
                    found.append([self._pair(scene, one), self._pair(other, twin)])
        if not found:
            return None
        is_full = random.random() < 0.5
        full = [both for both in found if len(both[0].source.split()) > 4]
        return random.choice(full if full and is_full else found)


def _variants(scene: Scene) -> Iterator[Scene]:
    """Scenes of which one sentence may say the same: a partner in a thing's place, or another number of things."""
    for place, group in enumerate(scene.groups):
        for kind in partners(group.kind):
            yield scene.with_kind(place, kind)
        if group.count > 1:
            fewer = list(scene.groups)
            fewer[place] = type(group)(group.kind, group.colour, group.rgb, group.boxes[:1])
            yield Scene(scene.ground, tuple(fewer))
    if len(scene.groups) == 1 and scene.groups[0].count == 1:
        yield from (scene.with_kind(0, kind) for kind in ("star", "flower", "heart") if kind != scene.groups[0].kind)


assert SAID[0] == FULL
