"""No command overwrites a file that it was given to read."""

import gzip

import pytest

from mt import back_translate, distill, evaluate, score, translate
from mt.align_corpus import main as align_corpus

OTHERS = "--source source --reference reference"
CASES = [
    (translate.main, "--checkpoint run --input same --output same", "--input"),
    (translate.main, "--checkpoint run --input source --terms same --output same", "--terms"),
    (translate.main, "--checkpoint run --format md --input source --terms same --output same", "--terms"),
    (back_translate.main, "--checkpoint run --input same --output same", "--input"),
    (distill.main, "data --teacher run --source same --output same", "--source"),
    (distill.main, "data --teacher run --source source --choose nearest --reference same --output same", "--reference"),
    (score.main, "--checkpoint run --input same --output same", "--input"),
    (evaluate.main, f"{OTHERS} --reference same --output same", "--reference"),
    (evaluate.main, f"{OTHERS} --images same --output same", "--images"),
    (align_corpus, "--source same --target reference --output same", "--source"),
    (align_corpus, "--source source --target reference --output links --learned-priors same --priors same", "--priors"),
]


@pytest.mark.parametrize(("command", "flags", "named"), CASES, ids=[case[1] for case in CASES])
def test_an_output_that_is_an_input_is_refused_and_stays(tmp_path, monkeypatch, command, flags, named):
    monkeypatch.chdir(tmp_path)
    for name in ("same", "source", "reference", "run"):
        (tmp_path / name).write_text("eins zwei\n")
    with pytest.raises(ValueError, match=rf"--output \(same\) must be another file than {named}: it would be"):
        command(flags.split())
    assert (tmp_path / "same").read_text() == "eins zwei\n"


def test_also_where_the_input_is_found_by_its_plain_name(tmp_path):
    packed = tmp_path / "lines.gz"
    packed.write_bytes(gzip.compress(b"eins\n"))
    with pytest.raises(ValueError, match="must be another file than --input"):
        back_translate.main(["--checkpoint", "run", "--input", str(tmp_path / "lines"), "--output", str(packed)])
    assert gzip.decompress(packed.read_bytes()) == b"eins\n"
