"""Documents hold: commands are ones that the program takes, Python runs, links lead somewhere, pictures are there."""

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests import composing
from tests.test_layout import MAY_IMPORT

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "data/README.md", ROOT / "checkpoints/README.md"]
    )
}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LONGEST_README = 12_000  # bytes
FILES = (".yaml", ".json", ".safetensors")  # names in code spans that are no settings


def blocks(language, text):
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def without_code(text):
    """The text without code blocks and code spans, whose brackets and hashes are no links and no headings."""
    return re.sub(r"`[^`\n]+`", "code", re.sub(r"```.*?```", "", text, flags=re.S))


def commands():
    """Each command of the documents: lines of `sh` blocks, and commands that begin a cell of a table."""
    for page, text in PAGES.items():
        lines = "".join(block.replace("\\\n", " ") for block in blocks("sh", text)).splitlines()
        cells = re.findall(r"^\|.*?\| `(python -m mt\.[^`]+|make [^`]+)` \|", text, re.M)
        for line in dict.fromkeys([*lines, *cells]):
            if line.strip() and not line.startswith("#"):
                yield pytest.param(line, id=f"{page}: {line[:60]}")


def name_and_words(command):
    """The name of our command and the words after it; None for `make` and scripts, of which the name is checked."""
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        target = next(word for word in words[1:] if "=" not in word)
        assert re.search(rf"^{target}:", MAKEFILE, re.M)
        return None
    script = next((word for word in words[:2] if word.startswith("scripts/")), None)
    if script:
        assert (ROOT / script).is_file()
        return None
    start = 0 if words[0] == "translate" else words.index("-m") + 1  # after python or torchrun
    name, words = words[start].removeprefix("mt."), words[start + 1 :]
    if words[:1] and words[0] in {"align": ("choose", "head", "corpus"), "retrieve": ("index", "evaluate")}.get(
        name, ()
    ):
        name, words = f"{name}_{words[0]}", words[1:]
    return name, words


def has_settings(command):
    """Whether it is a command of Hydra."""
    return re.search(r"-m mt\.(train|prepare|doctor|compare_attention)\b", command) is not None


@pytest.mark.parametrize("command", [one for one in commands() if not has_settings(one.values[0])])
def test_command_is_understood(command):
    if named := name_and_words(command):
        name, words = named
        assert import_module(f"mt.{name}").parser().parse_args(words)


@pytest.mark.slow  # composes settings, 0.2 s each time
@pytest.mark.parametrize("command", [one for one in commands() if has_settings(one.values[0])])
def test_command_with_settings_is_understood(command):
    name, words = name_and_words(command)
    # a search's own settings come with the extra `sweep`, and tests/test_sweeps.py runs them
    is_sweep = "-m" in words
    overrides = [word for word in words if "=" in word or word.startswith("~")]
    overrides = [word for word in overrides if not is_sweep or ("," not in word and word != "hydra/sweeper=tune")]
    assert composing.composed(name, overrides)


def test_nothing_that_is_written_here_goes_into_the_folder_of_a_run():
    """A file that no run writes makes `fresh=true` refuse the run."""
    texts = {**PAGES, "Makefile": MAKEFILE}
    texts |= {path.name: path.read_text("utf-8") for path in ROOT.glob("scripts/**/*") if path.suffix in (".sh", ".py")}
    wrong = [name for name, text in texts.items() if re.search(r"--output[ =]checkpoints/", text)]
    assert not wrong


def test_there_are_commands_to_understand():
    assert len(list(commands())) >= 50


def spans():
    """(page, text) of each code span."""
    for page, text in PAGES.items():
        for span in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)):
            yield page, span


def test_files_that_are_named_exist():
    at_root = re.compile(r"(?:mt|configs|scripts|tests|docs|data/bundled)/[\w./*-]+")
    named = [(page, path) for page, span in spans() for path in at_root.findall(span) if not span.startswith("-")]
    assert len(named) > 80
    made_by_runs = ("data/bundled", "mt/attention/hardest.py")
    wrong = [of for of in named if not of[1].startswith(made_by_runs) and not list(ROOT.glob(of[1].rstrip("/.")))]
    assert not wrong


def test_flags_and_commands_that_are_named_exist():
    tables = [ROOT / "mt" / "interchange" / "table.py"]  # flags of the targets of exports
    files = [
        path for path in [*ROOT.glob("mt/*.py"), *tables, *ROOT.glob("scripts/**/*.*")] if path.suffix in (".py", ".sh")
    ]
    known = "\n".join(path.read_text(encoding="utf-8") for path in files) + "--index-url --rdzv-id"
    flags = {(page, flag) for page, span in spans() for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span)}
    assert len(flags) > 60 and not [of for of in flags if not re.search(rf"{of[1]}\b", known)]
    modules = {name for _, span in spans() for name in re.findall(r"(?:python -m )mt\.(\w+)", span)}
    assert len(modules) >= 7 and all((ROOT / "mt" / f"{name}.py").is_file() for name in modules)
    scripts = {name for _, span in spans() for name in re.findall(r"^mt-[a-z-]+$", span)} - {"mt-trainer"}
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert len(scripts) >= 7 and all(f"\n{name} = " in pyproject for name in scripts)


def test_settings_that_are_named_exist(composed):
    """A dotted name whose first word is a setting of mt.train: `trainer.accumulate`, `data.max_pieces=512`."""
    corpus = ["data=text", "data.source_language=en", "data.target_language=de", "data.folder=my/corpus"]
    settings, wrong = composed(corpus), []
    for page, span in spans():
        for name in re.findall(
            r"(?:^|[ '~])((?:data|model|trainer|batches|guidance|final|scores|schedule)\.[\w.]+)", span
        ):
            node = settings
            for part in name.rstrip(".").split("."):
                node = node.get(part, "missing") if isinstance(node, dict) else "missing"
            if node == "missing" and not name.endswith(FILES):
                wrong.append((page, name))
    assert not wrong


def test_the_readme_is_short():
    assert len(PAGES["README.md"].encode()) <= LONGEST_README


def anchor(heading):
    """A heading's anchor, as GitHub and the site make it."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower()))


def anchors(page):
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", without_code(PAGES[page]), re.M)}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    wrong = []
    for target in re.findall(r"\]\(([^)]+)\)", without_code(PAGES[page])):
        if "://" in target:
            continue
        file, _, at = target.partition("#")
        path = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else None
        if name is None or not path.is_file() or (at and at not in anchors(name)):
            wrong.append(target)
    assert not wrong


def test_every_page_is_linked_from_another():
    for page in PAGES:
        others = [text for other, text in PAGES.items() if other != page]
        if page.startswith("docs/") and page != "docs/reference.md":
            assert any(
                f"{Path(page).name}" in target for text in others for target in re.findall(r"\]\(([^)]+)\)", text)
            )


def test_every_page_stands_in_the_site():
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        if page.startswith("docs/"):
            assert re.search(rf": {Path(page).name}$", site, re.M), page


def test_pictures_are_there():
    pictures = [
        ((ROOT / page).parent / picture, alternative)
        for page, text in PAGES.items()
        for alternative, picture in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text)
    ]
    assert len(pictures) >= 5
    for picture, alternative in pictures:
        assert picture.stat().st_size > 5000 and len(alternative) > 10, picture


@pytest.mark.parametrize("page, heading", [("README.md", "## The map"), ("docs/design.md", "## The map")])
def test_every_folder_and_file_of_the_map_exists(page, heading):
    tree = PAGES[page].split(heading)[1].split("```")[1]
    names = re.findall(r"^ {2,4}(\w+(?:\.py|/))|(?<= )(\w+\.py)", tree, re.M)
    assert len(names) > 8
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]  # .venv is large
    there = {path.name for folder in folders for path in (folder, *folder.rglob("*"))} | set(os.listdir(ROOT))
    assert {"".join(name).rstrip("/") for name in names} <= there


def test_the_design_says_who_may_import_whom():
    rows = [
        f"| `{part}` | {', '.join(f'`{name}`' for name in sorted(others)) or 'nothing'} |"
        for part, others in MAY_IMPORT.items()
    ]
    missing = [row for row in rows if row not in PAGES["docs/design.md"].splitlines()]
    assert not missing, "docs/design.md needs these rows:\n" + "\n".join(missing)


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """What the tour printed, and a folder in which its run is checkpoints/mine."""
    folder = tmp_path_factory.mktemp("tour")
    command = [sys.executable, ROOT / "scripts" / "tour.py", "--folder", folder / "outputs"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "mine").symlink_to(folder / "outputs" / "run")
    return folder, done.stdout


@pytest.mark.slow
def test_the_tour_shows_what_it_promises(tour):
    folder, text = tour
    assert [int(number) for number in re.findall(r"^(\d)\. ", text, re.M)] == [1, 2, 3, 4]
    assert float(re.search(r"BLEU on 100 such sentences: ([\d.]+) of 100", text)[1]) > 0.5
    read, right = map(int, re.search(r"Links that are read here: (\d+), of which (\d+) are gold links", text).groups())
    assert read >= right >= read / 2
    assert (folder / "outputs" / "heatmap.png").stat().st_size > 5000
    sizes = [int(size.replace(",", "")) for size in re.findall(r"target pieces: ([\d,]+) bytes", text)]
    # two layers, a key and a value of 64 numbers of 4 bytes each, in blocks of 16 pieces
    assert sizes == [blocks * 16 * 2 * 2 * 64 * 4 for blocks in (1, 1, 2, 3)]


# the heading over a snippet, and what must be among the lines that it prints
PRINTED = {
    "docs/python.md Translate": r"-\d+\.\d\d \w+",
    "docs/python.md Align": r"layer \d, head.*\[\(\d, \d\)",
    "docs/python.md Score": r"bleu [\d.]+ nrefs:1\|case:mixed",
    "docs/python.md Score given translations": r"-\d+\.\d\d -\d+\.\d\d Das Kind schläft\.\n\{.*'</s>': -",
    "docs/python.md Prefix, terms, several models": r"^Ich .*\bHaus\b.*\n\(-\d",
    "docs/python.md Translate a file in its format": r'# a comment\n#, fuzzy\nmsgid "The child sleeps."\nmsgstr "\w+',
    "docs/python.md Tap": r"layers, heads, target, source: 2 2 \d+ \d+",
    "docs/python.md Load a checkpoint": r"step_000300 en de",
    "docs/python.md Attention on its own": r"torch.Size\(\[3, 7, 64\]\)",
    "CONTRIBUTING.md A new attention variant": r"torch.Size\(\[1, 2, 3, 4\]\)",
}


def snippets():
    """(page and heading, code) of each Python block."""
    for page, text in PAGES.items():
        for section in re.split(r"^## ", text, flags=re.M)[1:]:
            for code in blocks("python", section):
                yield f"{page} {section.splitlines()[0]}", code


def test_every_snippet_has_its_row():
    assert [name for name, _ in snippets()] == list(dict.fromkeys(name for name, _ in snippets()))
    assert {name for name, _ in snippets()} == PRINTED.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name, code", [pytest.param(*snippet, id=snippet[0]) for snippet in snippets()])
def test_snippet_runs(tour, monkeypatch, capsys, name, code):
    monkeypatch.chdir(tour[0])
    exec(compile(code, name, "exec"), {})
    assert re.search(PRINTED[name], capsys.readouterr().out)
