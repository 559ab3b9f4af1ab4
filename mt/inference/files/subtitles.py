"""Subtitles: a sentence over several of them is translated whole and split again by word links; timings stay.

Cues are joined until one ends a sentence, a pause follows, or somebody else speaks. Where word links leave a cue
without words, the translation is divided by the lengths of the source's cues. Within a cue, lines are broken anew: into
as many as its length needs, near the middle, rather after a punctuation mark.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mt.data.formats.writing import Edit
from mt.inference.files.coded_line import Code, CodedLine, Kind
from mt.inference.files.passage import FileFormat, FileSettings, Passage, TextFile

PAUSE_SECONDS = 2.0  # between two cues, after which a sentence does not go on
MOST_CUES = 8  # of a sentence
LINE_CHARACTERS = 42  # of a line, unless the source has longer ones (the usual limit of broadcasters)
MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[,.](\d{1,3})"
TIMING = re.compile(rf"[ \t]*{TIME}[ \t]+-->[ \t]+{TIME}(?:[ \t].*)?")
SENTENCE_END = re.compile(r"[.!?。！？؟।♪\])][\"'”’»)\]]*$|[.!?]\s*-+$")
GOES_ON = re.compile(r"(?:…|\.\.\.)[\"'”’»]*$")
NEW_SPEAKER = re.compile(r"[-–—♪\[(]|>>|[A-Z][A-Z .']{1,20}:")
DASH = re.compile(r"[-–—]\s*(?=\S)")
TAG = re.compile(r"<[^<>]*>")
CODE = re.compile(r"(\{\\[^{}]*\}|<\d[\d:.]*>)")  # commands of SubStation Alpha, times within a cue
LEAD = re.compile(r"(?:\{\\[^{}]*\}|<v\b[^<>]*>|\s)*")
WRAPPED = re.compile(r"(<(?P<name>[biuc]|font|lang)\b[^<>]*>)(?P<inner>.*)(</(?P=name)>)", re.S)


@dataclass(frozen=True)
class Cue:
    """A subtitle: seconds, the characters of its text in the file, and that text between what stays around it."""

    start: float
    end: float
    first: int
    last: int
    lead: str
    text: str
    tail: str

    @property
    def plain(self) -> str:
        """The text without tags, in one line."""
        return " ".join(CODE.sub("", TAG.sub("", self.text)).split())

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines() if line.strip()]

    @property
    def is_dialogue(self) -> bool:
        """Whether each line is said by somebody else."""
        lines = [TAG.sub("", line).strip() for line in self.lines]
        return len(lines) > 1 and all(DASH.match(line) for line in lines)


class Subtitles(FileFormat):
    """Base of the formats of subtitles."""

    def passages(self, content: bytes, name: str, settings: FileSettings) -> list[Passage]:
        file = TextFile(content, name)
        self.check(file.text, name)
        line_end = "\r\n" if "\r\n" in file.text else "\n"
        found = []
        for group in _groups(list(cues_of(file, name))):
            of_group = _dialogue if group[0].is_dialogue else _sentence
            found.append(of_group(file, group, line_end))
        return found

    def frame(self, content: bytes, name: str, settings: FileSettings) -> object:
        text = TextFile(content, name).text
        return [line for line in text.splitlines() if TIMING.fullmatch(line)]

    def decoded(self, content: bytes, name: str) -> tuple[bytes, Callable[[bytes], bytes]]:
        """UTF-16 with a byte order mark, as some editors write, becomes UTF-8."""
        encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
        if encoding is None or content.startswith(codecs.BOM_UTF32_LE):
            return content, bytes
        try:
            return content.decode(encoding).encode(), lambda new: new.decode().encode(encoding)
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: not UTF-16 at byte {error.start}") from None

    def check(self, text: str, name: str) -> None:
        """Raises ValueError where the file is of another format."""


def cues_of(file: TextFile, name: str) -> Iterator[Cue]:
    """The cues with a text. Raises ValueError for a timing that cannot be read, and for a file without any."""
    lines = list(re.finditer(r"[^\n]*\n|[^\n]+$", file.text))
    number, num_timings = 0, 0
    while number < len(lines):
        line = lines[number][0].strip()
        number += 1
        if "-->" not in line:
            continue
        timing = TIMING.fullmatch(line)
        if timing is None:
            place = file.place(lines[number - 1].start())
            raise ValueError(f"{name} {place}: must be a timing, as 00:00:01,000 --> 00:00:02,500: {line[:60]}")
        num_timings += 1
        begin = number
        while number < len(lines) and lines[number][0].strip():
            if "-->" in lines[number][0]:
                raise ValueError(f"{name} {file.place(lines[number].start())}: a timing inside the text of a cue")
            number += 1
        if number > begin:
            first, last = lines[begin].start(), lines[number - 1].end()
            yield _cue(timing, first, file.text[first:last].rstrip())
    if not num_timings and file.text.strip():
        raise ValueError(f"{name}: has no timing, as 00:00:01,000 --> 00:00:02,500")


def _cue(timing: re.Match[str], first: int, text: str) -> Cue:
    lead, tail = LEAD.match(text)[0], ""  # type: ignore[index]
    inner = text[len(lead) :]
    if "<v" in lead and inner.rstrip().endswith("</v>"):
        inner, tail = inner[: inner.rindex("</v>")], "</v>"
    while wrapped := WRAPPED.fullmatch(inner):
        if re.search(rf"</?{wrapped['name']}\b", wrapped["inner"]):
            break
        lead, inner, tail = lead + wrapped[1], wrapped["inner"], wrapped[4] + tail
    start, end = (_seconds(timing.groups()[place : place + 4]) for place in (0, 4))
    return Cue(start, end, first, first + len(text), lead, inner, tail)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, rest = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{rest}")


def _groups(cues: Sequence[Cue]) -> list[list[Cue]]:
    """Cues that are translated together."""
    groups: list[list[Cue]] = []
    for cue in cues:
        if groups and len(groups[-1]) < MOST_CUES and _is_one_sentence(groups[-1][-1], cue):
            groups[-1].append(cue)
        else:
            groups.append([cue])
    return groups


def _is_one_sentence(cue: Cue, following: Cue) -> bool:
    before, after = cue.plain, following.plain
    if cue.is_dialogue or following.is_dialogue or not before or not after:
        return False
    if not -PAUSE_SECONDS < following.start - cue.end < PAUSE_SECONDS or NEW_SPEAKER.match(after):
        return False
    if GOES_ON.search(before):
        return after.startswith(("…", "...")) or after[0].islower()
    return not SENTENCE_END.search(before)


def _dialogue(file: TextFile, group: Sequence[Cue], line_end: str) -> Passage:
    """A cue whose lines are translated separately, without their dashes."""
    (cue,) = group
    dashes = [re.match(r"(?:<[^<>]*>|\s)*[-–—]\s*", line)[0] for line in cue.lines]  # type: ignore[index]
    coded = [_coded([line[len(dash) :]]) for line, dash in zip(cue.lines, dashes, strict=True)]

    def put(texts: Sequence[str]) -> list[Edit]:
        lines = [dash + one.restored(text) for dash, one, text in zip(dashes, coded, texts, strict=True)]
        return [file.edit(cue.first, cue.last, cue.lead + line_end.join(lines) + cue.tail)]

    return Passage(file.place(cue.first), tuple(one.line for one in coded), put)


def _sentence(file: TextFile, group: Sequence[Cue], line_end: str) -> Passage:
    """Cues whose texts are translated as one."""
    coded = _coded([" ".join(cue.lines) for cue in group])

    def put(texts: Sequence[str]) -> list[Edit]:
        edits = []
        for cue, text in zip(group, _divided(coded, texts[0], group), strict=True):
            limit = max(LINE_CHARACTERS, *(len(TAG.sub("", line)) for line in cue.lines))
            lines = line_end.join(broken(text, limit))
            edits.append(file.edit(cue.first, cue.last, cue.lead + lines + cue.tail))
        return edits

    return Passage(file.place(group[0].first), (coded.line,), put)


NO_TEXT = "\u00a0"  # of a cue that gets no word: one without any line may be misread
BORDER = Code("", Kind.BREAK)


def _coded(texts: Sequence[str]) -> CodedLine:
    pieces: list[str | Code] = []
    for number, text in enumerate(texts):
        if number:
            pieces += [" ", BORDER, " "]
        for place, part in enumerate(CODE.split(text)):
            pieces.append(Code(part, Kind.HOLE) if place % 2 else part)
    return CodedLine.of(pieces)


def _divided(coded: CodedLine, translation: str, group: Sequence[Cue]) -> list[str]:
    """The texts of the cues: by the borders among the words, or else by the lengths of the cues."""
    texts = [""]
    for piece in coded.pieces(translation):
        if piece is BORDER:
            texts.append("")
        else:
            texts[-1] += piece if isinstance(piece, str) else piece.raw
    texts = [" ".join(text.split()) for text in texts]
    if len(texts) == len(group) and all(TAG.sub("", text).strip() for text in texts):
        return texts
    whole = " ".join(filter(None, texts))
    gaps = [gap for gap in _gaps(whole) if _is_balanced(whole[:gap])]
    lengths = [len(cue.plain) for cue in group]
    cuts = [0]
    for number in range(1, len(group)):
        wanted = len(whole) * sum(lengths[:number]) / sum(lengths)
        num_after = len(group) - number - 1  # gaps that must remain for the other cues
        free = [gap for gap in gaps if gap > cuts[-1]]
        free = free[: len(free) - num_after] or free
        cuts.append(min(free, key=lambda gap: abs(gap - wanted)) if free else len(whole))
    return [whole[first:last].strip() or NO_TEXT for first, last in pairwise([*cuts, len(whole)])]


def broken(text: str, limit: int) -> list[str]:
    """The text in lines of about equal length, as few as have at most `limit` characters each (without tags)."""
    length = len(TAG.sub("", text))
    num_lines = -(-length // limit)
    if num_lines < 2:
        return [text]
    lines, rest = [], text
    for number in range(num_lines, 1, -1):
        gaps, wanted = _gaps(rest), len(TAG.sub("", rest)) / number
        if not gaps:
            break
        gap = min(gaps, key=lambda gap: _cost(rest, gap, wanted))
        lines.append(rest[:gap].rstrip())
        rest = rest[gap:].lstrip()
    return [*lines, rest]


def _cost(text: str, gap: int, wanted: float) -> float:
    distance = abs(len(TAG.sub("", text[:gap])) - wanted)
    return distance - (6 if text[gap - 1] in ",;:.!?" else 0)  # a mark is worth a shift of some characters


def _gaps(text: str) -> list[int]:
    """Where blanks stand outside of tags."""
    inside = [found.span() for found in TAG.finditer(text)]
    return [gap.start() for gap in re.finditer(" ", text) if not any(a < gap.start() < b for a, b in inside)]


def _is_balanced(text: str) -> bool:
    tags = TAG.findall(text)
    return sum(not tag.startswith("</") for tag in tags) == sum(tag.startswith("</") for tag in tags)
