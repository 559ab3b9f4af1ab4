"""What the align command writes: links in Pharaoh format, JSON lines, pictures, a page, and a summary of all lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mt.alignment.aligned_line import AlignedLine
from mt.alignment.alignment import CONTRIBUTIONS, Alignment
from mt.alignment.breakdown import Breakdown
from mt.alignment.choice import Choice
from mt.alignment.erasure_agreement import ErasureAgreement
from mt.alignment.gold import Gold
from mt.alignment.heatmap import save_grid, save_heatmap
from mt.alignment.link_finder import LinkFinder
from mt.alignment.links import Link, to_pharaoh
from mt.alignment.page.page import Page
from mt.alignment.picture_map import PictureMap, save_picture_map
from mt.alignment.pointing import Pointing
from mt.data.whole_folder import whole_file, write_json, write_whole
from mt.words import num_words

log = logging.getLogger(__name__)

ABOUT = "about.json"
PICTURE_FORMATS = ("png", "svg")
Write = Callable[[AlignedLine, "set[Link]", "Gold | None"], None]  # a line, its links and gold links


@dataclass
class Summary:
    """What is known after all lines: of how many, where they were read, and error rates where there is gold."""

    num_lines: int = 0
    alignment: Alignment | None = None  # of the last line that has one: all are read at one place
    sink_masses: list[float] = field(default_factory=list)
    errors: Breakdown = field(default_factory=Breakdown)
    pointing: Pointing | None = None  # where there are gold boxes
    image_masses: list[float] = field(default_factory=list)  # of lines with a picture
    agreement: ErasureAgreement | None = None  # of the heads with erasure, where that is the signal
    source_shares: list[float] = field(default_factory=list)  # of all target tokens, where the signal knows them

    @property
    def num_aligned(self) -> int:
        """How many lines have an alignment."""
        return len(self.sink_masses)

    @property
    def sink_mass(self) -> float:
        """The mean over lines."""
        return round(sum(self.sink_masses) / len(self.sink_masses), 4)

    @property
    def source_share(self) -> float | None:
        """The mean over target tokens; None where it is not known."""
        return round(sum(self.source_shares) / len(self.source_shares), 4) if self.source_shares else None

    def add(self, line: AlignedLine, links: set[Link], gold: Gold | None, directions: dict[str, set[Link]]) -> None:
        """Counts a line; `directions` are its links by each model alone, where there are two."""
        self.num_lines += 1
        if gold:
            self.errors.add(links, gold, num_words(line.source), directions)
        if line.alignment is not None:
            self.alignment = line.alignment
            self.sink_masses.append(line.alignment.sink_mass)
            if line.alignment.source_share_T is not None:
                self.source_shares += line.alignment.source_share_T.tolist()
            if line.picture is not None:
                self.image_masses.append(line.alignment.image_mass)
        if line.raw is not None and line.raw.erasure_TS is not None:
            same = ErasureAgreement.of(line.raw, line.source, line.target)
            self.agreement = same if self.agreement is None else self.agreement + same
        if line.raw is not None and line.boxes:
            found = Pointing.of([(line.raw, line.target, line.boxes)])
            self.pointing = found if self.pointing is None else self.pointing + found

    def of_pictures(self) -> dict[str, float]:
        """Pointing, mass inside the boxes and chance in %, where alignments were read; the share on pictures."""
        if not self.image_masses or self.alignment is None:
            return {}
        share = 100 * sum(self.image_masses) / len(self.image_masses)
        at = Choice(self.alignment.layer, self.alignment.heads, self.alignment.shift)
        found = {} if self.pointing is None else self.pointing.at(at)
        return {name: round(value, 2) for name, value in {**found, "mass_on_picture": share}.items()}


@contextmanager
def pharaoh_file(path: Path) -> Iterator[Write]:
    """Writes "0-0 1-2" for every line: source-target, from 0."""
    with whole_file(path) as file:
        yield lambda line, links, gold: _write(file, to_pharaoh(links))


@contextmanager
def json_file(path: Path) -> Iterator[Write]:
    """Writes a JSON object for every line: tokens, weights and links."""
    with whole_file(path) as file:
        yield lambda line, links, gold: _write(file, json.dumps(line.to_json(links), ensure_ascii=False))


def _write(file: Any, text: str) -> None:
    file.write(text + "\n")


class Pictures:
    """Draws the first `most` lines that have weights, as 0001.png and the like; `formats` are png and svg.

    `grid`: heads, layers or all (`AlignedLine.grid`), drawn in addition (0001.grid.png).
    """

    def __init__(self, folder: Path, formats: Sequence[str], most: int, grid: str | None = None):
        self.folder, self.formats, self.most, self.grid = folder, list(formats), most, grid
        self.num_drawn = 0

    def __call__(self, line: AlignedLine, links: set[Link], gold: Gold | None) -> None:
        if line.alignment is None or self.num_drawn >= self.most:
            return
        if line.picture is not None and line.raw is not None and self.formats:
            at = line.alignment
            mapped = PictureMap.of(line.raw, line.target, Choice(at.layer, at.heads, at.shift))
            stem = self.folder / f"{line.number:04d}.picture"
            save_picture_map(line.picture, mapped, stem, boxes=line.boxes, formats=self.formats)
            self.num_drawn += not line.alignment.weights_TS.size
        if not line.alignment.weights_TS.size:
            return
        stem, title = self.folder / f"{line.number:04d}", f"{line.number}: {line.source.strip()}"
        save_heatmap(line.alignment, stem, formats=self.formats, title=title, links=links, gold=gold)
        if self.grid:
            save_grid(line.grid(self.grid), f"{stem}.grid", formats=self.formats, title=title, gold=gold)
        self.num_drawn += 1


class PageLines:
    """Adds the first `most` lines that have weights to the page."""

    def __init__(self, page: Page, most: int):
        self.page, self.most = page, most

    def __call__(self, line: AlignedLine, links: set[Link], gold: Gold | None) -> None:
        if line.alignment is None or len(self.page) >= self.most:
            return
        if not line.alignment.weights_TS.size and line.picture is None:
            return
        assert line.raw is not None
        self.page.add(line.number, line.source, line.target, line.raw, line.alignment, links, gold, line.picture)


class Output:
    """Where the files go, in which `formats` (html, png, svg, json, pharaoh), and how many lines are drawn at most."""

    def __init__(
        self, folder: Path, formats: Sequence[str], *, most_pictures: int, most_on_page: int, grid: str | None = None
    ):
        self.folder, self.formats = folder, formats
        self.most_on_page = most_on_page if "html" in formats else 0
        drawn = [name for name in PICTURE_FORMATS if name in formats]
        self.pictures = Pictures(folder, drawn, most_pictures if drawn else 0, grid)

    def write(
        self, lines: Iterable[AlignedLine], finder: LinkFinder, gold: Sequence[Gold] | None
    ) -> tuple[Summary, Page]:
        """Writes every line to every file but the page, and takes in the lines of the page."""
        method, threshold = finder.rule
        page = Page(method=method, threshold=threshold, symmetrize=finder.symmetrize if finder.reverse else None)
        summary = Summary()
        writers: list[Write] = [PageLines(page, self.most_on_page), self.pictures]
        with ExitStack() as stack:
            for name, opened, file_name in (
                ("json", json_file, "alignments.jsonl"),
                ("pharaoh", pharaoh_file, "links.pharaoh"),
            ):
                if name in self.formats:
                    writers.append(stack.enter_context(opened(self.folder / file_name)))
            for line in lines:
                links, directions = finder(line)
                line_gold = gold[line.number - 1] if gold else None
                summary.add(line, links, line_gold, directions)
                for write in writers:
                    write(line, links, line_gold)
        for name, count, most in (
            ("alignments.html", len(page), self.most_on_page),
            ("pictures", self.pictures.num_drawn, self.pictures.most),
        ):
            if 0 < count == most < summary.num_aligned:
                log.info("%s: the first %d of %d lines (--limit)", name, count, summary.num_aligned)
        return summary, page

    def finish(self, page: Page, about: dict[str, Any]) -> None:
        """Writes the page, and then about.json, which describes all files and so comes last."""
        if "html" in self.formats:
            write_whole(
                self.folder / "alignments.html",
                page.html(page_facts(about, len(page)), about.get("agreement_with_erasure")),
            )
        write_json(self.folder / ABOUT, about)


def page_facts(about: dict[str, Any], num_sentences: int) -> dict[str, str]:
    """What the top of the page says, by name."""
    facts = {"checkpoint": about["checkpoint"]}
    if "reverse" in about:
        facts["joined with"] = f"{about['reverse']}, {about['symmetrize']}"
    if "aer" in about:
        facts |= {name: f"{100 * about[name.lower()]:.1f} %" for name in ("AER", "precision", "recall")}
    if "pointing" in about:
        names = {"pointing": "pointing", "chance": "pointing_chance", "inside boxes": "mass_inside"}
        facts |= {name: f"{about[key]:.1f} %" for name, key in names.items()}
    if agreement := about.get("agreement_with_erasure"):
        at = agreement["nearest"]
        facts["same word as erasure"] = (
            f"{100 * at['share']:.1f} % (layer {at['layer']}, head {at['head']}, shift {at['shift']}, {at['signal']})"
        )
        if CONTRIBUTIONS in agreement:
            facts["contributions"] = f"{100 * agreement[CONTRIBUTIONS]:.1f} %"
    return facts | {"lines": f"{num_sentences} of {about['lines']}"}
