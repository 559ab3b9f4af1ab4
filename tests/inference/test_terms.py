"""Terms and prefixes: found in a line, enforced in its translation, and told whether they were honoured."""

import json
import pickle

import pytest

from mt.inference.options import Options
from mt.inference.request import Request
from mt.inference.terms import Glossary, continuing_pieces, term_pieces
from mt.inference.translator import Translator
from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.search.sampling import Sampling
from mt.translate import main

SEARCHES = {"greedy": Greedy(), "beam": Beam(size=4), "n_best": Beam(size=5, n_best=3), "sampling": Sampling()}
every_search = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
LINES = ["eins zwei drei", "acht acht vier", "sechs"]


@pytest.fixture(scope="module")
def translator(trained_run):
    return Translator.load(trained_run, device="cpu")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the cat", {"cat": 1}),
        ("Cat, CAT and cats concatenate", {"cat": 2}),
        ("a Bengal cat, a cat", {"Bengal cat": 1, "cat": 1}),
        ("Polish polish polishes", {"Polish": 1, "polish": 1}),
        ("我的猫很大猫", {"猫": 2}),
        ("die Straßenbahn", {}),
        ("eine STRASSE", {}),  # lower and upper case are compared letter by letter
        ("C++ and c++", {"C++": 2}),
        ("cafe\u0301", {"caf\u00e9": 1}),
        ("", {}),
    ],
)
def test_a_hit_is_the_longest_source_as_whole_words(text, expected):
    sources = ["cat", "Bengal cat", "Polish", "polish", "猫", "Straße", "C++", "caf\u00e9"]
    glossary = Glossary({source: f"{source}-target" for source in sources})
    assert glossary.hits(text) == expected
    assert pickle.loads(pickle.dumps(glossary)).hits(text) == expected


def test_uses_say_how_often_the_target_was_found():
    glossary = Glossary({"dog": "Hund", "hound": "Hund", "cat": "Katze"})
    uses = glossary.uses("a dog, a hound and a cat", "ein Hund und eine Kätzin, Hundehütte")
    assert [(use.source, use.times, use.found, use.is_honoured) for use in uses] == [
        ("dog", 1, 1, True),
        ("hound", 1, 0, False),
        ("cat", 1, 0, False),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("eins\tone\nzwei two\n", r"line 2: must be a source term, a tab and a target term: 'zwei two'"),
        ("eins\tone\tuno\n", "line 1: must be"),
        ("eins\t \n", "line 1: must be"),
        ("eins\tone\n\neins\tuno\n", r"line 3: 'eins' has another target already \('one'\)"),
        ("\n", "must have terms"),
    ],
)
def test_a_file_of_terms_that_cannot_be_read_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "terms.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        Glossary.load(tmp_path / "terms.tsv")
    assert "terms.tsv" in str(refused.value) and "\n" not in str(refused.value)


@every_search
def test_what_a_term_demands_stands_in_the_translation(translator, search):
    glossary = Glossary({"zwei": "eight", "acht": "six"})
    for translation in translator.translate([Request(line, terms=glossary) for line in LINES], search=search):
        for candidate in translation.candidates:
            assert all(use.is_honoured for use in glossary.uses(translation.source, candidate.text))
    assert [one.text for one in translator.translate([Request("sechs", terms=glossary)], search=search)] == [
        one.text for one in translator.translate(["sechs"], search=search)
    ]


@every_search
def test_a_translation_begins_with_its_prefix(translator, search):
    prefixes = ["four", "", " eight three "]
    requests = [Request(line, prefix=prefix) for line, prefix in zip(LINES, prefixes, strict=True)]
    translations = list(translator.translate(requests, search=search))
    for translation, prefix in zip(translations, prefixes, strict=True):
        assert all(candidate.text.startswith(prefix.strip()) for candidate in translation.candidates)


def test_lines_with_rules_are_translated_alike_in_any_batch(translator):
    glossary = Glossary({"zwei": "eight", "acht": "six"})
    requests = [
        Request(f"{line} vier", prefix="three" if place % 2 else "", terms=glossary if place % 3 else None)
        for place, line in enumerate(LINES * 3)
    ]
    together = list(translator.translate(requests, search=Beam(size=4)))
    alone = [next(translator.translate([request], search=Beam(size=4))) for request in requests]
    assert [one.text for one in together] == [one.text for one in alone]


def test_a_split_line_has_its_prefix_in_its_first_part_and_its_terms_where_they_stand(translator):
    glossary = Glossary({"acht": "six"})
    request = Request("eins zwei drei vier acht eins", prefix="four", terms=glossary)
    (translation,) = translator.translate([request], max_pieces=4)
    assert len(translation.segments) > 1
    assert translation.text.startswith("four") and "six" in translation.text


def test_terms_that_cannot_be_had_are_given_up_for_that_line_alone(translator):
    glossary = Glossary({"zwei": "six six six six six six"})
    search = Beam(size=4, max_length=5)
    requests = [Request("eins zwei", terms=glossary), Request("acht vier", terms=glossary)]
    found = [one.text for one in translator.translate(requests, search=search)]
    assert found == ["two one", "four eight"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request("eins", prefix="日"), r"prefix \(日\) has characters that the model's vocabulary cannot spell"),
        (Request("eins", terms=Glossary({"eins": "日"})), r"term \(日\) has characters"),
        (Request("eins", prefix="one " * 30), r"prefix must be at most as long as a translation \(7 pieces\), not"),
    ],
)
def test_what_no_target_can_hold_is_refused_in_one_line(translator, request_, message):
    with pytest.raises(ValueError, match=message) as refused:
        list(translator.translate([request_], search=Beam(max_length=7)))
    assert "\n" not in str(refused.value)


def test_pieces_that_go_on_in_a_word():
    class Pieces:
        size = 8

        def pieces(self, ids):
            return ["<unk>", "▁Hund", "e", "-", "<0xE4>", "<0x20>", "猫", "▁"]

    assert continuing_pieces(Pieces()).tolist() == [False, False, True, False, True, False, False, False]


def test_a_term_of_a_script_without_blanks_has_none_before_it():
    class Characters:
        def encode(self, text):
            return [ord("▁"), *map(ord, text)]

    assert term_pieces("猫", Characters()) == (ord("猫"),)
    assert term_pieces("ab", Characters()) == (ord("▁"), ord("a"), ord("b"))


def run(trained_run, capsys, *flags):
    assert main(["--checkpoint", str(trained_run), "--device", "cpu", *flags]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_command_says_which_terms_were_honoured(trained_run, tmp_path, capsys, caplog):
    (tmp_path / "terms").write_text("zwei\teight\nvier\tsix six six six six six\n", encoding="utf-8")
    flags = ["--terms", str(tmp_path / "terms"), "--json", "--max-length", "5"]
    first, second, third = map(json.loads, run(trained_run, capsys, *flags, "eins zwei", "vier", "acht"))
    (of_first,) = first["translations"][0]["terms"]
    assert of_first == {"source": "zwei", "target": "eight", "times": 1, "found": 1, "is_honoured": True}
    assert [term["is_honoured"] for term in second["translations"][0]["terms"]] == [False]
    assert second["notes"] == ["term not honoured: vier -> six six six six six six (0 of 1)"]
    assert third["translations"][0]["terms"] == [] and first["notes"] == []
    assert "line 2: term not honoured: vier" in caplog.text


def test_a_prefix_may_be_one_for_all_or_a_column_of_its_own(trained_run, tmp_path, capsys):
    found = run(trained_run, capsys, "--prefix", "six", "eins zwei", "drei")
    assert len(found) == 2 and all(line.startswith("six") for line in found)
    (tmp_path / "lines.tsv").write_text("eins zwei\tsix\ndrei\nacht\t\nvier\tx\n", encoding="utf-8")
    lines = "eins zwei\tnote\tsix", "drei", "acht\tnote\t", "vier\tnote\tone"
    (tmp_path / "lines.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    flags = ["--input", str(tmp_path / "lines.tsv"), "--prefix-column", "3", "--json"]
    found = [json.loads(line) for line in run(trained_run, capsys, *flags)]
    assert [one["source"] for one in found] == ["eins zwei", "drei", "acht", "vier"]
    texts = [one["translations"][0]["text"] for one in found]
    assert texts[0].startswith("six") and texts[1:3] == ["three", "eight"] and texts[3].startswith("one")
    with pytest.raises(ValueError, match="--prefix and --prefix-column: give one of them"):
        main(["--prefix", "a", "--prefix-column", "2", "eins"])


def test_options_take_the_prefix_of_a_line_from_its_column():
    assert Options(prefix="a").columns("x\ty") == ("x\ty", "a")
    assert Options(prefix_column=2).columns("x\ty\tz") == ("x", "y")
    assert Options(prefix_column=3).columns("x\ty") == ("x", "")


def test_terms_and_prefixes_work_with_markup_and_a_shortlist(trained_run, tmp_path, capsys):
    (tmp_path / "terms").write_text("zwei\teight\n", encoding="utf-8")
    flags = ["--terms", str(tmp_path / "terms"), "--prefix", "six", "--markup"]
    (found,) = run(trained_run, capsys, *flags, "eins <b>zwei</b>")
    assert found.replace("<b>", "").startswith("six") and "eight" in found
