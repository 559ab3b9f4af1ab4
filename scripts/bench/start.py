"""How long commands take to start: python scripts/bench/start.py --work FOLDER --output FOLDER

Whole processes, from nothing to their end: the help of a command, and one sentence translated (beam 5) with the model
that decoding.py trained and converted. CTranslate2 and transformers have no command for it; theirs is a script of ours.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import suppress
from functools import partial

import environments
from processes import Failure, begin, empty, finished, refuse
from results import Results
from setting import BEAM_SIZE, DEFAULT_WORK, HERE, PROJECT, SEARCH, Work, place

SENTENCE = "A man in a blue shirt is standing on a ladder."
LIMIT = 120  # seconds


def commands(work: Work) -> dict[str, dict[str, list]]:
    """By what is done, by who does it."""
    specification = {
        **SEARCH,
        "source": str(work.scratch / "sentence.txt"),
        "output": str(work.scratch / "output.json"),
        "modes": ["cold"],
        "started": time.monotonic(),
        "precision": "float32",
        "batch_tokens": 1024,
        "model": str(work.converted),
    }
    file = work.scratch / "specification.json"
    file.write_text(json.dumps(specification, indent=1), "utf-8")
    (work.scratch / "sentence.txt").write_text(f"{SENTENCE}\n", "utf-8")
    peers = {name: environments.python(name, work) for name in environments.REQUIREMENTS}
    ours = [sys.executable, "-m"]
    scripts = {name: HERE / "peers" / f"decode_{name}.py" for name in ("ctranslate2", "transformers")}
    translate = [*ours, "mt.translate", "--checkpoint", work.model, "--beam-size", str(BEAM_SIZE), SENTENCE]
    return {
        "help": {
            "mt.translate": [*ours, "mt.translate", "--help"],
            "mt.train": [*ours, "mt.train", "--help"],
            "joeynmt": [peers["joeynmt"], "-m", "joeynmt", "--help"],
            "eole": [peers["eole"].parent / "eole", "train", "--help"],
        },
        "one sentence": {
            "mt.translate": translate,
            **{name: [peers[name], script, file] for name, script in scripts.items()},
        },
    }


def run(command: list, work: Work) -> dict:
    """One whole process. Raises Failure."""
    environment = {"PYTHONPATH": str(PROJECT)} if command[0] == sys.executable else {}
    return finished(command, log=work.scratch / "log.txt", environment=environment, limit=LIMIT)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--rounds", type=int, default=5, help="turns that every command has (default: 5)")
    args = flags.parse_args()

    work = Work(args.work)
    begin(work)
    if not (work.model / "scores.json").exists() or not (work.converted / "model.json").exists():
        refuse(f"--work ({work.folder}) holds no model yet: the part decoding makes it")
    versions, left_out = environments.ready(environments.REQUIREMENTS, work)
    results = Results(args.output / "start.json", args, versions=versions, left_out=left_out)
    empty(work.scratch)
    chosen = [(what, who, command) for what, row in commands(work).items() for who, command in row.items()]
    chosen = [row for row in chosen if row[1] not in left_out]
    for _, _, command in chosen:  # brings files into the system's cache
        with suppress(Failure):
            run(command, work)
    for number in range(1, args.rounds + 1):
        for what, who, command in chosen:
            results.measure(partial(run, command, work), number=number, what=what, who=who)
    results.finish()


if __name__ == "__main__":
    main()
