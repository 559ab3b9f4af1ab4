"""Whether each side is in the language of the settings, by letters, function words and what distinguishes the sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from mt.data.cleaning.checks.function_words import function_words, known_languages
from mt.data.cleaning.checks.scripts import language_of, script_counts, scripts_of
from mt.data.diagnosis.section import Finding, Level, Section, share, shortened, table
from mt.data.diagnosis.side_model import SideModel
from mt.data.pair import Pair

LOOKED_AT = 3_000  # pairs of a split
JUDGED = 20_000  # pairs of train whose sides are compared
FEWEST_WORDS = 200  # of a side, to judge by its function words
LEAST_SHARE = 0.12  # of function words in text; most languages have a third
CLEARLY_MORE = 1.5  # times the function words of another language
MARGIN_NATS = 3.0  # evidence on each side that a pair is swapped; 0 of 900,000 good pairs reached it
VIEWS = "{views}"  # placeholder for the names of all views with the same finding
MANY = 0.05  # pairs with a side that reads like the other side; names and numbers cause some
MANY_SWAPPED = 0.1
SHOWN = 0.05  # of the letters
FEWEST_PAIRS = 200  # to learn what distinguishes the sides


@dataclass(frozen=True)
class SideLanguage:
    """The letters and function words of one side of a split."""

    code: str  # of the settings
    scripts: dict[str, float]  # share of the letters, the largest first
    own_words: float | None  # share of function words of `code`; None if they are unknown
    other: str | None  # the language with the most function words, if not `code`
    other_words: float

    @classmethod
    def of(cls, texts: Sequence[str], code: str) -> SideLanguage:
        """From sentences of a side."""
        letters = script_counts("".join(texts))
        words = Counter(word for text in texts for word in text.lower().split())
        total = words.total()
        found = {one: sum(words[word] for word in function_words(one)) / max(1, total) for one in known_languages()}
        own = function_words(code)
        best = max(found, key=found.__getitem__)
        is_telling = total >= FEWEST_WORDS and found[best] >= LEAST_SHARE and function_words(best) != own
        return cls(
            code,
            {script: count / letters.total() for script, count in letters.most_common()},
            sum(words[word] for word in own) / total if own and total else None,
            best if is_telling else None,
            found[best],
        )

    @property
    def script(self) -> str | None:
        """The script of most letters; None without letters."""
        return next(iter(self.scripts), None)

    @property
    def looks_like(self) -> str | None:
        """Another language that the side is clearly in, by its function words; None otherwise."""
        if self.other is None or self.other_words < CLEARLY_MORE * (self.own_words or 0.0):
            return None
        # if the function words of `code` are unknown, only letters can show that it is another language
        is_possible = self.own_words is None and (not scripts_of(self.code) or self.script in scripts_of(self.code))
        return None if is_possible else self.other

    @property
    def has_wrong_letters(self) -> bool:
        """Whether most letters are of a script that the language does not use."""
        expected = scripts_of(self.code)
        return bool(expected) and self.script is not None and self.script not in expected


@dataclass(frozen=True)
class View:
    """Pairs of one source of a split, and their languages by the settings."""

    name: str
    pairs: Sequence[Pair]
    codes: tuple[str, str]


def languages_section(views: Sequence[View], *, num_compared: int = 1) -> Section:
    """Compares both sides of every view with its language codes.

    In the first `num_compared` views, those of train, it also looks for pairs with swapped sides.
    """
    section = Section("languages", "are the languages those of the settings")
    rows = [["", "letters", "function words of its own", "of the nearest other"]]
    found: dict[Finding, list[str]] = {}  # the views with that finding
    for view in views:
        pairs = _spread(view.pairs, LOOKED_AT)
        if not pairs:
            continue
        sides = [SideLanguage.of([pair.texts[side] for pair in pairs], view.codes[side]) for side in range(2)]
        rows += [_row(view.name, side) for side in sides if side.scripts or not any(pair.image for pair in pairs)]
        section.numbers[view.name] = {side.code: asdict(side) for side in sides}
        for finding in _judged(*sides):
            found.setdefault(finding, []).append(view.name)
    section.lines = table(rows)
    section.findings = [
        replace(finding, what=finding.what.replace(VIEWS, ", ".join(names))) for finding, names in found.items()
    ]
    for view in views[:num_compared]:
        _judge_pairs(section, view)
    return section


def _row(name: str, side: SideLanguage) -> list[str]:
    letters = [f"{script} {share:.0%}" for script, share in side.scripts.items() if share >= SHOWN] or ["none"]
    own = "unknown" if side.own_words is None else f"{side.own_words:.0%}"
    return [
        f"{name} {side.code}",
        ", ".join(letters),
        own,
        f"{side.other} {side.other_words:.0%}" if side.other else "-",
    ]


def _judged(source: SideLanguage, target: SideLanguage) -> Iterator[Finding]:
    if _are_swapped(source, target):
        yield Finding(
            Level.STOP,
            f"the sides of {VIEWS} are swapped: {target.code} is on the source side, {source.code} on the target side",
            "exchange the files (or columns) of source and target, or the two language codes",
        )
        return
    for place, side, other in (("source", source, target), ("target", target, source)):
        like = side.looks_like
        setting = f"data.{place}_language"
        if like is not None and like == language_of(other.code):
            yield Finding(
                Level.STOP, f"the {place} side of {VIEWS} is in {like}, like the other side", "is it the wrong file?"
            )
        elif side.has_wrong_letters:
            guess = f" (it looks like {side.other})" if side.other else ""
            yield Finding(
                Level.STOP,
                f"the {place} side of {VIEWS} is written in {side.script} letters, unlike {side.code}{guess}",
                f"is it the wrong file? If not, correct {setting}: cleaning uses it",
            )
        elif like is not None:
            yield Finding(
                Level.IMPROVE,
                f"the {place} side of {VIEWS} looks like {like} rather than {side.code}",
                f"is {setting} right?",
            )


def _are_swapped(source: SideLanguage, target: SideLanguage) -> bool:
    if source.has_wrong_letters and target.has_wrong_letters:
        return source.script in scripts_of(target.code) and target.script in scripts_of(source.code)
    return source.looks_like == language_of(target.code) and target.looks_like == language_of(source.code)


def _judge_pairs(section: Section, view: View) -> None:
    pairs = _spread([pair for pair in view.pairs if pair.source or not pair.image], JUDGED)  # no captions
    if len(pairs) < FEWEST_PAIRS:
        return
    model = SideModel(view.pairs)
    seen: dict[str, list[Pair]] = {"swapped": [], "source": [], "target": []}
    for pair in pairs:
        is_source_wrong, is_target_wrong = model.odds(pair.source) < -MARGIN_NATS, model.odds(pair.target) > MARGIN_NATS
        if is_source_wrong and is_target_wrong:
            seen["swapped"].append(pair)
        elif is_source_wrong or is_target_wrong:
            seen["source" if is_source_wrong else "target"].append(pair)
    section.numbers[f"pairs of {view.name}"] = {"looked at": len(pairs)} | {what: len(of) for what, of in seen.items()}
    section.lines.append(
        f"{view.name}: {len(seen['swapped']):,} of {len(pairs):,} pairs look swapped; {len(seen['source']):,} have"
        f" a source and {len(seen['target']):,} a target that reads like the other side"
    )
    if swapped := seen.pop("swapped"):
        find = section.stop if len(swapped) > MANY_SWAPPED * len(pairs) else section.improve
        find(
            f"{share(len(swapped), len(pairs))} of the pairs of {view.name} look swapped"
            f' ("{shortened(swapped[0].source, 40)}" is on the source side)',
            "exchange their sides; data.cleaning.drop_wrong_language drops those that it recognises",
        )
    for side, found in seen.items():
        if len(found) > MANY * len(pairs):
            section.improve(
                f"in {share(len(found), len(pairs))} of the pairs of {view.name} the {side} reads like the other side"
                f' ("{shortened(getattr(found[0], side), 40)}")',
                "was it left untranslated? data.cleaning.drop_identical and drop_wrong_language drop the clear cases",
            )


def _spread(pairs: Sequence[Pair], most: int) -> Sequence[Pair]:
    return pairs[:: max(1, -(-len(pairs) // most))]
