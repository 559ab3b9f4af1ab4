"""Prepare a corpus: clean it, train its tokenizer, encode it. `python -m mt.prepare data=multi30k tokenizer=bpe`

Training does the same if necessary; this command shows the counts before a long training, and prints the folder.
"""

from typing import Any

from mt.settings import run_hydra


def main(settings: dict[str, Any]) -> None:
    """Prepare what `settings` (`data` and `tokenizer` nodes) describe; the folder goes to stdout, counts to stderr."""
    from mt.checkpoint.rebuild import build
    from mt.data.prepare import prepare

    prepared = prepare(build(settings["data"]), build(settings["tokenizer"]), num_processes=settings["num_processes"])
    print(prepared.folder)


def cli() -> None:
    """The command, also as the script `mt-prepare`."""
    run_hydra(main, "prepare")


if __name__ == "__main__":
    cli()
