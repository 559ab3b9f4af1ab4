"""`mt.retrieve` through its commands, on a model that has hardly learned anything: what is found, what is refused."""

import json
from itertools import islice

import pytest
from PIL import Image

from mt import retrieve
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.inference.retriever import Query, Retriever
from mt.inference.scorer import Scorer
from mt.inference.vector_index import VectorIndex
from mt.model.shared_space import mean_vectors

PAIRS = list(islice(Scenes("test", target="de", said="full"), 4))
TEXTS = [pair.target for pair in PAIRS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four drawn scenes as files, one of them in a folder of its own, a damaged picture and a text."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    for name, pair in zip(("a.png", "b.PNG", "c.png", "more/d.png"), PAIRS, strict=True):
        Image.fromarray(Scene.of(pair.image).picture()).save(folder / name, format="PNG")
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def call(finding_run, capsys):
    """Flags -> the lines that the command prints."""

    def command(*flags):
        assert retrieve.main([*map(str, flags), "--checkpoint", str(finding_run), "--device", "cpu"]) == 0
        return capsys.readouterr().out.splitlines()

    return command


@pytest.fixture
def pictures(call, folder, tmp_path):
    call("index", "--images", folder, "--output", tmp_path / "pictures")
    return tmp_path / "pictures"


@pytest.fixture
def texts(call, tmp_path):
    (tmp_path / "texts").write_text("".join(f"{text}\n" for text in [*TEXTS[:3], "", TEXTS[3]]), encoding="utf-8")
    call("index", "--texts", tmp_path / "texts", "--language", "de", "--output", tmp_path / "texts.index")
    return tmp_path / "texts.index"


def found(lines):
    return [json.loads(line) for line in lines]


def test_an_index_has_what_can_be_read_of_a_folder_and_tells_what_cannot(call, folder, tmp_path, caplog):
    call("index", "--images", folder, "--output", tmp_path / "index")
    index = VectorIndex.load(tmp_path / "index")
    assert index.names == ["a.png", "b.PNG", "c.png", "more/d.png"]
    assert index.about["kind"] == "image" and index.about["folder"] == str(folder)
    assert [
        record.message for record in caplog.records if "left out" in record.message and "broken.png" in record.message
    ]


def test_an_approximate_index_says_how_much_it_finds_and_is_searched_as_others_are(call, folder, tmp_path, caplog):
    pytest.importorskip("faiss", reason="faiss, of the extra `search`, is not installed")
    caplog.set_level("INFO")
    for flags, name in (((), "exact"), (("--approximate",), "cells")):
        call("index", "--images", folder, "--output", tmp_path / name, *flags)
    assert "recall@10 against exact search: 100.0 %, with" in caplog.text
    for flags in ((), ("--candidates", "0")):
        both = [call("--index", tmp_path / name, TEXTS[0], "--language", "de", *flags) for name in ("exact", "cells")]
        assert both[0] == both[1] and len(both[0]) == 4


def test_a_text_finds_pictures_by_what_they_add_to_its_probability(call, pictures, finding_run, folder):
    by_gain = found(call("--index", pictures, TEXTS[0], "--language", "de", "--json"))
    assert {one["name"] for one in by_gain} == {"a.png", "b.PNG", "c.png", "more/d.png"}
    gains = [one["gain_nats"] for one in by_gain]
    assert gains == sorted(gains, reverse=True) and len(set(gains)) == 4
    retriever = Retriever.load(finding_run, device="cpu")
    picture = retriever.reader("image", str(folder))("c.png").values
    beside, alone = (
        Scorer(retriever.translator).log_probs(
            [retriever.translator.source("", None, ids, None, seen)], retriever.ids(TEXTS[:1]), None
        )[0]
        for ids, seen in ((retriever.translator.tokenizers.source.encode_many(["<2de>"])[0], picture), ([], None))
    )
    [of_c] = [one["gain_nats"] for one in by_gain if one["name"] == "c.png"]
    assert of_c == pytest.approx(sum(beside) - sum(alone), abs=1e-3)


def test_without_candidates_the_nearest_vectors_are_printed(call, pictures):
    lines = [line.split("\t") for line in call("--index", pictures, TEXTS[0], "--candidates", "0", "--best", "2")]
    assert [len(line) for line in lines] == [2, 2] and float(lines[0][0]) >= float(lines[1][0])
    by_gain = [line.split("\t") for line in call("--index", pictures, TEXTS[0], "--best", "3")]
    assert [len(line) for line in by_gain] == [3, 3, 3]
    assert {name: cosine for cosine, name in lines}.items() <= {
        name: cosine for _, cosine, name in [line.split("\t") for line in call("--index", pictures, TEXTS[0])]
    }.items()


def test_a_picture_finds_itself_and_texts(call, pictures, texts, folder):
    same = found(call("--index", pictures, "--image", folder / "b.PNG", "--json"))
    assert same[0]["name"] == "b.PNG" and same[0]["cosine"] == pytest.approx(1, abs=1e-2)
    assert all(one["gain_nats"] is None for one in same)
    said = found(call("--index", texts, "--image", folder / "b.PNG", "--json"))
    assert {one["name"] for one in said} == set(TEXTS)
    gains = [one["gain_nats"] for one in said]
    assert gains == sorted(gains, reverse=True)


def test_the_language_of_a_text_is_the_one_in_which_it_is_likeliest(finding_run, folder):
    retriever = Retriever.load(finding_run, device="cpu")
    picture = retriever.reader("image", str(folder))("a.png").values
    [ids] = retriever.ids(TEXTS[:1])
    totals = {tag: retriever.log_probs("image", [(ids, tag, picture)])[0] for tag in ("<2de>", "<2en>")}
    assert retriever.tag("image", TEXTS[0], picture, None) == max(totals, key=totals.get)
    assert retriever.tag("image", TEXTS[0], picture, "en") == "<2en>"


def test_a_vector_is_the_same_in_any_batch(finding_run, folder):
    retriever = Retriever.load(finding_run, device="cpu")
    points, is_word = retriever.points_of_texts(TEXTS)
    for row, text in enumerate(TEXTS):
        alone, is_word_alone = retriever.points_of_texts([text])
        length = alone.shape[1]
        assert (points[row, :length] - alone[0]).abs().max() < 1e-4
        assert is_word[row].sum() == is_word_alone.sum() > 2
    [vector] = retriever.vectors(Query("text", TEXTS[2]))
    assert float(vector.norm()) == pytest.approx(1, abs=1e-5)
    assert (vector - mean_vectors(points, is_word)[2]).abs().max() < 1e-4


def write_set(tmp_path):
    """Files of a test set in two languages."""
    english = list(islice(Scenes("test", target="en", said="full"), 4))
    rows = [("<2de>", pair) for pair in PAIRS] + [("<2en>", pair) for pair in english]
    columns = {
        "source": [tag for tag, _ in rows],
        "reference": [pair.target for _, pair in rows],
        "images": [pair.image for _, pair in rows],
    }
    flags = []
    for name, lines in columns.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        flags += [f"--{name}", tmp_path / name]
    return flags


def test_a_test_set_is_scored_in_both_directions_and_languages(call, tmp_path):
    flags = write_set(tmp_path)
    [line] = call("evaluate", *flags, "--candidates", "2", "--json")
    scores, changed = json.loads(line).values()
    assert changed["de"]["likelihood"].keys() >= {"colour", "kind", "number"}
    assert scores.keys() == {"de", "en"} and scores["de"].keys() == {"text to image", "image to text"}
    ways = scores["en"]["text to image"]
    assert list(ways)[:2] == ["vectors", "vectors, then likelihood"] and "averaged cross-attention" in ways
    assert all(of["r@5"] == 100 and of["plain_r@5"] == 100 for of in ways.values())  # there are four
    # the first two of the vectors stay the first two
    assert ways["vectors, then likelihood"]["median_rank"] <= 4
    lines = call("evaluate", *flags, "--candidates", "0")
    assert any("one attribute changed, judged by likelihood" in line for line in lines)
    assert lines[0] == "de: text to image, 4 texts, 4 pictures" and lines[1].split()[:3] == ["R@1", "R@5", "R@10"]


def test_what_cannot_be_found_is_refused(call, pictures, texts, folder, tmp_path, seeing_run):
    with pytest.raises(ValueError, match="one thing to look for is needed"):
        call("--index", pictures, "a star", "--image", folder / "a.png")
    with pytest.raises(ValueError, match="must not be blank"):
        call("--index", pictures, " ")
    with pytest.raises(ValueError, match=r"language \(fr\)"):
        call("--index", pictures, "une étoile", "--language", "fr")
    with pytest.raises(ValueError, match="knows no sounds"):
        call("--index", pictures, "--sound", "a.wav")
    with pytest.raises(ValueError, match="is no index"):
        call("--index", folder, "a star")
    with pytest.raises(ValueError, match="has no space that texts share"):
        retrieve.main(["a star", "--index", str(pictures), "--checkpoint", str(seeing_run), "--device", "cpu"])
    about = json.loads((pictures / "about.json").read_text())
    (pictures / "about.json").write_text(json.dumps(about | {"model": "0" * 64}))
    with pytest.raises(ValueError, match="must be made by this checkpoint"):
        call("--index", pictures, "a star")


def test_an_index_leads_to_no_file_outside_of_its_folder(call, pictures):
    names = (pictures / "names.jsonl").read_text().splitlines()
    (pictures / "names.jsonl").write_text("\n".join(['"../../secret.png"', *names[1:]]) + "\n")
    with pytest.raises(ValueError, match=r"must be inside of images\.folder"):
        call("--index", pictures, TEXTS[0])


def test_an_index_or_a_test_of_nothing_is_refused(call, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "none").write_text("")
    with pytest.raises(ValueError, match="none has no lines: there is nothing to score"):
        call("evaluate", "--images", tmp_path / "none", "--reference", tmp_path / "none")
    with pytest.raises(ValueError, match="there are no pictures to make an index of"):
        call("index", "--images", tmp_path / "empty", "--output", tmp_path / "index")
    with pytest.raises(ValueError, match="must be a new folder or an index"):
        call("index", "--images", folder, "--output", folder)
    with pytest.raises(ValueError, match="exactly one of --images, --sounds and --texts"):
        call("index", "--output", tmp_path / "index")
    with pytest.raises(ValueError, match="--language has no effect without --texts"):
        call("index", "--images", folder, "--language", "de", "--output", tmp_path / "index")
