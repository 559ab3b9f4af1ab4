"""The bundled grammar: forms of both languages, and whole sentences with their links."""

import pytest

from mt.data.bundled import lexicon
from mt.data.bundled import morphology_de as german
from mt.data.bundled import morphology_en as english
from mt.data.bundled.clause import Clause
from mt.data.bundled.noun_phrase import Fixed, NounPhrase, Pronoun, prepositional
from mt.data.bundled.sentence import Word, pharaoh, typeset


class Marks:
    def __init__(self):
        self.last = 1

    def __call__(self):
        self.last <<= 1
        return self.last


@pytest.mark.parametrize(
    ("entry", "du", "er", "participle", "order", "zu"),
    [
        ("auf+machen", "machst", "macht", "aufgemacht", "mache", "aufzumachen"),
        ("an+rufen - rief gerufen", "rufst", "ruft", "angerufen", "ruf", "anzurufen"),
        ("besuchen", "besuchst", "besucht", "besucht", "besuche", "zu besuchen"),
        ("reparieren", "reparierst", "repariert", "repariert", "repariere", "zu reparieren"),
        ("arbeiten", "arbeitest", "arbeitet", "gearbeitet", "arbeite", "zu arbeiten"),
        ("öffnen", "öffnest", "öffnet", "geöffnet", "öffne", "zu öffnen"),
        ("sammeln", "sammelst", "sammelt", "gesammelt", "sammle", "zu sammeln"),
        ("lesen liest las gelesen", "liest", "liest", "gelesen", "lies", "zu lesen"),
        ("geben gibt gab gegeben", "gibst", "gibt", "gegeben", "gib", "zu geben"),
        ("fahren fährt fuhr gefahren", "fährst", "fährt", "gefahren", "fahr", "zu fahren"),
        ("ein+laden lädt lud geladen", "lädst", "lädt", "eingeladen", "lade", "einzuladen"),
        ("tanzen", "tanzt", "tanzt", "getanzt", "tanze", "zu tanzen"),
        ("lernen", "lernst", "lernt", "gelernt", "lerne", "zu lernen"),
    ],
)
def test_german_verbs(entry, du, er, participle, order, zu):
    verb = german.read_verb(entry)
    assert (verb.present[1], verb.present[2], verb.participle, verb.imperative, verb.zu_infinitive) == (
        du, er, participle, order, zu,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("infinitive", "forms"),
    [
        ("arbeiten", "arbeitete arbeitetest arbeitete arbeiteten arbeitetet arbeiteten"),
        ("finden - fand gefunden", "fand fandest fand fanden fandet fanden"),
        ("bringen - brachte gebracht", "brachte brachtest brachte brachten brachtet brachten"),
    ],
)
def test_german_preterite(infinitive, forms):
    assert german.read_verb(infinitive).preterite == tuple(forms.split())


@pytest.mark.parametrize(
    ("lemma", "determiner", "adjective", "plural", "forms"),
    [
        ("man", "a", "old", False, "ein alter Mann / einen alten Mann / einem alten Mann / eines alten Mannes"),
        ("man", "the", "old", True, "die alten Männer / die alten Männer / den alten Männern / der alten Männer"),
        ("student", "the", "young", False,
         "der junge Student / den jungen Studenten / dem jungen Studenten / des jungen Studenten"),
        ("book", "I", "new", False, "mein neues Buch / mein neues Buch / meinem neuen Buch / meines neuen Buches"),
        ("car", "", "expensive", True, "teure Autos / teure Autos / teuren Autos / teurer Autos"),
        ("milk", "", "cold", False, "kalte Milch / kalte Milch / kalter Milch / kalter Milch"),
        ("girl", "this", "smart", False,
         "dieses kluge Mädchen / dieses kluge Mädchen / diesem klugen Mädchen / dieses klugen Mädchens"),
        ("lamp", "you all", "new", False, "eure neue Lampe / eure neue Lampe / eurer neuen Lampe / eurer neuen Lampe"),
        ("friend", "no", "good", False,
         "kein guter Freund / keinen guten Freund / keinem guten Freund / keines guten Freundes"),
    ],
)  # fmt: skip
def test_german_noun_phrases_in_four_cases(lemma, determiner, adjective, plural, forms):
    phrase = NounPhrase(
        lexicon.noun(lemma),
        Marks(),
        determiner=determiner,
        is_plural=plural,
        adjectives=(lexicon.adjective(adjective),),
    )
    assert " / ".join(" ".join(word.text for word in phrase.german(case)) for case in range(4)) == forms


@pytest.mark.parametrize(
    ("word", "article"),
    [("apple", "an"), ("old", "an"), ("university", "a"), ("hour", "an"), ("hat", "a"), ("used", "a")],
)
def test_english_indefinite_article_goes_by_sound(word, article):
    assert english.indefinite_article(word) == article


@pytest.mark.parametrize(
    ("base", "forms"),
    [
        ("hug", "hugs hugged hugging"),
        ("carry", "carries carried carrying"),
        ("wash", "washes washed washing"),
        ("love", "loves loved loving"),
        ("lie lay lain", "lies lay lying"),
        ("play", "plays played playing"),
        ("visit", "visits visited visiting"),
    ],
)
def test_english_verbs(base, forms):
    verb = english.read_verb(base)
    assert (verb.third, verb.past, verb.progressive) == tuple(forms.split())


@pytest.mark.parametrize(
    ("adjective", "comparative", "superlative"),
    [
        ("big", "bigger", "biggest"),
        ("happy", "happier", "happiest"),
        ("nice", "nicer", "nicest"),
        ("famous", "more famous", "most famous"),
        ("cheap", "cheaper", "cheapest"),
        ("expensive", "more expensive", "most expensive"),
        ("good", "better", "best"),
        ("easy", "easier", "easiest"),
    ],
)
def test_english_comparison(adjective, comparative, superlative):
    assert lexicon.adjective(adjective).en[1:] == (comparative, superlative)


@pytest.mark.parametrize(
    "preposition,lemma,contracted", [("in", "park", "im"), ("zu", "school", "zur"), ("von", "man", "vom")]
)
def test_prepositions_contract_with_the_dative_article(preposition, lemma, contracted):
    words = prepositional(Word(preposition, 1), NounPhrase(lexicon.noun(lemma), Marks()).german(2))
    assert words[0].text == contracted


def sentence(subject, verb, *, order="second", question=False, accusative=None, **settings):
    marks = Marks()
    clause = Clause(Pronoun(subject, marks()), lexicon.verb(verb), marks, **settings)
    if accusative:
        clause.accusative = NounPhrase(lexicon.noun(accusative[1]), marks, determiner=accusative[0])
    end = "?" if question else "."
    en, source_marks = typeset(clause.english(question=question), end)
    de, target_marks = typeset(clause.german(order), end)
    return en, de, pharaoh(source_marks, target_marks)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"subject": "he", "verb": "turn on", "accusative": ("the", "lamp")},
         ("He turns on the lamp.", "Er schaltet die Lampe ein.", "0-0 1-1 1-4 2-1 2-4 3-2 4-3")),
        ({"subject": "you", "verb": "see", "accusative": ("a", "dog"), "order": "first", "question": True},
         ("Do you see a dog?", "Siehst du einen Hund?", "0-0 1-1 2-0 3-2 4-3")),
        ({"subject": "she", "verb": "read", "accusative": ("a", "book"), "negated": True},
         ("She does not read a book.", "Sie liest kein Buch.", "0-0 1-1 2-2 3-1 4-2 5-3")),
        ({"subject": "we", "verb": "buy", "accusative": ("the", "car"), "tense": "perfect", "negated": True},
         ("We have not bought the car.", "Wir haben das Auto nicht gekauft.", "0-0 1-1 2-4 3-5 4-2 5-3")),
        ({"subject": "they", "verb": "invite", "accusative": ("I", "friend"), "tense": "future", "order": "last"},
         ("They will invite my friend.", "Sie meinen Freund einladen werden.", "0-0 1-4 2-3 3-1 4-2")),
        ({"subject": "I", "verb": "go/gehen", "tense": "past", "spoken": True},
         ("I went.", "Ich bin gegangen.", "0-0 1-1 1-2")),
        ({"subject": "he", "verb": "hurry", "tense": "progressive", "order": "last"},
         ("He is hurrying.", "Er sich beeilt.", "0-0 1-2 2-1 2-2")),
        ({"subject": "you all", "verb": "pick up", "accusative": ("the", "boy"), "modal": "must"},
         ("You must pick up the boy.", "Ihr müsst den Jungen abholen.", "0-0 1-1 2-4 3-4 4-2 5-3")),
    ],
)  # fmt: skip
def test_sentences_and_their_links(settings, expected):
    assert sentence(**settings) == expected


def test_things_are_taken_up_by_the_pronoun_of_their_gender():
    pronouns = [
        NounPhrase(lexicon.noun(noun), Marks()).pronoun(1).german(0)[0].text for noun in ("table", "lamp", "car")
    ]
    assert pronouns == ["er", "sie", "es"]


def test_names_take_a_genitive_without_article():
    phrase = NounPhrase(
        lexicon.noun("car"), Marks(), possessor=Fixed("Anna", "Anna", 2), adjectives=(lexicon.adjective("new"),)
    )
    assert [word.text for word in phrase.german(0)] == ["Annas", "neues", "Auto"]


def test_no_noun_or_verb_stands_twice_in_one_table_row():
    nouns = [noun.lemma for noun in lexicon.nouns()]
    assert len(nouns) == len(set(nouns))
