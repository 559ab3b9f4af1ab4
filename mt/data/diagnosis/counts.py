"""How many pairs each split has, and whether its files can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from mt.data.diagnosis.section import Section, shortened, table
from mt.data.diagnosis.survey import Survey

FEWEST_TRAIN, FEW_TRAIN = 100, 10_000
FEW_HELD_OUT = 100
MANY_VALID = 5_000
OTHER_ENCODING = 0.01  # of the lines; fewer are damage


def counts_section(surveys: Sequence[Survey], *, malformed: str, normalization: str = "nfc") -> Section:
    """Counts of every split, train first; `malformed` is the cleaning setting, `normalization` the tokenizer's."""
    section = Section("counts", "size of the corpus")
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
        section.note(f"the rest was measured on {drawn}, drawn at random (doctor.max_pairs)")
    return section


def _readable(section: Section, found: Survey, malformed: str) -> None:
    if found.problem is not None:
        section.stop(f"{found.name} cannot be read to its end", shortened(found.problem, 300))
    for reason, one in found.unreadable.items():
        what = f"{one.count:,} line{'s' if one.count > 1 else ''} of {found.name} cannot be read, {reason}"
        what = f"{what} (first: {shortened(one.messages[0], 200)})"
        remedy = "repair the file"
        if "UTF-8" in reason and one.count > OTHER_ENCODING * found.num_pairs:
            remedy = "is the file in another encoding? iconv -f LATIN1 -t UTF-8 would be one way"
        if found.name != "train":
            section.stop(what, f"{remedy}; nothing is dropped from a held-out set")
        elif malformed == "refuse":
            section.stop(what, f"{remedy}, or data.cleaning.malformed=drop leaves such lines out")
        else:
            section.but(what, f"{remedy}; as it is, they are left out (data.cleaning.malformed)")


def _canonical(section: Section, found: Survey, normalization: str) -> None:
    if not found.num_not_nfc:
        return
    what = f"{_pairs(found.num_not_nfc)} of {found.name} are not in Unicode's form NFC (é may be e and a mark)"
    if normalization == "identity":
        section.but(
            f"{what}: the same text in two forms has other pieces", "tokenizer.normalization=nfc makes them one"
        )
    else:
        section.note(f"{what}; the tokenizer reads them in it (tokenizer.normalization={normalization})")


def _enough(section: Section, found: Survey) -> None:
    number, name = found.num_readable, found.name
    if number == 0:
        if found.problem is None:
            setting = name if name in ("train", "valid") else f"tests.{name}"
            section.stop(f"{name} has no pair", f"does data.{setting} name the right files?")
    elif name == "train":
        if number < FEWEST_TRAIN:
            section.stop(f"train has {_pairs(number)}, too few to learn anything", "10,000 are a start")
        elif number < FEW_TRAIN:
            section.but(
                f"train has {_pairs(number)}, which teach a model little",
                "add more text, or take a small model (model=tiny) with much dropout (model.layer.dropout=0.3)",
            )
    elif number < FEW_HELD_OUT:
        section.but(f"{name} has {_pairs(number)}: its scores will vary by chance", "1,000 to 3,000 are usual")
    elif name == "valid" and number > MANY_VALID:
        section.but(
            f"valid has {_pairs(number)}, and every validation translates them all", "1,000 to 3,000 are enough"
        )


def _pairs(number: int) -> str:
    return f"{number:,} pair{'' if number == 1 else 's'}"
