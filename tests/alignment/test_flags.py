"""Every flag of the commands that align does what it says, where the alignment is known: none is ignored."""

from __future__ import annotations

import random
import re
import shutil

import pytest
import torch

from mt import align, align_choose, align_corpus, align_head, shortlist
from mt.alignment.links import mutual_links, threshold_links, to_pharaoh
from mt.alignment.statistical_aligner import links_of
from mt.inference import aligner as inference
from tests.alignment.flag_world import LINE, TARGET, Case, Outcome, World, refused_tag, weights
from tests.alignment.known import COPY, LAYERS, NUMBERS, REVERSE

# what they change of a model that was trained with tags: tests/inference/test_tags.py
TAG = {"--tag": Case("--tag <2xx>", refused_tag, True)}
REVERSE_TAG = {"--reverse-tag": Case("--reverse-tag <2xx>", refused_tag, True, "--reverse {model}")}
ALIGN = {
    **TAG,
    **REVERSE_TAG,
    "--source": Case("--source {other}", lambda run: run.record["source"], ["acht", "neun"]),
    "--target": Case("--target {other}", lambda run: "other has 1 lines, " in run.error, True),
    # what they change of a model that asks for them: tests/test_trees.py
    "--trees": Case("--trees {target}", lambda run: "is for a model with structured attention" in run.error, True),
    "--gold": Case("--gold {links}", lambda run: "AER" in "".join(run.printed), True, "--target {target}"),
    "--gold-base": Case(
        "--gold-base 1", lambda run: run.error, "", "--target {target} --gold {links_from_1}", "--gold-base 0"
    ),
    "--checkpoint": Case("--checkpoint {copy}", lambda run: run.record["target"], LINE.split()),
    "--layer": Case("--layer 0", weights, lambda world: world.weights(layer=0)),
    "--heads": Case("--heads 1", weights, lambda world: world.weights(heads=[1])),
    "--shift": Case("--shift 1", weights, lambda world: world.weights(shift=1)),
    "--signal": Case("--signal norms", weights, lambda world: world.weights(signal="norms")),
    "--reverse": Case(
        "--reverse {model} --symmetrize intersection",
        lambda run: run.links,
        lambda world: to_pharaoh(set.intersection(*world.two_directions(shift=1))),
        "--shift 1",
    ),
    "--symmetrize": Case(
        "--symmetrize union",
        lambda run: run.links,
        lambda world: to_pharaoh(set.union(*world.two_directions(shift=1))),
        "--shift 1 --reverse {model}",
        "--symmetrize intersection",
    ),
    "--batch-tokens": Case("--batch-tokens 77", lambda run: run.batch_tokens, {77}),
    "--max-pieces": Case("--max-pieces 2", lambda run: run.links, ""),
    "--device": Case("--device abacus", lambda run: "device (abacus) must be" in run.error, True),
    "--precision": Case("--precision int8", weights, lambda world: world.weights(precision="int8")),
    "--output": Case("--output {elsewhere}", lambda run: run.has("elsewhere/about.json"), True),
    "--formats": Case("--formats svg", lambda run: run.files, ["0001.svg", "0003.svg", "about.json"]),
    "--unit": Case("--unit pieces", lambda run: run.record["source"], [f"▁{word}" for word in LINE.split()]),
    "--method": Case(
        "--method mutual",
        lambda run: run.links,
        lambda world: to_pharaoh(mutual_links(world.alignment(shift=1).weights_TS)),
        "--shift 1",
    ),
    "--threshold": Case(
        "--threshold 0.01",
        lambda run: run.links,
        lambda world: to_pharaoh(threshold_links(world.alignment().weights_TS, 0.01)),
        "--method threshold",
    ),
    "--grid": Case(
        "--grid layers",
        lambda run: "".join(run.world.lines("out/0001.grid.svg")).count(">layer "),
        LAYERS,
        "--formats svg",
        "--grid all",
    ),
    "--limit": Case("--limit 1", lambda run: run.files, ["0001.png", "about.json"], "--formats png"),
}
CHOOSE = {
    **TAG,
    **REVERSE_TAG,
    "--source": Case("--source {blank}", lambda run: "have no pair" in run.error, True),
    "--target": Case("--target {blank}", lambda run: "have no pair" in run.error, True),
    "--trees": Case("--trees {target}", lambda run: "is for a model with structured attention" in run.error, True),
    "--checkpoint": Case("--checkpoint {copy}", lambda run: run.has("copy/alignment.json"), True, "--gold {links}"),
    "--gold": Case("--gold {links}", lambda run: run.choice.measured_on, "gold links"),
    "--gold-base": Case("--gold-base 1", lambda run: run.error, "", "--gold {links_from_1}", "--gold-base 0"),
    "--reverse": Case("--reverse {model}", lambda run: run.choice.measured_on, "agreement with xx-xx"),
    "--limit": Case("--limit 1", lambda run: run.choice.error_rate, 0.0, "--gold {first_right}"),
    "--show": Case("--show 2", lambda run: len(run.printed), 2, "--gold {links}"),
    "--dry-run": Case("--dry-run", lambda run: run.has("model/alignment.json"), False, "--gold {links}"),
    "--device": Case("--device abacus", lambda run: "device (abacus) must be" in run.error, True),
}
CORPUS = {
    "--source": Case("--source {other}", lambda run: "other has 1" in run.error, True),
    "--target": Case("--target {other}", lambda run: "other has 1" in run.error, True),
    "--output": Case("--output {elsewhere}", lambda run: run.has("elsewhere"), True),
    "--gold": Case("--gold {many_links}", lambda run: [line[:3] for line in run.printed], ["AER"]),
    "--gold-base": Case("--gold-base 1", lambda run: run.error, "", "--gold {many_from_1}", "--gold-base 0"),
    "--symmetrize": Case(
        "--symmetrize union",
        lambda run: run.world.lines("out"),
        lambda world: [to_pharaoh(set.union(*links_of(both))) for both in world.statistical().posteriors()],
    ),
    "--threshold": Case(
        "--threshold 0.9", lambda run: run.world.lines("out"), lambda world: world.soft_links(threshold=0.9)
    ),
    "--model1-iterations": Case(
        "--model1-iterations 1",
        lambda run: run.world.lines("out"),
        lambda world: world.soft_links(model1_iterations=1, hmm_iterations=0, fertility_iterations=0),
        "--hmm-iterations 0 --fertility-iterations 0",
    ),
    "--hmm-iterations": Case(
        "--hmm-iterations 0",
        lambda run: run.world.lines("out"),
        lambda world: world.soft_links(hmm_iterations=0, fertility_iterations=0),
        "--fertility-iterations 0",
    ),
    "--fertility-iterations": Case(
        "--fertility-iterations 1",
        lambda run: run.world.lines("out"),
        lambda world: world.soft_links(fertility_iterations=1),
    ),
    "--samples": Case("--samples 2", lambda run: run.world.lines("out"), lambda world: world.soft_links(samples=2)),
    "--seed": Case("--seed 7", lambda run: run.world.lines("out"), lambda world: world.soft_links(seed=7)),
    "--priors": Case(
        "--priors {known}", lambda run: run.world.lines("out"), lambda world: world.soft_links(priors="known")
    ),
    "--learned-priors": Case(
        "--learned-priors {elsewhere}",
        lambda run: run.has("elsewhere") and run.world.lines("elsewhere"),
        lambda world: [line.rstrip() for line in world.statistical().priors().lines()],
    ),
    "--units": Case("--units pieces", lambda run: "--units pieces needs --checkpoint" in run.error, True),
    "--checkpoint": Case("--checkpoint {model}", lambda run: run.error, "", "--units pieces"),
}
HEAD = {
    **TAG,
    "--source": Case("--source {other}", lambda run: "other has 1" in run.error, True),
    "--target": Case("--target {other}", lambda run: "other has 1" in run.error, True),
    "--output": Case("--output {elsewhere}", lambda run: run.has("elsewhere/alignment.json"), True),
    "--checkpoint": Case("--checkpoint {copy}", lambda run: run.world.body("out"), lambda world: world.body("copy")),
    "--links": Case("--links {many_links}", lambda run: run.head, lambda world: world.head(links="many_links")),
    "--layer": Case("--layer 1", lambda run: run.head, lambda world: world.head(layer=1)),
    "--steps": Case("--steps 3", lambda run: run.head, lambda world: world.head(steps=3)),
    "--learning-rate": Case("--learning-rate 0.02", lambda run: run.head, lambda world: world.head(learning_rate=0.02)),
    "--max-tokens": Case("--max-tokens 402", lambda run: run.head, lambda world: world.head(max_tokens=402)),
    "--seed": Case("--seed 7", lambda run: run.head, lambda world: world.head(seed=7)),
    "--device": Case("--device abacus", lambda run: "device (abacus) must be" in run.error, True),
    "--precision": Case("--precision bfloat16", lambda run: run.head, lambda world: world.head(dtype=torch.bfloat16)),
}
SHORTLIST = {
    "--source": Case(
        "--source {many_target}", lambda run: run.shortlist, lambda world: world.shortlist(sides=["many_target"] * 2)
    ),
    "--target": Case(
        "--target {many_source}", lambda run: run.shortlist, lambda world: world.shortlist(sides=["many_source"] * 2)
    ),
    "--checkpoint": Case("--checkpoint {copy}", lambda run: run.has("copy/shortlist.safetensors"), True),
    "--best": Case("--best 1", lambda run: run.shortlist, lambda world: world.shortlist(best=1)),
    "--frequent": Case("--frequent 5", lambda run: run.shortlist, lambda world: world.shortlist(frequent=5)),
    "--limit": Case("--limit 9", lambda run: run.shortlist, lambda world: world.shortlist(limit=9)),
}
COMMANDS = {  # parser, cases, and the flags that every run starts with; one that is given again counts
    "align": (
        align.parser,
        ALIGN,
        "--checkpoint {model} --source {source} --output {out} --formats json,pharaoh --device cpu",
    ),
    "choose": (align_choose.parser, CHOOSE, "--checkpoint {model} --source {source} --target {target} --device cpu"),
    "corpus": (align_corpus.parser, CORPUS, "--source {many_source} --target {many_target} --output {out}"),
    "head": (
        align_head.parser,
        HEAD,
        "--checkpoint {model} --source {many_source} --target {many_target} --output {out} --steps 2 --device cpu"
        " --precision float32",
    ),
    "shortlist": (
        shortlist.parser,
        SHORTLIST,
        "--checkpoint {model} --source {many_source} --target {many_target} --best 2 --frequent 3",
    ),
}
MAINS = {"align": (align.main, []), "shortlist": (shortlist.main, [])}  # the others are subcommands of `align`


@pytest.fixture(scope="module")
def world(model_of, tmp_path_factory):
    """What the tables name."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(model_of(REVERSE), folder / "model")
    shutil.copytree(model_of(COPY), folder / "copy")
    many_source, many_target, many_links = REVERSE.pairs(80, seed=5)
    # a loose translation, so that nothing is certain: some words are others
    rng = random.Random(6)
    loose = [
        " ".join(rng.choice(NUMBERS) if rng.random() < 0.4 else word for word in line.split()) for line in many_target
    ]
    texts = {
        "source": [LINE, "", "fünf sechs"],
        "target": [TARGET, "", "sechs fünf"],
        "links": ["0-3 1-2 2-1 3-0", "", "0-1 1-0"],
        "links_from_1": ["1-4 2-3 3-2 4-1", "", "1-2 2-1"],
        "first_right": ["0-3 1-2 2-1 3-0", "", "0-0 1-1"],
        "other": ["acht neun"],
        "known": ["eins\tvier\t50", "zwei\tdrei\t50"],
        "blank": ["", " ", ""],
        "many_source": many_source,
        "many_target": loose,
        "many_links": [to_pharaoh(links) for links in many_links],
        "many_from_1": [to_pharaoh((s + 1, t + 1) for s, t in links) for links in many_links[:7]],
    }
    for name, lines in texts.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return World(folder)


@pytest.fixture
def run(world, tmp_path, monkeypatch, capsys):
    """(command, flags) -> its results, in a world of its own."""
    batch_tokens, batches_by_length = set(), inference.batches_by_length

    def watched(lengths, tokens):
        batch_tokens.add(tokens)
        return batches_by_length(lengths, tokens)

    monkeypatch.setattr(inference, "batches_by_length", watched)

    def call(command, flags):
        own = World(shutil.copytree(world.folder, tmp_path / f"world {len(list(tmp_path.iterdir()))}"))
        batch_tokens.clear()
        names = {path.name: str(path) for path in own.folder.iterdir()} | {n: own[n] for n in ("out", "elsewhere")}
        error = ""
        try:
            main, first = MAINS.get(command, (align.main, [command]))
            main([*first, *(flag.format(**names) for flag in flags.split())])
        except (ValueError, OSError) as refused:
            error = str(refused)
        return Outcome(own, capsys.readouterr().out.splitlines(), error, set(batch_tokens))

    return call


# they need a model that sees, which this table has not: test_align_pictures.py
OF_PICTURES = {"--images", "--boxes"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_has_its_case(command):
    parser, cases, _ = COMMANDS[command]
    flags = {flag for action in parser()._actions for flag in action.option_strings} - {"-h", "--help"}
    assert flags - OF_PICTURES == set(cases)
    assert all(flag in case.given.split() for flag, case in cases.items())


@pytest.mark.parametrize(
    ("command", "flag"), [(command, flag) for command, (_, cases, _) in COMMANDS.items() for flag in cases]
)
def test_a_flag_has_an_effect(run, command, flag):
    _, cases, start = COMMANDS[command]
    case = cases[flag]
    found = run(command, f"{start} {case.beside} {case.given}")
    assert case.look(found) == (case.seen(found.world) if callable(case.seen) else case.seen)
    assert case.look(run(command, f"{start} {case.beside} {case.instead}")) != case.look(found)


def test_a_grid_shows_the_signal_that_is_read(run):
    _, _, start = COMMANDS["align"]
    drawn = []
    for signal in ("weights", "norms"):
        world = run("align", f"{start} --formats svg --limit 1 --grid all --signal {signal}").world
        drawn.append("".join(world.lines("out/0001.grid.svg")))
    assert ["by norms" in picture for picture in drawn] == [False, True]
    fills = [re.findall("fill: (#[0-9a-f]{6})", picture) for picture in drawn]
    assert len(fills[0]) == len(fills[1]) and fills[0] != fills[1]
