"""The runtime of browser exports, onnxruntime-web, of one version, whose files are known by their digests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
FILES = {  # SHA-256: scripts and compiled code must be of one version, to the letter
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
LICENSE = """\
The files of this folder are those of onnxruntime-web {version}, unchanged.

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
SECONDS = 300  # for npm


def copy_runtime(folder: Path, given: Path | None) -> None:
    """Copies the runtime into `folder`: from `given` (--runtime), else from the cache, which npm fills.

    Raises ValueError in one line where it cannot be had, and for files of another version.
    """
    if given is not None:
        found = next((place for place in (given, given / "dist") if (place / next(iter(FILES))).is_file()), None)
        if found is None:
            raise ValueError(f"--runtime ({given}) must be a folder of {PACKAGE} {VERSION}, with {', '.join(FILES)}")
        check(found, f"--runtime ({given})")
    else:
        found = cached()
    folder.mkdir()
    for name in FILES:
        shutil.copyfile(found / name, folder / name)
    (folder / "LICENSE").write_text(LICENSE.format(version=VERSION), "utf-8")


def check(folder: Path, what: str) -> None:
    """Raises ValueError, saying `what` it is, for a folder whose files are not those of this version."""
    for name, digest in FILES.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            found = "another" if path.is_file() else "missing"
            raise ValueError(f"{what} must be {PACKAGE} {VERSION}: {name} is {found}")


def cached() -> Path:
    """The folder of the runtime in the user's cache, filled by npm the first time. Raises ValueError in one line."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    folder = home / "mt-trainer" / f"{PACKAGE}-{VERSION}"
    if folder.is_dir():
        check(folder, f"{folder} (delete it to fetch it again)")
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        temporary = Path(name)
        unpack(packed(temporary), temporary / "dist")
        check(temporary / "dist", f"what npm gave as {PACKAGE}")
        try:
            os.rename(temporary / "dist", folder)
        except OSError:
            check(folder, str(folder))  # another process was faster
    return folder


def packed(folder: Path) -> Path:
    """The package as npm gives it, a file in `folder`."""
    npm, instead = shutil.which("npm"), "give its folder with --runtime"
    if npm is None:
        raise ValueError(f"browser needs {PACKAGE} {VERSION}: npm, which fetches it, is not installed; {instead}")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=SECONDS)
        said = " ".join(done.stderr.split()) or f"code {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"browser needs {PACKAGE} {VERSION}: npm fails ({error}); {instead}") from None
    found = next(folder.glob("*.tgz"), None)
    if done.returncode or found is None:
        raise ValueError(f"browser needs {PACKAGE} {VERSION}: npm says: {said[:200]}; {instead}")
    return found


def unpack(archive: Path, folder: Path) -> None:
    """The runtime's files out of npm's archive."""
    folder.mkdir()
    with tarfile.open(archive) as tar:
        for name in FILES:
            content = tar.extractfile(f"package/dist/{name}")
            assert content is not None, "a plain file"
            (folder / name).write_bytes(content.read())
