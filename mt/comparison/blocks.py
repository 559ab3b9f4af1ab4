"""Blocks of a report: paragraphs, tables and pictures, as Markdown and as one HTML page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Cells as text under their heads; the first column names the row."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


# a paragraph or "# heading", a table, a picture (SVG) that takes half a second to draw
Block = str | Table | Callable[[], bytes]


def as_markdown(blocks: Iterable[Block]) -> str:
    """The whole report without its pictures."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Table):
            lines.append(_row(block.heads))
            lines.append(_row(["---"] + ["---:"] * (len(block.heads) - 1)))
            lines += [_row(row) for row in block.rows] + [""]
        elif isinstance(block, str):
            lines += [block, ""]
    return "\n".join(lines)


def as_page(title: str, blocks: Iterable[Block]) -> str:
    """One self-contained HTML page."""
    body: list[str] = []
    for block in blocks:
        if isinstance(block, Table):
            body.append(_html_table(block))
        elif callable(block):
            body.append(f"<figure>{_inline(block())}</figure>")
        elif heading := re.match(r"(#+) (.*)", block):
            level = len(heading[1])
            body.append(f"<h{level}>{html.escape(heading[2])}</h{level}>")
        else:
            body.append(_html_paragraph(block))
    return PAGE.replace("TITLE", html.escape(title)).replace("BODY", "\n".join(body))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _html_table(table: Table) -> str:
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in table.heads)
    rows = "".join(f"<tr>{''.join(_html_cell(cell) for cell in row)}</tr>" for row in table.rows)
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _html_cell(cell: str) -> str:
    is_number = re.fullmatch(r"[-+]?[\d,.]*(e[-+]\d+)?", cell)
    return f"<td>{cell}</td>" if is_number else f'<td class="text">{html.escape(cell)}</td>'


def _html_paragraph(text: str) -> str:
    code = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
    return f"<p>{code}</p>"


def _inline(svg: bytes) -> str:
    text = svg.decode("utf-8")
    return text[text.index("<svg") :]


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1b2733;
  background: #fff; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
th { text-align: right; vertical-align: bottom; font-weight: 600; border-bottom: 2px solid #8a99a8; }
th, td { padding: .25rem .6rem; }
td { text-align: right; border-bottom: 1px solid #e3e8ed; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
td.text { text-align: left; }
tbody tr:hover td { background: #f1f6fa; }
code { background: #f1f4f7; padding: .1rem .3rem; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
</style>
<main>
BODY
</main>
</html>
"""
