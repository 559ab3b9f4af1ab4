"""Text that breaks programs: what crawled corpora hold sooner or later, and what nobody expects of a line.

Lines are bytes without "\\n": many are no UTF-8. The same seed gives the same lines.
"""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterator
from random import Random

from hypothesis import strategies as st

SOURCE_WORDS = "dog cat house tree street child runs sleeps sees small green old quickly today".split()
TARGET_WORDS = "Hund Katze Haus Baum Straße Kind rennt schläft sieht klein grün alt schnell heute".split()
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
ENDS = "\u2028\u2029\x85\v\f\x1c\x1d\x1e\r"  # end a line for str.splitlines, and for nobody else
BLANKS = " \t\u00a0\u1680\u2003\u200b\u202f\u3000\u2060\ufeff\u00ad"
MARKS = "".join(map(chr, [*range(0x300, 0x370), *range(0x483, 0x48A), *range(0x20D0, 0x20F1), 0xFE0F, 0x200D, 0xE0101]))
EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷🇺", "👍🏿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "1️⃣", "\u200d\u200d"]
MARKUP = [
    "<2de>", "<s>", "</s>", "<unk>", "<pad>", "<0x0A>", "▁", "▁▁", "<br>", "&nbsp;", "&#0;", "&#xD800;", " ||| ", "\t",
    '"', '""', "'", "\\", "\\n", "\\ud800", "{", "[", ",", "%s", "%n", "${HOME}", "{0}", "NaN", "-1e400", "#", "=",
]  # fmt: skip
NO_UTF8 = [
    b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xed\xa0\xbd\xed\xb8\x80",  # surrogates, alone and as the pair of CESU-8
    b"\xc0\xaf", b"\xe0\x80\x80", b"\xf0\x80\x80\xaf", b"\xc0\x80",  # longer than they need be
    b"\x80", b"\xbf\xbf", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc3",  # without a start, without an end
    b"\xf4\x90\x80\x80", b"\xf5", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xff\xfe", b"\xfe\xff",  # never in it
]  # fmt: skip


PACKED = {".gz": gzip.compress, ".xz": lzma.compress}
LONG = "a|ab |dog. |語|0| |\u3000|\u0301|👩‍👩‍👧|<2de>|!|,;|\0|\r|\u2028|\ue000".split("|")  # what long lines repeat


def sentence(random: Random, words: list[str] = SOURCE_WORDS) -> str:
    """A few harmless words and a number, so that not every one is a repetition."""
    return f"{' '.join(random.choices(words, k=random.randint(2, 8)))} {random.randrange(10**6)}."


def planes(random: Random) -> str:
    """Characters of any of the seventeen planes, assigned or not."""
    return "".join(character(random, random.randrange(17)) for _ in range(random.randint(1, 30)))


def character(random: Random, plane: int) -> str:
    """A character of a plane that is no surrogate and no line feed."""
    code = (plane << 16) + random.randrange(1 << 16)
    return "x" if 0xD800 <= code < 0xE000 or code == ord("\n") else chr(code)


def sprinkled(random: Random, strange: str | list[str], most: int = 6) -> str:
    """A sentence with strange things in it, in front of it and behind it."""
    characters = list(sentence(random))
    for _ in range(random.randint(1, most)):
        characters.insert(random.randint(0, len(characters)), random.choice(strange))
    return "".join(characters)


def storm(random: Random) -> str:
    """Letters under hundreds of marks."""
    return "".join(
        random.choice("aeo क가") + "".join(random.choices(MARKS, k=random.choice([1, 5, 300]))) for _ in range(3)
    )


def not_utf8(random: Random) -> bytes:
    """A sentence with bytes that are no UTF-8, or a whole one in another encoding."""
    if random.random() < 0.3:
        return sentence(random, TARGET_WORDS).encode(random.choice(["latin-1", "utf-16"])).replace(b"\n", b"")
    line = sentence(random).encode()
    place = random.randint(0, len(line))
    return line[:place] + random.choice(NO_UTF8) + line[place:]


KINDS: dict[str, Callable[[Random], str | bytes]] = {
    "sentence": sentence,
    "planes": planes,
    "controls": lambda random: sprinkled(random, "\0\x01\x07\x08\x1a\x1b\x7f\x9f"),
    "nothing": lambda random: "".join(random.choices(BLANKS, k=random.randint(0, 4))),
    "blanks": lambda random: sprinkled(random, BLANKS),
    "mark of order": lambda random: "\ufeff" * random.randint(1, 3) + sprinkled(random, "\ufeff\ufffe"),
    "directions": lambda random: sprinkled(random, BIDI, 12),
    "ends": lambda random: sprinkled(random, ENDS) + random.choice(["", "\r", "\r\r"]),
    "storm": storm,
    "emoji": lambda random: sprinkled(random, EMOJI),
    "markup": lambda random: sprinkled(random, MARKUP),
    "noncharacters": lambda random: sprinkled(random, "\ufffd\uffff\ufdd0\U0001fffe\U0010ffff\ue000\U000f0000"),
    "not utf-8": not_utf8,
}


def line(random: Random, kind: str | None = None) -> bytes:
    """A line of some kind; two in five are harmless."""
    kind = kind or ("sentence" if random.random() < 0.4 else random.choice(list(KINDS)))
    made = KINDS[kind](random)
    return made if isinstance(made, bytes) else made.encode()


def long_line(random: Random, num_bytes: int) -> bytes:
    """A line of about so many bytes that goes on and on: a word, many words, marks, nothing but blanks."""
    bit = random.choice(LONG) if random.random() < 0.8 else line(random, "planes").decode()
    return (bit * (num_bytes // len(bit.encode()) + 1)).encode()


def lines(count: int, seed: int, *, num_long: int = 0, long_bytes: int = 1 << 20) -> Iterator[bytes]:
    """So many lines, the first a harmless one, with runs of empty ones, and `num_long` long ones among them."""
    random = Random(seed)
    places = set(Random(seed).sample(range(1, count), num_long))
    empty = 0
    for number in range(count):
        if number == 0:  # a file's first bytes may say that it is no UTF-8 text: then none of it is read
            yield sentence(random).encode()
        elif number in places:
            yield long_line(random, long_bytes)
        elif empty:
            empty -= 1
            yield b""
        else:
            empty = random.randint(1, 50) if random.random() < 0.001 else 0
            yield line(random)


def pairs(count: int, seed: int, *, num_long: int = 0, long_bytes: int = 1 << 20) -> Iterator[tuple[bytes, bytes]]:
    """So many pairs of lines. Every other one is harmless, so that something is left of them."""
    random = Random(f"pairs {seed}")
    sources = lines(count, seed, num_long=num_long, long_bytes=long_bytes)
    for source in sources:
        roll = random.random()
        if not source:
            target = b""
        elif roll < 0.5:
            number = random.randrange(10**9)
            words = [random.randrange(len(SOURCE_WORDS)) for _ in range(random.randint(2, 8))]
            source, target = (
                f"{' '.join(side[word] for word in words)} {number}".encode() for side in (SOURCE_WORDS, TARGET_WORDS)
            )
        elif roll < 0.7:
            target = source[::-1].replace(b"\n", b"") if roll < 0.55 else source
        else:
            target = line(random)
        yield source, target


def table(count: int, seed: int) -> Iterator[bytes]:
    """Lines of a tab-separated file, of which some have a column too few, or too many, or quotes around them."""
    random = Random(f"table {seed}")
    for source, target in pairs(count, seed):
        roll = random.random()
        if roll < 0.1:
            yield source
        elif roll < 0.2:
            yield b"\t".join([source, target, line(random), b"", b""])
        elif roll < 0.25:
            yield b'"' + source + b'"\t"' + target
        else:
            yield source + b"\t" + target


def file(all_lines: Iterator[bytes]) -> bytes:
    """The content of a file with these lines."""
    return b"".join(one + b"\n" for one in all_lines)


def cut_off(content: bytes, ending: str, random: Random) -> bytes:
    """The content compressed as `ending` (.gz, .xz) says, without its end."""
    packed = PACKED[ending](content)
    return packed[: random.randrange(len(packed))]


def changed(content: bytes, ending: str, random: Random) -> bytes:
    """The content compressed as `ending` (.gz, .xz) says, with other bytes somewhere."""
    packed = PACKED[ending](content)
    place = random.randrange(20, len(packed) - 4)  # behind the head, which may hold a file name or a date
    return packed[:place] + bytes(byte ^ 0x55 for byte in packed[place : place + 4]) + packed[place + 4 :]


# for hypothesis: the same kinds, which it can make smaller, and whatever comes to its mind
KINDS_OF_TEXT = [kind for kind in KINDS if kind != "not utf-8"]
hostile_text: st.SearchStrategy[str] = st.one_of(
    st.builds(lambda kind, random: KINDS[kind](random), st.sampled_from(KINDS_OF_TEXT), st.randoms()),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=40),
)
hostile_line: st.SearchStrategy[bytes] = st.one_of(
    hostile_text.map(str.encode),
    st.builds(not_utf8, st.randoms()),
    st.binary(max_size=40).map(lambda content: content.replace(b"\n", b"")),
)
