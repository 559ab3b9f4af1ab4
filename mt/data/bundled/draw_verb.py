"""Drawing verbs: by their arguments, and by what they may mean in a tense."""

from mt.data.bundled import lexicon
from mt.data.bundled.draw_choice import Choice
from mt.data.bundled.draw_noun import PEOPLE
from mt.data.bundled.lexicon import Noun, Verb

VERBS: dict[str, tuple[Verb, ...]] = {}
for _verb in lexicon.verbs():
    VERBS[_verb.frame] = (*VERBS.get(_verb.frame, ()), _verb)
ACTIVE_FRAMES = (
    *["accusative"] * 6,
    *["intransitive"] * 3,
    "dative",
    "ditransitive",
    "prepositional",
    "direction",
    "direction",
    "location",
)
ACTIVE = {
    frame: [
        v
        for v in VERBS[frame]
        if not v.is_state
        and "event" not in v.flags
        and "person" in v.subjects
        and not v.flags & {"passively", "unwilled"}
    ]
    for frame in set(ACTIVE_FRAMES)
}
MOMENTS = [
    v
    for v in VERBS["accusative"] + VERBS["intransitive"] + VERBS["direction"]
    if "moment" in v.flags and "person" in v.subjects
]
PASSIVES = [
    v
    for v in VERBS["accusative"]
    if not v.is_state
    and not v.objects & PEOPLE
    and not v.en.preposition
    and "person" in v.subjects
    and "nopassive" not in v.flags
]


def suits(verb: Verb, tense: str) -> bool:
    """Whether a tense (or `modal`) makes sense: nobody plans to lose a key or buys a house every day."""
    if not tense:
        return True
    if verb.is_state:
        return tense == "past"
    if "unwilled" in verb.flags and tense == "modal":
        return False
    if "event" in verb.flags:
        return tense in ("past", "perfect", "pluperfect")
    return tense != "present" or "once" not in verb.flags


class VerbDraw(Choice):
    """Choices of verbs."""

    def verb(self, *frames: str, tense: str = "", flag: str = "", where=None) -> Verb:
        """A verb with one of the frames that may stand in the tense (see `suits`)."""
        while True:
            entry = self.pick(VERBS[self.pick(frames)])
            if (not flag or flag in entry.flags) and suits(entry, tense) and (where is None or where(entry)):
                self.lemmas.append(entry.lemma)
                return entry

    def one_of(self, names: str) -> Verb:
        """One of the verbs of a list like `work/|pick up`."""
        entry = lexicon.verb(self.pick(names.split("|")))
        self.lemmas.append(entry.lemma)
        return entry

    def active_verb(self, *, sich: bool = True) -> Verb:
        """A verb for something that people do on purpose."""
        while True:
            entry = self.pick(ACTIVE[self.pick(ACTIVE_FRAMES)])
            if sich or "sich" not in entry.flags:
                self.lemmas.append(entry.lemma)
                return entry

    def short_verb(self) -> Verb:
        """A verb for something that happens at one moment: arrive, come, open."""
        entry = self.pick(MOMENTS)
        self.lemmas.append(entry.lemma)
        return entry

    def passive_verb(self) -> Verb:
        entry = self.pick(PASSIVES)
        self.lemmas.append(entry.lemma)
        return entry

    def suitable_verb(self, noun: Noun, *frames: str, tense: str) -> Verb:
        """A dynamic verb that the noun can be the subject of."""
        while True:
            entry = self.pick(VERBS[self.pick(frames)])
            if entry.subjects & noun.tags and not entry.is_state and suits(entry, tense):
                self.lemmas.append(entry.lemma)
                return entry
