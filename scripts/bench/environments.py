"""A virtual environment for each peer, with pinned versions: python scripts/bench/environments.py --work FOLDER

All of them get the version of torch that we run on. What pip needs to find a build of it for this machine (such as
PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS) is taken from the environment. A peer that cannot be installed is left out of the
benchmark, with pip's reason.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from setting import DEFAULT_WORK, Work, place

REQUIREMENTS = {
    # sentencepiece: 0.2.2 took away SetVocabulary, which JoeyNMT calls. importlib_metadata: imported, not declared.
    "joeynmt": ["joeynmt==2.3.0", "sentencepiece==0.2.1", "importlib_metadata==9.0.1"],
    "eole": ["eole==0.6.4", "aiohttp==3.14.3"],  # aiohttp: imported by every command, not declared
    "transformers": ["transformers==5.23.0", "sentencepiece==0.2.3"],
    "ctranslate2": ["ctranslate2==4.8.5", "sentencepiece==0.2.3"],
}
WITHOUT_TORCH = {"ctranslate2"}
TCMALLOC = "libtcmalloc_minimal.so.4"  # of Debian's and Ubuntu's package libtcmalloc-minimal4


def torch_version() -> str:
    """The one that we run on, without what names its build."""
    return importlib.metadata.version("torch").partition("+")[0]


def make(name: str, work: Work) -> str | None:
    """Makes the environment, unless it is there; gives the reason if that cannot be done."""
    folder, wanted = work.environments / name, list(REQUIREMENTS[name])
    if name not in WITHOUT_TORCH:
        wanted.append(f"torch=={torch_version()}")
    mark = folder / "requirements.txt"
    if mark.exists() and mark.read_text("utf-8").split() == wanted:
        return None
    print(f"environment {name}: {' '.join(wanted)}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [python(name, work), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return " ".join(done.stderr.split())[-400:]
    mark.write_text("\n".join(wanted) + "\n", "utf-8")
    return None


def python(name: str, work: Work) -> Path:
    """The interpreter of a peer, ours for `mt`."""
    return Path(sys.executable) if name == "mt" else work.environments / name / "bin" / "python"


def versions(name: str, work: Work) -> dict[str, str]:
    """Every package of an environment."""
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    output = subprocess.run([python(name, work), "-c", code], check=True, capture_output=True, text=True).stdout
    return dict(sorted(json.loads(output).items(), key=lambda item: item[0].lower()))


def tcmalloc(work: Work) -> Path | None:
    """The allocator's library: the system's, or one that is fetched with apt and unpacked here; None without either."""
    own = work.environments / "tcmalloc"
    for folder in (Path("/usr/lib"), Path("/usr/local/lib"), own):
        if found := sorted(folder.rglob(TCMALLOC)):
            return found[0]
    own.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", "libtcmalloc-minimal4"], cwd=own, check=True, capture_output=True)
        subprocess.run(["dpkg", "-x", *own.glob("*.deb"), own], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return next(iter(sorted(own.rglob(TCMALLOC))), None)


def ready(names: Iterable[str], work: Work) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Makes what is missing; gives the versions of all that is there, and why others are not."""
    reasons = {name: make(name, work) for name in dict.fromkeys(names) if name != "mt"}
    left_out = {name: f"it cannot be installed: {reason}" for name, reason in reasons.items() if reason}
    there = [name for name in dict.fromkeys(names) if name not in left_out]
    return {name: versions(name, work) for name in there}, left_out


if __name__ == "__main__":
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept")
    args = flags.parse_args()
    kept = Work(args.work)
    for each in REQUIREMENTS:
        print(f"{each}: {make(each, kept) or 'ready'}")
    print(f"tcmalloc: {tcmalloc(kept) or 'not there: install libtcmalloc-minimal4'}")
