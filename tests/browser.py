"""Headless Chromium: for the tests of HTML pages, and for pictures of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # which root, as in a container, cannot do without
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)


def missing() -> str | None:
    """What is not installed here, in words; None when a browser can be started."""
    if not any(map(shutil.which, BROWSERS)) or not shutil.which("chromedriver"):
        return "needs Chromium and its driver (on Debian: apt-get install chromium chromium-driver)"
    return None


@contextmanager
def chromium(profile: Path, *, width: int = 1360, height: int = 940, scale: float = 1) -> Iterator[webdriver.Chrome]:
    """A browser with a window of so many CSS pixels, `scale` of the picture's to each, that ends with the block.

    `profile` is a folder for what it keeps, which should be fresh.
    """
    options = Options()
    options.binary_location = next(filter(None, map(shutil.which, BROWSERS)))
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--force-device-scale-factor={scale}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        yield driver
    finally:
        driver.quit()


def in_colours(driver: webdriver.Chrome, scheme: str) -> None:
    """Lets pages see that their reader prefers "light" or "dark", and stillness: what is lit is lit at once."""
    wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


class Files(SimpleHTTPRequestHandler):
    """A static host that notes the size of each file that it sends."""

    def __init__(self, *given: Any, sent: list[int], **more: Any):
        self.sent = sent
        super().__init__(*given, **more)

    def log_message(self, format: str, *values: Any) -> None:
        """Says nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        data = source.read()
        self.sent.append(len(data))
        outputfile.write(data)


@contextmanager
def static_host(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """The address of a static host of this folder on this machine, and the sizes of the files that it has sent."""
    sent: list[int] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, sent=sent, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", sent
    finally:
        server.shutdown()
        server.server_close()
