"""The translation page in a real browser, with real keys and clicks, on a server whose worker has known answers."""

import asyncio
import threading
import time
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from mt.serving.app import make_app
from mt.serving.service import Service
from mt.serving.settings import Limits, Settings
from tests.browser import chromium, in_colours, missing
from tests.children import PATIENCE_SECONDS
from tests.page import becomes, choose, element, find, hover, positions, texts, until, violations, wait, write
from tests.serving.fakes import Linked

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

LANGUAGES = (("de", "en"), ("en", "de"), ("en", "ar"))


@pytest.fixture(scope="module")
def server(tokenizer_folder):
    """A server in a thread: `url`, and `service`."""
    limits = Limits(max_characters=120, deadline=0.25, max_n_best=4)
    with running(Settings(checkpoints=(), wait=0.0, limits=limits), tokenizer_folder) as server:
        yield server


@pytest.fixture(scope="module")
def keyed(tokenizer_folder, tmp_path_factory):
    """A server that needs the key `secret`, and translates sentence by sentence."""
    digest = sha256(b"secret").hexdigest()
    path = tmp_path_factory.mktemp("keys") / "keys.yaml"
    path.write_text(f"keys: [{{name: shop, sha256: {digest}}}]\n")
    with running(Settings(checkpoints=(), wait=0.0, batch_tokens=1, keys=path), tokenizer_folder) as server:
        yield server


@contextmanager
def running(settings, folder):
    service = Service(settings, Linked(folder, languages=LANGUAGES))
    config = uvicorn.Config(make_app(service, starts_service=True), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield SimpleNamespace(url=f"http://127.0.0.1:{port}", service=service)
    server.should_exit = True
    thread.join(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        downloads = {"behavior": "allow", "downloadPath": str(tmp_path_factory.mktemp("downloads"))}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
        driver.downloads = downloads["downloadPath"]
        yield driver


@pytest.fixture
def page(driver, server):
    """The page, opened anew, from German into English."""
    return opened(driver, server)


def opened(driver, server, scheme="light"):
    driver.get_log("browser")
    in_colours(driver, scheme)
    driver.get(server.url)
    wait(driver, "document.documentElement.dataset.ready")
    choose(driver, "source", "de")
    return driver


def test_the_translation_appears_while_one_types_and_old_answers_are_dropped(page):
    write(page, "slow a b")  # its answer comes after the next one
    time.sleep(0.4)  # longer than the pause after which a text is sent
    element(page, "text").clear()
    write(page, "eins zwei\n\ndrei", "ZWEI EINS\n\nDREI")
    time.sleep(0.4)
    assert texts(page, "#translation") == ["ZWEI EINS\n\nDREI"]
    assert texts(page, "#spoken") == ["Translation: ZWEI EINS\n\nDREI"]
    assert texts(page, "#line") == ["Sentence 1 of 2"]
    element(page, "next").click()
    assert texts(page, "#target-line .word") == ["DREI"]
    element(page, "clear").click()
    becomes(page, "#translation", "")
    assert not element(page, "pair").is_displayed()


def test_pointing_at_a_word_lights_its_partners_on_both_sides(page):
    write(page, "eins zwei drei", "DREI ZWEI EINS")
    for index, word in enumerate(find(page, "#source-line .word")):
        hover(page, word)
        assert positions(page, "#source-line .here") == {index}
        assert positions(page, "#target-line .partner") == positions(page, "#translation .here") == {2 - index}
        assert [arc.get_attribute("data-source") for arc in find(page, ".arc.lit .ink")] == [str(index)]
    hover(page, find(page, "#translation .word")[0])
    assert positions(page, "#target-line .here") == {0} and positions(page, "#source-line .partner") == {2}
    assert texts(page, "#readout") == ["DREI: from drei; likely, 95 %"]


def test_confidence_has_colours_and_patterns_and_a_legend(page):
    write(page, "eins zwei drei lost", "DREI ZWEI EINS")
    styles = "return [...document.querySelectorAll(arguments[0])].map((word) => getComputedStyle(word)[arguments[1]])"
    for words in ("#translation .word", "#target-line .word bdi"):
        patterns = page.execute_script(styles, words, "textDecorationStyle")
        assert len(set(patterns)) == len(set(page.execute_script(styles, words, "textDecorationColor"))) == 3
        assert patterns == page.execute_script(styles, ".sample", "textDecorationStyle")[:3]
    assert texts(page, "#source-line .omitted") == ["lost"]
    assert texts(page, "#left-out") == ["Seems to be left out: “lost”"]


def test_keys_alone_lead_to_every_word_and_to_what_else_it_could_be(page):
    write(page, "eins zwei drei", "DREI ZWEI EINS")
    for _ in range(20):
        if "word" in page.switch_to.active_element.get_attribute("class").split():
            break
        ActionChains(page).send_keys(Keys.TAB).perform()
    ActionChains(page).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN).perform()
    assert positions(page, "#target-line .here") == {1} and positions(page, "#source-line .partner") == {1}
    outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    ActionChains(page).send_keys(Keys.ENTER).perform()
    becomes(page, "#choices b", "ZWEI|ZWEI1|ZWEI2|ZWEI3")
    assert texts(page, "#choices [aria-current]") == ["DREI ZWEI EINS"]
    ActionChains(page).send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER).perform()
    becomes(page, "#translation", "DREI ZWEI2 EINS")
    assert page.switch_to.active_element.text == "ZWEI2" and not element(page, "alternatives").is_displayed()
    ActionChains(page).send_keys(Keys.ENTER).perform()
    wait(page, "document.querySelectorAll('#choices button').length")
    element(page, "own-word").send_keys("KAUM", Keys.ENTER)
    becomes(page, "#choices b", "KAUM|KAUM|KAUM|KAUM")
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert page.switch_to.active_element.text == "ZWEI2"


def test_markup_is_kept_and_its_words_stay_linked(page):
    element(page, "markup").click()
    write(page, "eins <b>zwei</b> drei", "DREI <b>ZWEI</b> EINS")
    assert texts(page, "#translation .tag") == ["<b>", "</b>"]
    assert texts(page, "#translation .word") == texts(page, "#target-line .word") == ["DREI", "ZWEI", "EINS"]


def test_terms_are_shown_as_honoured_or_not(page):
    page.find_element(By.CSS_SELECTOR, "#terms-card summary").click()
    element(page, "terms").send_keys("eins = EINS\nzwei = Paar\nvier = VIER")
    write(page, "eins zwei", "ZWEI EINS")
    assert texts(page, "#uses .honoured") == ["✓ eins → EINS: honoured"]
    assert texts(page, "#uses .missed") == ["✗ zwei → Paar: not honoured (0 of 1)"]
    assert texts(page, "#uses .idle") == ["– vier → VIER: not in the text"]


def test_terms_are_stored_as_a_list_chosen_and_deleted(page):
    page.find_element(By.CSS_SELECTOR, "#terms-card summary").click()
    assert not element(page, "store-button").is_enabled() and not element(page, "delete").is_enabled()
    element(page, "terms").send_keys("eins = EINS\nzwei = Paar")
    element(page, "store").submit()
    assert texts(page, "#glossary-message") == ["A list needs a name."]
    element(page, "store-name").send_keys("shop", Keys.ENTER)
    becomes(page, "#glossary-message", "Stored: shop.")
    assert texts(page, "#num-terms") == ["(list “shop”)"] and element(page, "terms").get_attribute("value") == ""
    write(page, "eins zwei", "ZWEI EINS")
    becomes(page, "#uses li", "✓ eins → EINS: honoured|✗ zwei → Paar: not honoured (0 of 1)")
    choose(page, "source", "en")  # a list is of two languages
    wait(page, "document.getElementById('glossary').options.length === 1")
    choose(page, "source", "de")
    becomes(page, "#glossary option", "none|shop (2 terms)")
    # in one step: the options may be made anew between finding one and pressing it
    page.execute_script(
        "const list = document.getElementById('glossary'); list.selectedIndex = 1;"
        "list.dispatchEvent(new Event('change', { bubbles: true }))"
    )
    for label in ("Delete for good?", "Delete"):
        element(page, "delete").click()
        becomes(page, "#delete", label)
    becomes(page, "#glossary-message", "Deleted: shop.")
    becomes(page, "#uses li", "")
    assert texts(page, "#glossary option") == ["none stored"]


def test_a_key_is_asked_for_and_kept_in_memory_alone(driver, keyed):
    driver.get(keyed.url)
    wait(driver, "!document.getElementById('key-card').hidden")
    assert driver.switch_to.active_element == element(driver, "key") and violations(driver) == []
    assert not element(driver, "texts").is_displayed()
    element(driver, "key").send_keys("guess", Keys.ENTER)
    becomes(driver, "#key-message", "The server does not know this API key.")
    element(driver, "key").send_keys(" ", Keys.ENTER)
    becomes(driver, "#key-message", "This server needs an API key.")
    assert violations(driver) == []
    element(driver, "key").send_keys("secret", Keys.ENTER)
    wait(driver, "document.documentElement.dataset.ready")
    assert not element(driver, "key-card").is_displayed() and element(driver, "key").get_attribute("value") == ""
    assert driver.execute_script("return [{...localStorage}, {...sessionStorage}, document.cookie]") == [{}, {}, ""]
    choose(driver, "source", "de")
    write(driver, "eins zwei", "ZWEI EINS")
    driver.refresh()
    wait(driver, "!document.getElementById('key-card').hidden")  # it is forgotten


def test_sentences_appear_one_after_the_other(driver, keyed):
    driver.get(keyed.url)
    wait(driver, "!document.getElementById('key-card').hidden")
    element(driver, "key").send_keys("secret", Keys.ENTER)
    wait(driver, "document.documentElement.dataset.ready")
    choose(driver, "source", "de")
    watch = "const shown = document.getElementById('translation'); window.seen = [];"
    watch += "const seeing = new MutationObserver(() => seen.push(shown.textContent));"
    driver.execute_script(f"{watch} seeing.observe(shown, {{childList: true, subtree: true}})")
    element(driver, "text").send_keys("Eins zwei. Drei vier.\nslow fünf")
    becomes(driver, "#translation", "ZWEI. EINS VIER. DREI\nFÜNF SLOW")
    seen = driver.execute_script("return seen")
    assert "ZWEI. EINS VIER. DREI\n…" in seen and texts(driver, "#line") == ["Sentence 1 of 3"]
    find(driver, "#target-line .word")[0].click()
    wait(driver, "document.querySelectorAll('#choices button').length > 1")
    find(driver, "#choices button")[1].click()
    becomes(driver, "#translation", "ZWEI.1 EINS VIER. DREI\nFÜNF SLOW")
    element(driver, "text").send_keys(" acht")  # the translation that was chosen stays
    becomes(driver, "#translation", "ZWEI.1 EINS VIER. DREI\nACHT FÜNF SLOW")


def test_languages_swap_and_run_from_the_right_where_they_do(page):
    write(page, "eins zwei", "ZWEI EINS")
    element(page, "swap").click()
    becomes(page, "#translation", "EINS ZWEI")
    assert element(page, "text").get_attribute("value") == "ZWEI EINS"
    choose(page, "target", "ar")
    wait(page, "document.getElementById('target-line').dir === 'rtl'")
    wait(page, "!document.querySelector('.waiting')")
    left = [word.rect["x"] for word in find(page, "#target-line .word")]
    assert left == sorted(left, reverse=True) and element(page, "translation").get_attribute("dir") == "rtl"
    assert not element(page, "swap").is_enabled() and "Arabic to English" in element(page, "swap").get_attribute(
        "title"
    )


def test_refusals_are_told_in_plain_words_and_a_busy_server_is_asked_again(page, server):
    write(page, "slow " * 4)
    wait(page, "document.getElementById('message').textContent.includes('in time')")
    element(page, "clear").click()
    write(page, "x" * 121)
    wait(page, "document.getElementById('message').textContent.includes('(--max-characters)')")
    models, server.service._models = server.service._models, None  # as while they are being loaded
    page.get(server.url)
    wait(page, "document.getElementById('message').textContent.includes('busy')")
    server.service._models = models
    wait(page, "document.documentElement.dataset.ready")
    choose(page, "source", "de")
    server.service._models = None
    write(page, "eins zwei")
    wait(page, "document.getElementById('message').textContent.includes('busy')")
    server.service._models = models
    becomes(page, "#translation", "ZWEI EINS")
    assert not element(page, "message").is_displayed()


def test_a_file_comes_back_in_its_format(page, tmp_path):
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    (tmp_path / "menu.po").write_text(f'{head}msgid "a b"\nmsgstr ""\n')
    (tmp_path / "menu.docx").write_text("a b")
    element(page, "file").send_keys(f"{tmp_path / 'menu.po'}")
    wait(page, "document.querySelector('#files a')")
    page.find_element(By.CSS_SELECTOR, "#files a").click()
    saved = Path(page.downloads) / "menu.po"
    until(saved.is_file)
    assert 'msgstr "B A"' in saved.read_text()
    element(page, "file").send_keys(f"{tmp_path / 'menu.docx'}")
    wait(page, "document.querySelector('#files .failed')")
    assert (
        "menu.docx" in texts(page, "#files .failed .state")[0] and ".xliff" in texts(page, "#files .failed .state")[0]
    )


def test_a_file_may_be_dropped_anywhere(page):
    drop = """
        const transfer = new DataTransfer();
        transfer.items.add(new File(["a b\\n"], "list.txt", { type: "text/plain" }));
        for (const name of ["dragover", "drop"]) {
          const event = new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true });
          arguments[0].dispatchEvent(event);
          if (name === "dragover") arguments[1].push(!document.getElementById("drop").hidden, event.defaultPrevented);
        }
        return arguments[1];
    """
    assert page.execute_script(drop, element(page, "text"), []) == [True, True]
    wait(page, "document.querySelector('#files a')")
    assert not element(page, "drop").is_displayed() and texts(page, "#files .state") == ["translated"]
    assert page.find_element(By.CSS_SELECTOR, "#files a").get_attribute("download") == "list.txt"


def test_hostile_text_is_only_text(page):
    hostile = "<img src=x onerror=document.title='taken'> <b>zwei</b>"
    element(page, "markup").click()
    write(page, hostile)
    wait(page, "document.querySelectorAll('#translation .word').length")
    assert not find(page, "main img") and page.title == "Translate"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_no_error_is_logged(driver, server, scheme):
    page = opened(driver, server, scheme)
    assert violations(page) == []
    page.find_element(By.CSS_SELECTOR, "#terms-card summary").click()
    element(page, "terms").send_keys("eins = EINS\nzwei = Paar")
    write(page, "eins zwei drei lost", "DREI ZWEI EINS")
    find(page, "#target-line .word")[1].click()
    wait(page, "document.querySelectorAll('#choices button').length")
    hover(page, find(page, "#choices button")[0])
    assert violations(page) == []
    sizes = "return [...document.querySelectorAll('button, select, summary, a, .word[role], label.file')]"
    sizes += ".map((one) => [one.getBoundingClientRect(), one.outerHTML])"
    small = [html for box, html in page.execute_script(sizes) if box["width"] and min(box["width"], box["height"]) < 24]
    assert small == []
    assert [entry["message"] for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    background = page.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, background.strip("rgb()").split(","))) > 384) == (scheme == "light")
    if scheme == "dark":
        element(page, "theme").click()
        assert page.execute_script("return document.documentElement.style.colorScheme") == "light"
        page.execute_script("localStorage.clear()")
