"""A Python with torch and this package in it, which forks: a test's process need not load them anew for two seconds.

`python tests/forks.py SOCKET` is what `tests.children.start` asks. A fork is a process like any other (signals, pipes,
exit code, a working folder, an environment), except that modules are loaded already.
"""

import gc
import importlib
import os
import pickle
import pkgutil
import runpy
import socket
import sys
from contextlib import suppress
from typing import Any

COMMANDS = (
    *(
        "align",
        "back_translate",
        "caption",
        "compare_attention",
        "compare_models",
        "distill",
        "doctor",
        "evaluate",
        "export",
    ),
    *("prepare", "prune", "quantize", "rerank", "retrieve", "score", "serve", "shortlist", "train", "translate"),
)
LOADED_LATER = ("hydra", "matplotlib.figure", "omegaconf", "sacrebleu", "sentencepiece", "torch", "torch._dynamo")

# programs that exports carry: they load engines such as onnxruntime, whose threads hold locks that a fork never gets
OF_EXPORTS = "mt.interchange.runners"

SERVERS_OWN: list[Any] = []  # streams that must not be closed with their descriptors, which others have by then


def load() -> None:
    """Loads what the commands load, except for the commands themselves, each of which is to run as `__main__`."""
    import mt

    for name in LOADED_LATER:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(mt.__path__, "mt."):
        if module.name.startswith(f"{OF_EXPORTS}."):
            continue
        with suppress(ImportError):  # an optional extra
            importlib.import_module(module.name)
    for name in COMMANDS:
        del sys.modules[f"mt.{name}"]
        delattr(mt, name)
    gc.freeze()  # else the first collection in each fork copies every page of what was loaded here


def serve(requests: socket.socket) -> dict[str, Any]:
    """Answers requests until nobody is left to ask; returns in each forked process, with its request."""
    while True:
        _, descriptors, _, _ = socket.recv_fds(requests, 1, 4)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not descriptors:
            os._exit(0)
        if os.fork() == 0:
            return begin(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def begin(reply: int, *streams: int) -> dict[str, Any]:
    """Forks once more, reports process id and exit status from outside, and returns the request inside."""
    answers = socket.socket(fileno=reply)
    with answers.makefile("rb") as lines:
        request = pickle.load(lines)
    process = os.fork()
    if process:
        for descriptor in streams:
            os.close(descriptor)
        answers.sendall(b"%d\n" % process)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        with suppress(OSError):
            answers.sendall(b"%d\n" % status)
        os._exit(0)
    answers.detach()
    for place, descriptor in enumerate(streams):
        os.dup2(descriptor, place)
    os.closerange(3, 4096)
    SERVERS_OWN.extend([sys.stdin, sys.stdout, sys.stderr])
    sys.stdin = open(0, errors=sys.stdin.errors, closefd=False)  # noqa: SIM115 (as long as the process lives)
    sys.stdout = open(1, "w", errors=sys.stdout.errors, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    return request


def become(request: dict[str, Any]) -> None:
    """Runs what `python ARGUMENTS` would, with its folder and its environment."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for path in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        sys.path.insert(0, path)
    if request["setup"]:
        module, name = request["setup"]
        getattr(importlib.import_module(module), name)()
    first, *others = request["arguments"]
    if first == "-m":
        sys.path.insert(0, request["cwd"])
        sys.argv[:] = others
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.path.insert(0, "")
        sys.argv[:] = ["-c", *others[1:]]
        exec(compile(others[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(first)))
        sys.argv[:] = [first, *others]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    asked = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = os.path.dirname(sys.path[0])
    load()
    become(serve(asked))
