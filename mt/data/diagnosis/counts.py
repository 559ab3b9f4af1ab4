"""How many pairs each split has, and whether its files can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from mt.data.diagnosis.section import Section, shortened, table
from mt.data.diagnosis.survey import Survey

FEWEST_TRAIN, FEW_TRAIN = 100, 10_000
FEW_HELD_OUT = 100
MANY_VALID = 5_000
OTHER_ENCODING = 0.01  # of the lines: fewer are damage, more are another encoding


def counts_section(surveys: Sequence[Survey], *, malformed: str, normalization: str = "nfc") -> Section:
    """Counts of every split, train first; `malformed` is the cleaning setting, `normalization` the tokenizer's."""
    section = Section("counts", "what the corpus holds")
    rows = [["", "pairs", "cannot be read", "not NFC"]]
    for found in surveys:
        rows.append([found.name, f"{found.num_pairs:,}", f"{found.num_unreadable:,}", f"{found.num_not_nfc:,}"])
        if len(found.counts) > 1:
            rows += [[f"  {name}", f"{count:,}", "", ""] for name, count in found.counts.items()]
        section.numbers[found.name] = {
            "pairs": found.num_pairs,
            "sources": found.counts,
            "unreadable": {reason: asdict(one) for reason, one in found.unreadable.items()},
            "not_nfc": found.num_not_nfc,
            "problem": found.problem,
        }
        _readable(section, found, malformed)
        _enough(section, found)
        _canonical(section, found, normalization)
    section.lines = table(rows)
    train = surveys[0]
    if not train.is_whole:
        drawn = f"{len(train.sample):,} of the {train.num_readable:,} train pairs"
        section.note(f"the measurements below are of {drawn}, drawn at random (doctor.max_pairs)")
    return section


def _readable(section: Section, found: Survey, malformed: str) -> None:
    if found.problem is not None:
        section.stop(f"{found.name} cannot be read to its end", shortened(found.problem, 300))
    for reason, one in found.unreadable.items():
        what = f"{one.count:,} line{'s' if one.count > 1 else ''} of {found.name} cannot be read, {reason}"
        what = f"{what} (first: {shortened(one.messages[0], 200)})"
        remedy = "repair the file"
        if "UTF-8" in reason and one.count > OTHER_ENCODING * found.num_pairs:
            remedy = "is the file in another encoding? iconv -f LATIN1 -t UTF-8 would convert it"
        if found.name != "train":
            section.stop(what, f"{remedy}; nothing is dropped from held-out sets")
        elif malformed == "refuse":
            section.stop(what, f"{remedy}, or data.cleaning.malformed=drop leaves such lines out")
        else:
            section.improve(what, f"{remedy}; they are left out (data.cleaning.malformed)")


def _canonical(section: Section, found: Survey, normalization: str) -> None:
    if not found.num_not_nfc:
        return
    what = f"{_pairs(found.num_not_nfc)} of {found.name} are not in Unicode normal form NFC (é may be e and a mark)"
    if normalization == "identity":
        section.improve(
            f"{what}: the same text in another form gets other pieces", "tokenizer.normalization=nfc makes them one"
        )
    else:
        section.note(f"{what}; the tokenizer converts them (tokenizer.normalization={normalization})")


def _enough(section: Section, found: Survey) -> None:
    number, name = found.num_readable, found.name
    if number == 0:
        if found.problem is None:
            setting = name if name in ("train", "valid") else f"tests.{name}"
            section.stop(f"{name} has no pair", f"does data.{setting} name the right files?")
    elif name == "train":
        if number < FEWEST_TRAIN:
            section.stop(f"train has {_pairs(number)}, too few to learn from", "10,000 are the least that makes sense")
        elif number < FEW_TRAIN:
            section.improve(
                f"train has {_pairs(number)}, which are few for a model",
                "add more text, or take a small model (model=tiny) with much dropout (model.layer.dropout=0.3)",
            )
    elif number < FEW_HELD_OUT:
        section.improve(
            f"{name} has {_pairs(number)}: its scores will vary a lot by chance", "1,000 to 3,000 are usual"
        )
    elif name == "valid" and number > MANY_VALID:
        section.improve(
            f"valid has {_pairs(number)}, and every validation translates them all", "1,000 to 3,000 are enough"
        )


def _pairs(number: int) -> str:
    return f"{number:,} pair{'' if number == 1 else 's'}"
