"""Draws a picture of an alignment page as a browser shows it, with a word pointed at: docs/page.png is made so.

    python -m mt.align --checkpoint checkpoints/demo --source data/bundled/test.en --target data/bundled/test.de \\
        --gold data/bundled/test.align --formats html --output maps
    python scripts/page_picture.py maps/alignments.html docs/page.png --line 81 --target-word 10 --height 1030

It needs Chromium with its driver and the fonts of the languages on the page.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402 - found by the line above

from tests.browser import chromium, in_colours, missing  # noqa: E402


def main() -> int:
    """Draws the picture; 2 where there is no browser."""
    flags = parser().parse_args()
    if lack := missing():
        print(lack, file=sys.stderr)
        return 2
    with TemporaryDirectory() as profile, chromium(Path(profile), width=flags.width, height=flags.height) as driver:
        in_colours(driver, flags.scheme)
        driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        driver.get(f"{flags.page.resolve().as_uri()}#{flags.line}")
        WebDriverWait(driver, 20).until(
            lambda driver: driver.execute_script("return document.documentElement.dataset.ready") == str(flags.line)
        )
        for side, word in (("source", flags.source_word), ("target", flags.target_word)):
            if word is not None:
                driver.execute_script("pin({[arguments[0]]: arguments[1]})", side, word)
        driver.execute_script("return document.fonts.ready")
        driver.save_screenshot(str(flags.picture))
    return 0


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, metavar="PAGE", help="alignments.html, as mt.align writes it")
    parser.add_argument("picture", type=Path, metavar="PNG", help="where the picture goes")
    parser.add_argument("--line", type=int, default=1, help="which sentence is shown (default: %(default)s)")
    parser.add_argument("--source-word", type=int, metavar="N", help="a source word to light, from 0")
    parser.add_argument("--target-word", type=int, metavar="N", help="a target word to light, from 0")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light", help="(default: %(default)s)")
    parser.add_argument("--width", type=int, default=1360, help="of the window, in pixels (default: %(default)s)")
    parser.add_argument("--height", type=int, default=940, help="of the window, in pixels (default: %(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
