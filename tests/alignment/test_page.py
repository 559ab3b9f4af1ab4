"""The page as a file: what it carries, to the last digit, whatever stands in the sentences."""

import html.parser
import json
import re
import zlib
from base64 import b64decode

import numpy as np
import pytest

from mt.alignment.alignment import Alignment, RawAttention
from mt.alignment.error_rate import ErrorRate
from mt.alignment.gold import from_pharaoh
from mt.alignment.page.page import Page, languages, runs_right_to_left
from mt.alignment.words import by_words
from mt.words import split_words
from tests.alignment.made_up import HOSTILE, add


class Scripts(html.parser.HTMLParser):
    """The scripts of a page as a browser parts them, and every address that it names."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.addresses, self._inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action")]

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data


def data_of(text):
    return json.loads(Scripts(text).scripts[0])


def test_the_page_carries_the_weights_and_links_of_the_json():
    page = Page(method="argmax", threshold=0.3)
    raw, alignment, links = add(page, 4, "The houses stand alone", "Die Häuser stehen")
    (sentence,) = data_of(page.html({}))["sentences"]
    unpacked = zlib.decompress(b64decode(sentence["packed"]))
    T, S = alignment.weights_TS.shape
    weights_TS = np.frombuffer(unpacked, "<u2", T * S).reshape(T, S) / 10_000
    assert weights_TS.tolist() == alignment.to_json()["weights"]
    norms_LHS = np.frombuffer(unpacked, "<u2", raw.norms_LHS.size, offset=2 * T * S).reshape(raw.norms_LHS.shape)
    np.testing.assert_allclose(norms_LHS / 65535 * raw.norms_LHS.max(), raw.norms_LHS, atol=1e-4)
    steps_LHTS = np.frombuffer(unpacked, "u1", offset=2 * (T * S + norms_LHS.size)).reshape(raw.weights_LHTS.shape)
    np.testing.assert_allclose((steps_LHTS / 255) ** 2, raw.weights_LHTS, atol=0.004)
    assert {tuple(link) for link in sentence["links"]} == links
    assert (sentence["line"], sentence["source"]["words"]) == (4, ["The", "houses", "stand", "alone"])


def test_scores_of_a_sentence():
    page, gold = Page(method="argmax", threshold=0.3), from_pharaoh("0-0 1?1 2-2")
    _, alignment, links = add(page, 1, "one two three", "eins zwei drei", gold)
    (sentence,) = data_of(page.html({}))["sentences"]
    assert sentence["aer"] == pytest.approx(ErrorRate.of(links, gold).aer, abs=1e-4)
    assert sentence["sink"] == pytest.approx(alignment.sink_mass, abs=1e-4)
    assert sentence["confidence"] == pytest.approx(alignment.weights_TS.max(axis=1).mean(), abs=1e-4)


@pytest.mark.parametrize("token", HOSTILE, ids=ascii)
def test_no_sentence_ends_the_data_or_becomes_markup(token):
    page = Page(method="argmax", threshold=0.3)
    empty = page.html({})
    plain = Scripts(empty)
    add(page, 1, f"a {token} b", f"x {token}")
    text = page.html({"checkpoint": token})
    assert {letter for letter in text if not letter.isascii()} == {letter for letter in empty if not letter.isascii()}
    assert len(Scripts(text).scripts) == len(plain.scripts)
    assert Scripts(text).scripts[1:] == plain.scripts[1:]
    data = data_of(text)
    assert data["facts"] == {"checkpoint": token}
    assert data["sentences"][0]["source"]["words"] == split_words(f"a {token} b")


def test_the_page_asks_nothing_of_any_network():
    page = Page(method="argmax", threshold=0.3)
    add(page, 1, "a b", "x y")
    text = page.html({})
    assert Scripts(text).addresses == []
    assert set(re.findall(r"\w+://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "default-src 'none'" in text
    assert "{{" not in text


def test_ten_sentences_of_a_large_model_are_half_a_megabyte():
    rng = np.random.default_rng(0)
    pieces = [f"▁w{at}" for at in range(24)] + ["</s>"]
    page = Page(method="argmax", threshold=0.3)
    for number in range(10):
        weights_LHTS = rng.dirichlet(np.full(25, 0.1), size=(6, 8, 25))
        raw = RawAttention(weights_LHTS, pieces, pieces, rng.uniform(0.5, 1, (6, 8, 25)))
        alignment = Alignment.from_attention(raw, layer=3)
        text = " ".join(f"w{at}" for at in range(24))
        page.add(number, text, text, raw, by_words(alignment, text, text), [], None)
    assert len(page) == 10
    assert len(page.html({})) < 500_000


def test_a_page_of_nothing_is_a_page():
    assert data_of(Page(method="argmax", threshold=0.3).html({"lines": "0 of 0"}))["sentences"] == []


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("en-de", ["en", "de"]), ("pt_BR-zh", ["pt-BR", "zh"]), ("source-target", ["", ""]), ("en", ["", ""])],
)
def test_languages(direction, expected):
    assert languages(direction) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("house", False), ("البيت القديم", True), ("IBM اشترت البيت", True), ("12 34", False)]
)
def test_a_line_runs_as_most_of_its_letters_do(text, expected):
    assert runs_right_to_left(text) == expected
