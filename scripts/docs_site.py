"""For `make docs` (mkdocs.yml): adds the pages at the root of the project, with links that fit the site."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
AT_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Called by mkdocs: adds the pages at the root."""
    for name, place in AT_ROOT.items():
        content = with_links_of_the_site((ROOT / name).read_text("utf-8"), "")
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Called by mkdocs for each page: those of docs/ may link to the pages at the root."""
    return markdown if page.file.generated_by else with_links_of_the_site(markdown, "docs")


def with_links_of_the_site(markdown: str, folder: str) -> str:
    """The text of a page in `folder` with its links as the site has its pages; a link to another file becomes text."""

    def changed(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if path in AT_ROOT or path.startswith("docs/"):
            return f"{text}({AT_ROOT.get(path, path.removeprefix('docs/'))}{anchor})"
        return text[1:-1]

    return LINK.sub(changed, markdown)
