"""Scores segments with a COMET model: a JSON object on standard input, one on standard output, in a separate process.

It runs in a Python that has the package unbabel-comet, which may differ from this project's: it needs older
numpy, protobuf and huggingface-hub. So nothing of this project is imported here, and nothing is downloaded.

    {"model": FOLDER, "segments": [{"src": …, "mt": …, "ref": …}, …], "batch_size": 16}
    -> {"scores": [0.87, …], "version": "2.2.7"}    or    {"error": "one line"}

The request {} only checks that the package is installed, which is quick: the answer is {} or an error.
"""

import json
import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

MISSING = "missing"  # the error where the package is not installed


def main() -> None:
    """Reads the request, and writes the answer, whatever happens."""
    answer, sys.stdout = sys.stdout, sys.stderr  # output of libraries must not mix with the answer
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [path for path in sys.path if path != here]  # a file in this folder has the package's name
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    try:
        body = scored(json.load(sys.stdin))
    except Exception as error:  # any error in the libraries is reported in one line
        body = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:1000]}
    answer.write(json.dumps(body) + "\n")
    answer.flush()


def scored(request: dict) -> dict:
    """The answer to a request, as the module's docstring has both."""
    if find_spec("comet") is None:
        return {"error": MISSING}
    if not request:
        return {}
    from comet import load_from_checkpoint

    model = load_from_checkpoint(str(weights_in(Path(request["model"]))), local_files_only=True)
    output = model.predict(
        request["segments"],
        batch_size=request["batch_size"],
        gpus=1,  # at most; without a GPU it uses the CPU
        num_workers=0,
        progress_bar=False,
    )
    return {"scores": [float(score) for score in output.scores], "version": version("unbabel-comet")}


def weights_in(folder: Path) -> Path:
    """The one file of weights, as in COMET's own downloads: checkpoints/model.ckpt next to hparams.yaml."""
    found = sorted(folder.glob("checkpoints/*.ckpt"))
    if len(found) != 1:
        raise FileNotFoundError(f"{folder} must hold one file checkpoints/*.ckpt, it holds {len(found)}")
    return found[0]


if __name__ == "__main__":
    main()
