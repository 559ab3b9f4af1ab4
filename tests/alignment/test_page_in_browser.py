"""The page in a real browser: what it shows and lights is what the numbers say."""

import json

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from mt import align
from mt.alignment.alignment import Alignment, RawAttention
from mt.alignment.gold import from_pharaoh
from mt.alignment.links import argmax_links, mutual_links
from mt.alignment.page.page import Page
from mt.alignment.words import by_words
from mt.evaluation import alignment_input
from mt.inference.aligner import Aligner
from tests.alignment.made_up import HEADS, HOSTILE, LAYERS, add
from tests.browser import chromium, in_colours, missing
from tests.page import find, positions, texts

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SENTENCES = {
    1: ("The old houses stand alone", "Die alten Häuser stehen allein"),
    2: ("The new house", "البيت الجديد جميل"),
    3: ("我知道那个老人", "I know that old man"),
    4: (" ".join(["start", *HOSTILE]), "vier drei zwei"),
    5: ("one two three", "eins zwei drei"),
}
GOLD = from_pharaoh("0-0 1?1 2-2 2?1 0-2")
WHERE = {"layer": 1, "heads": (1,), "shift": 1}


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(path of the page, {line: (attention, alignment, links)})."""
    page = Page(method="argmax", threshold=0.3)
    known = {line: add(page, line, *pair, GOLD if line == 5 else None, **WHERE) for line, pair in SENTENCES.items()}
    path = tmp_path_factory.mktemp("page") / "alignments.html"
    path.write_text(page.html({"checkpoint": "<i>somewhere</i>"}), encoding="utf-8")
    return path, known


@pytest.fixture
def page(driver, made):
    """Opens the made-up page at a line."""
    return lambda line: open_page(driver, made[0], line)


def open_page(driver, path, line):
    driver.get("about:blank")  # a new hash alone loads nothing
    driver.get(f"{path.as_uri()}#{line}")
    wait_for(driver, line)
    return driver


def wait_for(driver, line):
    WebDriverWait(driver, 20).until(
        lambda driver: driver.execute_script("return document.documentElement.dataset.ready") == f"{line}"
    )


def labels(driver, selector):
    """The places, among all labels of its side, of those in the selector's state."""
    place = "(label) => [...label.parentNode.children].indexOf(label)"
    return set(driver.execute_script(f"return [...document.querySelectorAll(arguments[0])].map({place})", selector))


def hover(driver, element):
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    ActionChains(driver).move_to_element(element).perform()


def matrix(driver):
    rows, columns, values = driver.execute_script(
        "return [drawn.matrix.rows, drawn.matrix.columns, [...drawn.matrix.values]]"
    )
    return np.array(values).reshape(rows, columns)


def move(driver, slider, steps):
    """Moves a slider by its keys."""
    element = driver.find_element(By.ID, slider)
    element.send_keys(*[Keys.ARROW_RIGHT if steps > 0 else Keys.ARROW_LEFT] * abs(steps))


def pick(driver, name, value):
    driver.find_element(By.CSS_SELECTOR, f"#{name} input[value='{value}']").send_keys(Keys.SPACE)


def check_hover(driver, side, links):
    """Pointing at each word lights its partners, in both lines and beside the map, and nothing else."""
    for index, word in enumerate(find(driver, f"#{side} .word")):
        hover(driver, word)
        at = 0 if side == "source" else 1
        other = ("target", "source")[at]
        partners = {link[1 - at] for link in links if link[at] == index}
        assert positions(driver, f"#{side} .here") == labels(driver, f"#{side}-labels .here") == {index}
        assert positions(driver, f"#{other} .partner") == labels(driver, f"#{other}-labels .partner") == partners
        assert not find(driver, f"#{side} .partner") and not find(driver, f"#{other} .here")
        place = "(arc) => [Number(arc.dataset.source), Number(arc.dataset.target)]"
        lit = driver.execute_script(f"return [...document.querySelectorAll('.arc.lit .ink')].map({place})")
        assert {tuple(link) for link in lit} == {link for link in links if link[at] == index}


def test_the_chosen_reading_is_that_of_the_json_to_the_last_digit(page, made):
    for line, (_, alignment, links) in made[1].items():
        driver = page(line)
        assert matrix(driver).tolist() == alignment.to_json()["weights"]
        drawn = driver.execute_script("return drawn.marks.map(({source, target}) => [source, target])")
        assert links <= {tuple(link) for link in drawn}
        assert driver.find_element(By.ID, "chosen").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("side", ["source", "target"])
def test_pointing_at_a_word_lights_its_partners(page, made, side):
    check_hover(page(1), side, made[1][1][2])


def test_pointing_at_a_cell_lights_its_row_and_column(page, made):
    driver, alignment = page(1), made[1][1][1]
    cell = driver.execute_script("return map.cell")
    canvas = driver.find_element(By.ID, "cells")
    size = canvas.size
    ActionChains(driver).move_to_element_with_offset(
        canvas, int(2.5 * cell - size["width"] / 2), int(1.5 * cell - size["height"] / 2)
    ).perform()
    assert positions(driver, "#source .here") == labels(driver, "#source-labels .here") == {2}
    assert positions(driver, "#target .here") == labels(driver, "#target-labels .here") == {1}
    words, weight = texts(driver, "#readout")[0].split(" %")[0].rsplit(" ", 1)
    assert words == "alten looks at houses with"
    assert float(weight) == pytest.approx(100 * alignment.weights_TS[1, 2], abs=0.06)


@pytest.mark.parametrize("unit", ["words", "pieces"])
def test_every_reading_is_what_python_makes_of_it(page, made, unit):
    driver, (raw, _, _) = page(1), made[1][1]
    pick(driver, "unit", unit)
    heads = [tuple(range(HEADS)), *((head,) for head in range(HEADS))]
    seen = set()
    for signal in ("weights", "norms"):
        pick(driver, "signal", signal)
        for shift in (0, 1):
            pick(driver, "shift", shift)
            for layer in range(LAYERS):
                for place, chosen in enumerate(heads):
                    driver.execute_script("change({layer: arguments[0]})", layer)
                    move(driver, "head", -len(heads))
                    move(driver, "head", place)
                    where = {"layer": layer, "heads": chosen, "shift": shift, "signal": signal}
                    expected = Alignment.from_attention(raw, **where)
                    if unit == "words":
                        expected = by_words(expected, *SENTENCES[1])
                    np.testing.assert_allclose(matrix(driver), expected.weights_TS, atol=0.015)
                    sink = driver.execute_script("return document.querySelectorAll('#scores dd')[1].textContent")
                    assert float(sink.split()[0]) == pytest.approx(100 * expected.sink_mass, abs=1)
                    seen.add(driver.find_element(By.ID, "chosen").get_attribute("aria-pressed"))
    assert seen == ({"true", "false"} if unit == "words" else {"false"})


def test_a_slider_moves_the_map_and_a_button_goes_back(page, made):
    driver, (raw, alignment, _) = page(1), made[1][1]
    before = driver.execute_script("return byId('cells').toDataURL()")
    move(driver, "layer", -1)
    assert texts(driver, "#layer-value") == ["0"]
    assert driver.execute_script("return byId('cells').toDataURL()") != before
    links = argmax_links(by_words(Alignment.from_attention(raw, **{**WHERE, "layer": 0}), *SENTENCES[1]).weights_TS)
    check_hover(driver, "target", links)
    driver.find_element(By.ID, "chosen").click()
    assert matrix(driver).tolist() == alignment.to_json()["weights"]


def test_several_chosen_heads_have_a_place_on_the_slider(driver, tmp_path):
    page = Page(method="mutual", threshold=0.3)
    raw, alignment, _ = add(page, 7, *SENTENCES[1], heads=(2, 0), signal="norms")
    (tmp_path / "page.html").write_text(page.html({}), encoding="utf-8")
    open_page(driver, tmp_path / "page.html", 7)
    assert texts(driver, "#head-value") == ["mean of 0, 2"]
    assert matrix(driver).tolist() == alignment.to_json()["weights"]
    move(driver, "head", 1)
    assert texts(driver, "#head-value") == ["mean of all"]
    expected = by_words(Alignment.from_attention(raw, layer=1, shift=1, signal="norms"), *SENTENCES[1]).weights_TS
    np.testing.assert_allclose(matrix(driver), expected, atol=0.015)
    drawn = driver.execute_script("return drawn.marks.map(({source, target}) => [source, target])")
    assert {tuple(link) for link in drawn} == mutual_links(expected)
    move(driver, "head", -1)
    assert matrix(driver).tolist() == alignment.to_json()["weights"]


def test_a_page_of_nothing_says_so(driver, tmp_path):
    (tmp_path / "page.html").write_text(Page(method="argmax", threshold=0.3).html({}), encoding="utf-8")
    driver.get((tmp_path / "page.html").as_uri())
    assert "nothing to show" in driver.find_element(By.TAG_NAME, "body").text
    assert driver.get_log("browser") == []


def test_the_table_of_heads_tells_and_picks(page, made):
    driver, (raw, _, _) = page(1), made[1][1]
    buttons = find(driver, "#heads button")
    assert len(buttons) == LAYERS * (HEADS + 1)
    expected = Alignment.from_attention(raw, layer=1, heads=(0,), shift=1)
    weights_TS = expected.weights_TS
    bits = -(weights_TS * np.log2(np.maximum(weights_TS, 1e-300))).sum(axis=1).mean()
    button = buttons[HEADS + 1]
    head, values = button.get_attribute("title").split(": ")
    assert head == "layer 1, head 0"
    sink, entropy = (float(part.split()[-2]) for part in values.split(", "))
    assert sink == pytest.approx(100 * expected.sink_mass, abs=1.5)
    assert entropy == pytest.approx(bits, abs=0.05)
    button.click()
    assert (texts(driver, "#layer-value"), texts(driver, "#head-value")) == (["1"], ["0"])
    assert [each.get_attribute("aria-pressed") for each in buttons].index("true") == HEADS + 1


def test_a_head_says_how_often_it_names_the_word_of_erasure(driver, tmp_path):
    page = Page(method="argmax", threshold=0.3)
    add(page, 1, "The houses stand", "Die Häuser stehen")
    shares = [[(10 * layer + head) / 100 for head in range(HEADS)] for layer in range(LAYERS)]
    agreement = {"words": 3, "weights": {"0": shares, "1": shares}}
    (tmp_path / "page.html").write_text(page.html({}, agreement), encoding="utf-8")
    driver.get((tmp_path / "page.html").as_uri())
    titles = [button.get_attribute("title") for button in find(driver, "#heads button")]
    said = [title.partition("the same word as erasure for ")[2] for title in titles]
    assert said == [
        f"{10 * layer + head} %" if head < HEADS else "" for layer in range(LAYERS) for head in range(HEADS + 1)
    ]


def test_gold_links_are_reported_apart(page, made):
    driver, links = page(5), made[1][5][2]
    kinds = {
        "right": links & GOLD.sure,
        "allowed": links & (GOLD.possible - GOLD.sure),
        "wrong": links - GOLD.possible,
        "missed": GOLD.sure - links,
        "open": GOLD.possible - GOLD.sure - links,
    }
    found = driver.execute_script("return drawn.marks.map(({source, target, kind}) => [kind, source, target])")
    assert {(kind, *link) for kind, each in kinds.items() for link in each} == {tuple(mark) for mark in found}
    for kind, each in kinds.items():
        assert texts(driver, f"#legend [data-kind={kind}] b") == [f"{len(each)}"]
        assert len(find(driver, f"#marks .{kind}")) == len(each)
        assert len(find(driver, f".arc.{kind}")) == (0 if kind == "open" else len(each))
    aer = driver.execute_script("return drawn && document.querySelectorAll('#scores dd')[2].textContent")
    assert float(aer.split()[0]) == pytest.approx(driver.execute_script("return 100 * sentences[4].aer"), abs=0.06)
    driver.find_element(By.ID, "gold").click()
    assert {mark for mark, *_ in driver.execute_script("return drawn.marks.map(({kind}) => [kind])")} == {"link"}


def test_right_to_left_lines_run_from_the_right(page):
    driver = page(2)
    left = {side: [word.rect["x"] for word in find(driver, f"#{side} .word")] for side in ("source", "target")}
    assert left["source"] == sorted(left["source"])
    assert left["target"] == sorted(left["target"], reverse=True)
    words = find(driver, "#target .word")
    driver.execute_script("arguments[0].focus()", words[0])
    words[0].send_keys(Keys.ARROW_LEFT)
    assert driver.switch_to.active_element == words[1]


def test_text_without_blanks_is_shown_in_pieces_when_asked(page, made):
    driver = page(3)
    assert driver.find_element(By.ID, "hint").is_displayed()
    assert len(find(driver, "#source .word")) == 1
    driver.find_element(By.ID, "to-pieces").click()
    assert texts(driver, "#source .word") == ["我知道那", "个老人"]
    assert not driver.find_element(By.ID, "hint").is_displayed()
    assert not page(1).find_element(By.ID, "hint").is_displayed()


def test_hostile_sentences_are_only_text(page):
    driver = page(4)
    assert driver.execute_script("return typeof pwned") == "undefined"
    expected = ["start", *HOSTILE]  # only U+0020 separates words
    for shown_as_odd in ("\u2028", "\ud800", "\x00", "\x07"):
        expected = [word.replace(shown_as_odd, "\ufffd") for word in expected]
    assert texts(driver, "#source .word") == texts(driver, "#source-labels span") == expected
    assert texts(driver, "#facts dd") == ["<i>somewhere</i>"]


def test_keys_alone_lead_everywhere(page, made):
    driver, links = page(1), made[1][1][2]
    first = find(driver, "#target .word")[0]
    driver.execute_script("byId('head').focus()")
    for _ in range(30):
        if driver.switch_to.active_element == first:
            break
        ActionChains(driver).send_keys(Keys.TAB).perform()
    assert driver.switch_to.active_element == first
    partner = next(source for source, target in links if target == 0)
    assert positions(driver, "#source .partner") == {partner}
    first.send_keys(Keys.ARROW_RIGHT)
    assert positions(driver, "#target .here") == {1}
    driver.switch_to.active_element.send_keys(Keys.ARROW_UP)
    partner = next(source for source, target in links if target == 1)
    assert positions(driver, "#source .here") == {partner}
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    driver.execute_script("document.activeElement.blur()")
    assert positions(driver, "#source .here") == {partner}  # kept
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert positions(driver, ".here") == set()
    canvas = driver.find_element(By.ID, "cells")
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert (positions(driver, "#source .here"), positions(driver, "#target .here")) == ({1}, {1})


def test_the_list_sorts_finds_and_leads_on(page, made):
    driver = page(1)
    lines = "#sentences tr:not([hidden]) td:first-child"
    assert texts(driver, lines) == ["1", "2", "3", "4", "5"]
    driver.find_element(By.CSS_SELECTOR, "[data-key=confidence] button").click()
    confidence = {line: alignment.weights_TS.max(axis=1).mean() for line, (_, alignment, _) in made[1].items()}
    assert [int(line) for line in texts(driver, lines)] == sorted(confidence, key=confidence.get, reverse=True)
    driver.find_element(By.CSS_SELECTOR, "[data-key=confidence] button").click()
    assert [int(line) for line in texts(driver, lines)] == sorted(confidence, key=confidence.get)
    driver.find_element(By.CSS_SELECTOR, "[data-key=line] button").click()
    driver.find_element(By.ID, "find").send_keys("ALT")
    assert texts(driver, lines) == ["1"]
    driver.find_element(By.ID, "find").send_keys(*[Keys.BACKSPACE] * 3)
    button = find(driver, "#sentences button")[0]
    button.send_keys(Keys.ARROW_DOWN)
    wait_for(driver, 2)
    assert texts(driver, "#line") == ["Line 2"]
    driver.find_element(By.ID, "next").click()
    wait_for(driver, 3)
    assert driver.current_url.endswith("#3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_error_is_logged_and_nothing_fetched(driver, made, scheme):
    in_colours(driver, scheme)
    driver.get_log("browser"), driver.get_log("performance")
    open_page(driver, made[0], 1)
    driver.find_element(By.ID, "theme").click()
    driver.find_element(By.ID, "theme").click()
    assert driver.execute_script("return scheme()") == scheme
    assert driver.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert {url.split(":")[0] for url in asked} <= {"file", "about"}
    background = driver.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    brightness = sum(int(part) for part in background.strip("rgb()").split(",")[:3])
    assert (brightness > 384) == (scheme == "light")


@pytest.mark.parametrize("more", [[], ["--reverse=back"], ["--reverse=back", "--symmetrize=soft-product"]], ids=str)
def test_the_command_writes_the_page_that_its_json_tells(checkpoint, driver, tmp_path, monkeypatch, more):
    monkeypatch.setattr(alignment_input, "load_reverse", lambda path, *_: Aligner.load(checkpoint))
    (tmp_path / "xx").write_text("der alte Hund\n\nder junge Hund sieht Katzen\n", encoding="utf-8")
    (tmp_path / "yy").write_text("Katzen sieht der Hund\n\nHunde der junge Häuser\n", encoding="utf-8")
    files = [f"--source={tmp_path / 'xx'}", f"--target={tmp_path / 'yy'}", f"--output={tmp_path}"]
    align.main([f"--checkpoint={checkpoint}", *files, "--formats=html,json", "--device=cpu", *more])
    for values in map(json.loads, (tmp_path / "alignments.jsonl").read_text("utf-8").splitlines()):
        if not values["source"]:
            continue
        open_page(driver, tmp_path / "alignments.html", values["line"])
        assert matrix(driver).tolist() == values["weights"]
        links = {(link["source"], link["target"]) for link in values["links"]}
        for side in ("source", "target"):
            assert texts(driver, f"#{side} .word") == values[side]
        strengths = "return [...document.querySelectorAll('#target .word')].map((word) => word.dataset.strength)"
        assert driver.execute_script(strengths) == values["strength"]
        for side in ("source", "target"):
            check_hover(driver, side, links)
    assert texts(driver, "#line") == ["Line 3"]


def test_how_much_of_a_word_comes_from_the_source_is_said_where_contributions_are_shown(driver, tmp_path):
    raw = RawAttention(
        np.full((1, 2, 3, 3), 1 / 3),
        ["▁a", "▁b", "</s>"],
        ["▁x", "▁y", "</s>"],
        contributions_TS=np.array([[0.6, 0.1, 0.1], [0.1, 0.2, 0.1], [0.1, 0.1, 0.1]]),
        source_share_T=np.array([0.8, 0.4, 0.3]),
    )
    page = Page(method="argmax", threshold=0.3)
    words = by_words(Alignment.from_attention(raw, layer=0, signal="contributions"), "a b", "x y")
    page.add(1, "a b", "x y", raw, words, argmax_links(words.weights_TS))
    (tmp_path / "alignments.html").write_text(page.html({}), encoding="utf-8")
    open_page(driver, tmp_path / "alignments.html", 1)
    assert "60.0 %" in texts(driver, "#scores dd")  # the mean
    hover(driver, find(driver, "#target .word")[1])
    assert texts(driver, "#readout")[0].endswith("40.0 % from the source")
    driver.execute_script("change({ signal: 'weights' })")
    assert "from the source" not in " ".join(texts(driver, "#scores, #readout"))
    driver.execute_script("change({ signal: 'contributions' })")
    assert "from the source" in " ".join(texts(driver, "#scores"))
