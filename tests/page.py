"""Keys, clicks and looks at the translation page, for its tests behind a server and in exports for browsers."""

import time

from axe_core_python.selenium import Axe
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.children import PATIENCE_SECONDS


def until(condition):
    for _ in range(20 * PATIENCE_SECONDS):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came to that")


def wait(driver, condition):
    WebDriverWait(driver, PATIENCE_SECONDS).until(lambda driver: driver.execute_script(f"return {condition}"))


def element(driver, name):
    return driver.find_element(By.ID, name)


def find(driver, selector):
    return driver.find_elements(By.CSS_SELECTOR, selector)


def texts(driver, selector):
    return driver.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector
    )


def positions(driver, selector):
    return {int(each.get_attribute("data-index")) for each in find(driver, selector)}


def choose(driver, name, value):
    driver.find_element(By.CSS_SELECTOR, f"#{name} option[value='{value}']").click()


def becomes(driver, selector, expected):
    """Waits until the texts of the elements are those, with | between them."""
    found = f"[...document.querySelectorAll('{selector}')].map((each) => each.textContent).join('|')"
    wait(driver, f"{found} === `{expected}`")


def write(driver, text, translation=None):
    """Types a text, and waits for its translation."""
    element(driver, "text").send_keys(text)
    if translation is not None:
        becomes(driver, "#translation", translation)


def hover(driver, each):
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", each)
    ActionChains(driver).move_to_element(each).perform()


def violations(driver, axe=Axe()):  # noqa: B008  # it reads a file of half a megabyte
    found = axe.run(driver)["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
