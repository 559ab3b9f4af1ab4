"""An export for browsers: sentencepiece's ids in JavaScript, our search's translations, a page without a server."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from mt.alignment.choice import Choice
from mt.alignment.words import words_of
from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import add_file
from mt.data.document import Context
from mt.export import main
from mt.inference.alternatives import alternatives
from mt.inference.job import Job, load_models
from mt.inference.options import Options
from mt.inference.terms import Glossary
from mt.inference.window import Window
from mt.interchange import browser_runtime
from mt.interchange.browser import SHARED, tokenizer_data
from mt.interchange.browser_engine import BrowserEngine
from mt.interchange.evidence import Evidence
from mt.prune import main as prune
from tests.browser import chromium, in_colours, missing, static_host
from tests.conftest import made_once
from tests.interchange.node import asked, needs_node
from tests.interchange.vocabularies import hostile_lines
from tests.page import becomes, choose, element, find, positions, texts, until, violations, wait, write

TRANSLATE = """
const [line, done] = arguments;
import("./engine.js").then(({ translate }) => translate({ source: "de", target: "en" }, line))
  .then((answer) => done(answer.lines[0].translations[0]), (error) => done({ error: error.message }));
"""
READ = """
const { Tokenizer } = await from("tokenizer");
const tokenizer = new Tokenizer(given.data);
const ids = given.lines.map((line) => tokenizer.encode(line));
return { ids, texts: ids.map((one) => tokenizer.decode(one)) };
"""


@cache
def engine_of(folder):
    """The engine of a folder, which takes a second to start."""
    return BrowserEngine(folder)


@needs_node
def test_pieces_and_texts_are_those_of_sentencepiece(vocabulary, real_lines):
    lines = [*real_lines[:2000], *(f"<2de> {line}" for line in real_lines[:50]), *hostile_lines()]
    ids, found = vocabulary.encode_many(lines), asked(READ, {"data": tokenizer_data(vocabulary), "lines": lines})
    assert [line for line, a, b in zip(lines, ids, found["ids"], strict=True) if a != b] == []
    texts = [vocabulary.decode(one).replace("\r", " ").replace("\n", " ") for one in ids]
    assert [(a, b) for a, b in zip(texts, found["texts"], strict=True) if a != b] == []


SHARES = """
const { sharesOf } = await from("words");
return given.map(([pieces, text]) => sharesOf(pieces, text).map((row) => [...row]));
"""


@needs_node
def test_pieces_belong_to_the_words_of_python(vocabulary, real_lines):
    lines = [*real_lines[:300], *hostile_lines()]
    pairs = [(vocabulary.pieces(vocabulary.encode(line)), line) for line in lines]
    pairs += [
        (pieces, vocabulary.decode(vocabulary.encode(line))) for (pieces, _), line in zip(pairs, lines, strict=True)
    ]
    pairs += [(pieces[::-1], line) for pieces, line in pairs[:400]]  # letters that do not fit the words
    for (pieces, text), found in zip(pairs, asked(SHARES, pairs), strict=True):
        ours = words_of(pieces, text).share_PW
        assert np.array(found).reshape(ours.shape) == pytest.approx(ours, abs=1e-12), (pieces, text)


@pytest.fixture
def runtime():
    """The runtime's folder; without npm and without its cache, the tests that run it are skipped."""
    try:
        return browser_runtime.cached()
    except ValueError as error:
        pytest.skip(f"onnxruntime-web is not there: {error}")


@pytest.fixture
def page(runtime, trained_run, corpus_folder, tmp_path_factory):
    """The folder that the command writes for a tiny model."""
    if find_spec("onnx") is None or shutil.which("node") is None:
        pytest.skip("needs the extra `export` and Node.js")
    files = ["--source", f"{corpus_folder}/test.de", "--reference", f"{corpus_folder}/test.en", "--limit", "10"]

    def make(folder: Path) -> None:
        main(["browser", "--checkpoint", str(trained_run), "--output", str(folder / "with a blank"), *files])

    return made_once(tmp_path_factory, "exported page", make) / "with a blank"


def test_the_folder_is_whole_and_shares_the_page_of_the_server(page):
    body = json.loads((page / "certificate.json").read_text("utf-8"))
    assert body["verdict"] == "exact" and body["decoding"]["same_text"] == 10
    assert {"README.md", "LICENSE", "runtime/LICENSE", "index.html", "engine/search.js"} <= set(body["files"])
    others = {"engine.js", "index.html"}
    for path in SHARED.iterdir():
        assert path.name in others or (page / path.name).read_bytes() == path.read_bytes()
    assert not (page / "translate.py").exists() and not (page / "onnx").exists()
    assert main(["verify", str(page)]) == 0


@pytest.fixture
def job(trained_run):
    """Our own engine, with options of `translate --json`."""
    whole = Job([trained_run], Options(json=True, device="cpu"), load_models)
    return lambda **how: whole.with_options(replace(whole.options, **how))


def rows_of(job, lines):
    """The records of lines."""
    return [json.loads(row) for row in job(Window(0, lines, [Context()] * len(lines))).text.split("\n")[:-1]]


def assert_same_record(theirs, ours):
    """Texts, links, what is left out or repeated, terms and notes are equal, and how sure words are nearly so."""
    for name in ("source", "plain_source", "notes"):
        assert theirs.get(name) == ours.get(name)
    assert len(theirs["translations"]) == len(ours["translations"])
    for found, own in zip(theirs["translations"], ours["translations"], strict=True):
        names = ("text", "plain_text", "links", "repeated", "terms", "coverage")
        assert {name: found.get(name) for name in names if name in own} == {
            name: own[name] for name in names if name in own
        }
        assert [one["position"] for one in found["omitted"]] == [one["position"] for one in own["omitted"]]
        for one, other in zip(found["omitted"], own["omitted"], strict=True):
            assert one == pytest.approx(other, abs=2e-4)
        assert found["confidence"] == pytest.approx(own["confidence"], abs=2e-4)
        assert found["score"] == pytest.approx(own["score"], abs=2e-4)


WISHES = [  # what a line is asked with: the page's words for it, and those of our options
    ({}, {}),
    ({"terms": {"zwei": "six", "EINS vier": "one four", "acht": "eight"}}, "terms"),
    ({"terms": {"zwei": "three two", "drei": "three two", "sechs": "six"}}, "terms"),
    ({"prefix": "two"}, {"prefix": "two"}),
    ({"prefix": " six six one "}, {"prefix": " six six one "}),
    ({"prefix": "one", "terms": {"zwei": "six", "drei": "eight eight"}}, {"prefix": "one"}),
    ({"markup": True}, {"markup": True}),
    ({"markup": True, "terms": {"zwei": "six"}}, {"markup": True}),
    ({"bySentence": True}, {"by_sentence": True}),
]
MARKED = [
    "eins <b>zwei drei</b> {x} vier",
    "<i>acht</i> &amp; sechs",
    "{n, plural, one {eins zwei} other {# acht}} vier",
    "<b></b>",
]
LONG = [
    "eins zwei. Drei vier! Acht",
    " ".join(["eins zwei drei, vier fünf sechs"] * 12),
    "eins zwei " * 3 + "acht acht acht acht",
]


@pytest.mark.parametrize(("theirs", "ours"), WISHES, ids=[str(theirs) for theirs, _ in WISHES])
def test_records_are_those_of_translate(theirs, ours, page, job):
    lines = [*Evidence.read(page).lines[:4], *(MARKED if "markup" in theirs else []), *LONG]
    own = {} if ours == "terms" else dict(ours)
    if "terms" in theirs:
        own["terms"] = Glossary(theirs["terms"])
    found = engine_of(page).records(lines, [theirs] * len(lines))
    for record, row in zip(
        found, rows_of(job(alignment=True, coverage=True, confidence=True, **own), lines), strict=True
    ):
        assert_same_record(record, row)


@pytest.mark.parametrize("prefix", ["", "six", "one four"])
@pytest.mark.parametrize("more", [{}, {"terms": {"zwei": "six"}}])
def test_alternatives_are_those_of_the_server(prefix, more, page, job):
    own = job(
        alignment=True,
        coverage=True,
        confidence=True,
        prefix=prefix,
        n_best=5,
        **{name: Glossary(terms) for name, terms in more.items()},
    )
    lines = Evidence.read(page).lines[:4]
    found = engine_of(page).records(lines, [{"prefix": prefix, "numBest": 5, **more}] * len(lines))
    for line, record in zip(lines, found, strict=True):
        ours = alternatives(own, line)
        assert [one["text"] for one in record["translations"]] == [one["text"] for one in ours["translations"]]
        assert_same_record(record, ours)


@pytest.mark.parametrize("signal", ["weights", "norms"])
def test_links_and_omissions_are_read_where_heads_were_removed(signal, corpus_folder, trained_run, runtime, tmp_path):
    smaller = ["--source", f"{corpus_folder}/valid.de", "--target", f"{corpus_folder}/valid.en", "--cross-heads", "0.5"]
    prune(["--checkpoint", str(trained_run), "--output", str(tmp_path / "step_000001"), *smaller])
    kept = load_checkpoint(tmp_path / "step_000001").model.decoder.layers[1].cross_attention.kept_heads or (0, 1)
    choice = Choice(1, kept, 1, signal, threshold=0.2)
    add_file(tmp_path / "step_000001", "alignment.json", choice.to_json())
    lines = [f"{corpus_folder}/test.de", "--reference", f"{corpus_folder}/test.en", "--limit", "6"]
    main(
        [
            "browser",
            "--checkpoint",
            str(tmp_path / "step_000001"),
            "--output",
            str(tmp_path / "page"),
            "--source",
            *lines,
        ]
    )
    evidence = Evidence.read(tmp_path / "page")
    own = Job([tmp_path / "step_000001"], Options(json=True, device="cpu"), load_models)
    own = own.with_options(replace(own.options, alignment=True, coverage=True, confidence=True))
    rows = rows_of(own, evidence.lines)
    assert any(row["translations"][0]["omitted"] for row in rows)
    for record, row in zip(BrowserEngine(tmp_path / "page").records(evidence.lines), rows, strict=True):
        assert_same_record(record, row)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"prefix": "ж"}, r"prefix \(ж\) has characters that the model's vocabulary cannot spell"),
        ({"terms": {"eins": "ж"}}, r"term \(ж\) has characters that the model's vocabulary cannot spell"),
    ],
)
def test_what_cannot_be_fulfilled_is_refused_as_by_translate(how, said, page, job):
    with pytest.raises(ValueError, match=said):
        engine_of(page).records(["eins zwei"], [how])
    terms = {name: Glossary(value) if name == "terms" else value for name, value in how.items()}
    with pytest.raises(ValueError, match=said):
        rows_of(job(**terms), ["eins zwei"])
    with pytest.raises(ValueError, match=r"prefix must be at most as long as a translation \(1023 pieces\), not 1100"):
        engine_of(page).records(["eins zwei"], [{"prefix": "one " * 1100}])


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if missing():
        pytest.skip(missing())
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.downloads = tmp_path_factory.mktemp("downloads")
        how = {"behavior": "allow", "downloadPath": str(driver.downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", how)
        driver.set_script_timeout(60)
        yield driver


@contextmanager
def opened(driver, folder, scheme="light"):
    """The page of a folder, loaded, with nothing stored."""
    in_colours(driver, scheme)
    driver.get_log("browser")
    with static_host(folder) as (address, _):
        driver.get(address)
        driver.execute_script("localStorage.clear()")
        wait(driver, "document.documentElement.dataset.loaded && document.documentElement.dataset.ready")
        yield driver


def errors(driver):
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def test_the_page_translates_in_a_browser_without_a_server(page, driver):
    evidence = Evidence.read(page)
    with opened(driver, page):
        for line, ids in list(zip(evidence.lines, evidence.found_ids, strict=True))[:4]:
            assert driver.execute_async_script(TRANSLATE, line)["ids"] == ids
        write(driver, "eins zwei\n\nacht acht", "two one\n\neight eight")
        assert len(find(driver, "#arcs .arc")) == 2 and texts(driver, "#line") == ["Sentence 1 of 2"]
        find(driver, "#target-line .word")[1].click()
        wait(driver, "document.querySelectorAll('#choices button').length > 1")
        assert all(one.startswith("two ") for one in texts(driver, "#choices button"))
        ActionChains(driver).send_keys(Keys.ESCAPE).perform()
        assert driver.switch_to.active_element.text == "one"
        ActionChains(driver).send_keys(Keys.ARROW_UP).perform()
        assert driver.switch_to.active_element.text == "eins" and positions(driver, "#target-line .partner") == {1}
        element(driver, "text").clear()
        paste = "arguments[0].value = 'eins '.repeat(1001); arguments[0].dispatchEvent(new Event('input'))"
        driver.execute_script(paste, element(driver, "text"))
        wait(driver, "document.getElementById('message').textContent.includes('must be at most 5000')")
        assert errors(driver) == []


def test_terms_are_demanded_shown_and_stored_in_the_browser(page, driver):
    with opened(driver, page):
        driver.find_element(By.CSS_SELECTOR, "#terms-card summary").click()
        element(driver, "terms").send_keys("eins = five\nacht = eight")
        write(driver, "eins zwei")
        becomes(driver, "#uses li", "✓ eins → five: honoured|– acht → eight: not in the text")
        assert "five" in texts(driver, "#translation")[0]
        element(driver, "store-name").send_keys("shop", Keys.ENTER)
        becomes(driver, "#glossary-message", "Stored: shop.")
        driver.refresh()
        wait(driver, "document.documentElement.dataset.loaded && document.documentElement.dataset.ready")
        driver.find_element(By.CSS_SELECTOR, "#terms-card summary").click()
        assert texts(driver, "#glossary option") == ["none", "shop (2 terms)"]
        choose(driver, "glossary", driver.execute_script("return document.getElementById('glossary').options[1].value"))
        write(driver, "eins zwei")
        becomes(driver, "#uses li", "✓ eins → five: honoured")
        for label in ("Delete for good?", "Delete"):
            element(driver, "delete").click()
            becomes(driver, "#delete", label)
        becomes(driver, "#translation", "two one")
        assert driver.execute_script("return localStorage.getItem('terms')") == "[]" and errors(driver) == []


def test_markup_is_kept_and_files_come_back_without_a_server(page, driver, tmp_path):
    (tmp_path / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\n<i>eins zwei</i>\n")
    (tmp_path / "menu.docx").write_text("eins")
    with opened(driver, page):
        element(driver, "markup").click()
        write(driver, "eins <b>zwei</b>", "<b>two</b> one")
        assert texts(driver, "#translation .tag") == ["<b>", "</b>"]
        assert texts(driver, "#target-line .word") == ["two", "one"]
        element(driver, "file").send_keys(f"{tmp_path / 'film.srt'}")
        wait(driver, "document.querySelector('#files a')")
        driver.find_element(By.CSS_SELECTOR, "#files a").click()
        saved = driver.downloads / "film.srt"
        until(saved.is_file)
        assert saved.read_text() == "1\n00:00:01,000 --> 00:00:02,000\n<i>two one</i>\n"
        element(driver, "file").send_keys(f"{tmp_path / 'menu.docx'}")
        wait(driver, "document.querySelector('#files .failed')")
        assert ".srt" in texts(driver, "#files .failed .state")[0] and errors(driver) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_without_a_server_from_the_left_and_the_right(page, driver, scheme, tmp_path):
    arabic = shutil.copytree(page, tmp_path / "page")  # the same model, which claims to write Arabic
    about = arabic / "model" / "settings.json"
    about.write_text(about.read_text("utf-8").replace('"target": "en"', '"target": "ar"'), "utf-8")
    for folder, direction in ((page, "ltr"), (arabic, "rtl")):
        with opened(driver, folder, scheme):
            driver.find_element(By.CSS_SELECTOR, "#terms-card summary").click()
            element(driver, "terms").send_keys("eins = one")
            write(driver, "eins zwei drei", "three two one")
            becomes(driver, "#uses li", "✓ eins → one: honoured")
            find(driver, "#target-line .word")[1].click()
            wait(driver, "document.querySelectorAll('#choices button').length > 1")
            assert element(driver, "target-line").get_attribute("dir") == direction
            left = [word.rect["x"] for word in find(driver, "#target-line .word")]
            assert left == sorted(left, reverse=direction == "rtl")
            assert violations(driver) == [] and errors(driver) == []
            background = driver.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
            assert (sum(map(int, background.strip("rgb()").split(","))) > 384) == (scheme == "light")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "must be a folder of onnxruntime-web"),
        (lambda folder: (folder / "ort.wasm.min.mjs").write_text("x"), "ort.wasm.min.mjs is another"),
    ],
)
def test_another_runtime_is_refused_in_one_line(make, said, tmp_path):
    (tmp_path / "given").mkdir()
    make(tmp_path / "given")
    with pytest.raises(ValueError, match=said) as refused:
        browser_runtime.copy_runtime(tmp_path / "runtime", tmp_path / "given")
    assert "\n" not in str(refused.value) and not (tmp_path / "runtime").exists()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (None, "npm, which fetches it, is not installed"),
        ("#!/bin/sh\necho no network >&2\nexit 1\n", "says: no network"),
    ],
)
def test_a_runtime_that_cannot_be_had_is_told_in_one_line(program, said, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    if program:
        (tmp_path / "bin" / "npm").write_text(program)
        (tmp_path / "bin" / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match=said) as refused:
        browser_runtime.copy_runtime(tmp_path / "runtime", None)
    assert "--runtime" in str(refused.value) and "\n" not in str(refused.value)
