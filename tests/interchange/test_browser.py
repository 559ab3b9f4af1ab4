"""An export for browsers: sentencepiece's ids in JavaScript, our search's translations, a page without a server."""

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from mt.export import main
from mt.interchange import browser_runtime
from mt.interchange.browser import SHARED, tokenizer_data
from mt.interchange.browser_engine import OWN, BrowserEngine
from mt.interchange.evidence import Evidence
from tests.browser import chromium, missing, static_host
from tests.conftest import made_once
from tests.interchange.vocabularies import hostile_lines

TRANSLATE = """
const [line, done] = arguments;
import("./engine.js").then(({ translate }) => translate({ source: "de", target: "en" }, line))
  .then((answer) => done(answer.lines[0].translations[0]), (error) => done({ error: error.message }));
"""
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node.js (on Debian: apt-get install nodejs)"
)
READ = """
import { readFileSync } from "node:fs";
const { Tokenizer } = await import(process.argv[1]);
const { data, lines } = JSON.parse(readFileSync(0, "utf-8"));
const tokenizer = new Tokenizer(data);
const ids = lines.map((line) => tokenizer.encode(line));
process.stdout.write(JSON.stringify({ ids, texts: ids.map((one) => tokenizer.decode(one)) }));
"""


@needs_node
def test_pieces_and_texts_are_those_of_sentencepiece(vocabulary, real_lines):
    lines = [*real_lines[:2000], *(f"<2de> {line}" for line in real_lines[:50]), *hostile_lines()]
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", READ, (OWN / "engine" / "tokenizer.js").as_uri()],
        input=json.dumps({"data": tokenizer_data(vocabulary), "lines": lines}),
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    found, ids = json.loads(done.stdout), vocabulary.encode_many(lines)
    assert [line for line, a, b in zip(lines, ids, found["ids"], strict=True) if a != b] == []
    texts = [vocabulary.decode(one).replace("\r", " ").replace("\n", " ") for one in ids]
    assert [(a, b) for a, b in zip(texts, found["texts"], strict=True) if a != b] == []


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


def test_links_and_sureness_are_those_of_translate(page, translate):
    lines = Evidence.read(page).lines[:8]
    ours = translate("--json", "--alignment", "--confidence", stdin="".join(f"{line}\n" for line in lines).encode())
    for record, row in zip(BrowserEngine(page).records(lines), map(json.loads, ours), strict=True):
        (theirs,), (own,) = record["translations"], row["translations"]
        assert (record["source"], theirs["text"], theirs["links"]) == (row["source"], own["text"], own["links"])
        assert theirs["confidence"] == pytest.approx(own["confidence"], abs=2e-4)


@pytest.mark.skipif(bool(missing()), reason=missing() or "")
def test_the_page_translates_in_a_browser_without_a_server(page, tmp_path):
    evidence = Evidence.read(page)
    with static_host(page) as (address, _), chromium(tmp_path / "profile") as driver:
        driver.set_script_timeout(60)
        driver.get(address)
        WebDriverWait(driver, 60).until(
            lambda _: driver.execute_script("return document.documentElement.dataset.loaded")
        )
        for line, ids in list(zip(evidence.lines, evidence.found_ids, strict=True))[:4]:
            assert driver.execute_async_script(TRANSLATE, line)["ids"] == ids
        driver.find_element(By.ID, "text").send_keys("eins zwei\n\nacht acht")
        WebDriverWait(driver, 60).until(
            lambda _: driver.find_element(By.ID, "translation").text == "two one\n\neight eight"
        )
        assert len(driver.find_elements(By.CSS_SELECTOR, "#arcs .arc")) == 2
        driver.find_elements(By.CSS_SELECTOR, "#target-line .word")[1].click()
        WebDriverWait(driver, 60).until(lambda _: len(driver.find_elements(By.CSS_SELECTOR, "#choices button")) > 1)
        assert all(one.text.startswith("two ") for one in driver.find_elements(By.CSS_SELECTOR, "#choices button"))
        assert not any(one.is_displayed() for one in driver.find_elements(By.CSS_SELECTOR, ".needs-server"))
        driver.find_element(By.ID, "text").clear()
        driver.find_element(By.ID, "text").send_keys("eins " * 300)
        WebDriverWait(driver, 60).until(
            lambda _: "pieces, and the model was trained on at most" in driver.find_element(By.ID, "message").text
        )
        assert not [one for one in driver.get_log("browser") if one["level"] == "SEVERE"]


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
