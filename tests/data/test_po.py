"""PO files: entries are pairs as gettext reads them, plural forms by their rule, and a wrong line costs one entry."""

import gzip

import pytest

from mt.data.formats.po import Po
from mt.data.formats.po_tokens import joined
from mt.data.pair import Pair

HEADER = """# A program.
#, fuzzy
msgid ""
msgstr ""
"Language: de\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"""


def entry(source, target, before="", context=None):
    context = f'msgctxt "{context}"\n' if context else ""
    return f'{before}{context}msgid "{source}"\nmsgstr "{target}"\n'


def plural(*forms, one="one file", many="%d files"):
    numbered = "".join(f'msgstr[{n}] "{form}"\n' for n, form in enumerate(forms))
    return f'msgid "{one}"\nmsgid_plural "{many}"\n{numbered}'


def read(tmp_path, *entries, header=HEADER, encoding="utf-8", between="\n", **settings):
    path = tmp_path / "de.po"
    path.write_bytes(between.join([header, *entries]).encode(encoding))
    return list(Po(path=path, **settings))


@pytest.mark.parametrize("between", ["\n", "", "\n\n# a comment\n#: file.c:3\n", "\r\n"])
def test_entries_are_pairs_however_they_are_parted(tmp_path, between):
    entries = [entry("one", "eins"), entry("two", "zwei", context="number"), entry("three", "drei")]
    pairs = [Pair("one", "eins"), Pair("two", "zwei"), Pair("three", "drei")]
    assert read(tmp_path, *entries, between=between) == pairs
    assert read(tmp_path, *entries, header="", between=between) == pairs
    assert read(tmp_path, *entries, reverse=True) == [Pair(target, source) for source, target, *_ in pairs]


@pytest.mark.parametrize(
    "written, text",
    [
        ('"one "\n"two"', "one two"),
        ('""\n"one\\n"\n"two\\n"', "one two"),
        (r'"say \"yes\" \\ no\t."', 'say "yes" \\ no\t.'),
        (r'"\x41\102"', "AB"),
        ('"line\u2028sep\x85 \f"', "line\u2028sep\x85 \f"),
        ('  "blanks"  ', "blanks"),
        ('"# no comment"', "# no comment"),
        ('"%s: msgid"', "%s: msgid"),
    ],
    ids="parts lines escapes codes separators blanks hash keyword".split(),
)
def test_strings_are_put_together_and_line_ends_become_blanks(tmp_path, written, text):
    assert read(tmp_path, f'msgid {written}\nmsgstr "x"\n') == [Pair(text, "x")]


def test_fuzzy_obsolete_and_untranslated_entries_are_left_out_and_logged(tmp_path, caplog):
    caplog.set_level("INFO")
    entries = [
        entry("one", "eins"),
        entry("unsure", "unsicher", before="#, c-format, fuzzy\n"),
        entry("unsure too", "unsicher", before='#,fuzzy\n#| msgid "sure"\n'),
        entry("nothing", ""),
        plural("", ""),
        '#, fuzzy\n#~ msgid "old"\n#~ msgstr "alt"\n',
        entry("two", "zwei", before="#. fuzzy\n# fuzzy\n#, no-fuzzy-match\n"),
    ]
    assert read(tmp_path, *entries) == [Pair("one", "eins"), Pair("two", "zwei")]
    assert "de.po: left out 2 fuzzy, 1 obsolete and 2 untranslated entries" in caplog.text


def test_flags_of_both_kinds_count(tmp_path):
    """`#=` is of later gettext: older ones take it for a comment."""
    entries = [
        entry("a", "1", before="#= fuzzy, c-format\n"),
        entry("b", "2", before="#, c-format\n#= fuzzy\n"),
        '#= fuzzy\n#~ msgid "c"\n#~ msgstr "3"\n',
        entry("d", "4", before="#= c-format\n"),
    ]
    assert read(tmp_path, *entries) == [Pair("d", "4")]


SLAVIC = "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2"
SLOVENIAN = "(n%100==1 ? 1 : n%100==2 ? 2 : n%100==3 || n%100==4 ? 3 : 0)"


@pytest.mark.parametrize(
    "rule, forms, expected",
    [
        (None, "AB", ["A", "B"]),
        ("n != 1", "AB", ["A", "B"]),
        ("(n > 1)", "AB", ["A", "B"]),
        ("0", "A", ["A"]),
        (SLAVIC, "ABC", ["A", "C"]),
        (SLOVENIAN, "ABCD", ["B", "A"]),
    ],
    ids=["none", "german", "french", "japanese", "russian", "slovenian"],
)
def test_plurals_give_the_form_for_one_and_the_form_that_most_numbers_take(tmp_path, rule, forms, expected):
    header = HEADER + (f'"Plural-Forms: nplurals={len(forms)}; plural={rule};\\n"\n' if rule else "")
    pairs = read(tmp_path, plural(*forms), header=header)
    assert [pair.target for pair in pairs] == expected
    assert [pair.source for pair in pairs] == ["one file", "%d files"][-len(expected) :]


def test_a_header_that_nobody_has_filled_in_is_no_obstacle(tmp_path):
    header = HEADER.replace("UTF-8", "CHARSET") + '"Plural-Forms: nplurals=INTEGER; plural=EXPRESSION;\\n"\n'
    assert read(tmp_path, plural("ä", "b"), header=header) == [Pair("one file", "ä"), Pair("%d files", "b")]


@pytest.mark.parametrize("rule", ["n !=", "__import__('os')", "n%0", "(" * 500, "1/(n-7)", "n", "n>900 ? 2 : 0", "0-1"])
def test_a_plural_rule_that_is_none_is_a_fault(tmp_path, rule):
    header = HEADER + f'"Plural-Forms: nplurals=2; plural={rule};\\n"\n'
    fault, *pairs = read(tmp_path, plural("a", "b"), header=header)
    assert fault.fault.message.startswith(f"{tmp_path}/de.po line 3: its Plural-Forms cannot be read (")
    assert pairs == [Pair("one file", "a"), Pair("%d files", "b")]


@pytest.mark.parametrize(
    "lines, number",
    [
        (['msgid "no end', 'msgstr "x"'], 1),
        (['msgid "a "quote" inside"', 'msgstr "x"'], 1),
        (['msgid "a"', "msgstr no quotes"], 2),
        (['msgid "a"', "continued", 'msgstr "x"'], 2),
        (["just a line"], 1),
        (["# a comment", '"belongs to nothing"'], 2),
        (['msgid "\\e"', 'msgstr "x"'], 1),
        (['msgid "\\0"', 'msgstr "x"'], 1),
        (['msgid "a"', "#~ msgid"], 1),
        (['msgid "a"', 'msgstr[0] "x"'], 2),
        (['msgid "a"', 'msgid_plural "b"', 'msgstr "x"'], 3),
        (['msgid "a"', 'msgid_plural "b"', 'msgstr[1] "x"'], 3),
        (['msgid "a" # no comment', 'msgstr "x"'], 1),
        (['msgid_plural "a"', 'msgstr[0] "x"'], 1),
        (['msgid "a"', 'msgid "b"', 'msgstr "x"'], 2),
        (['msgid "a"', 'msgstr "x"', 'msgstr "y"'], 3),
    ],
    ids="open quote bare-string bare-line bare alone escape nul obsolete one-form no-form second-form hash only-plural "
    "twice two-translations".split(),
)
def test_a_wrong_line_costs_its_entry_alone(tmp_path, lines, number, request):
    wrong = "".join(f"{line}\n" for line in lines)
    first, fault, last = read(tmp_path, entry("one", "eins"), wrong, entry("two", "zwei"))
    assert (first, last) == (Pair("one", "eins"), Pair("two", "zwei"))
    place = f"{tmp_path}/de.po line {HEADER.count(chr(10)) + 1 + 3 + number}"
    assert fault.fault.reason == "not a PO entry"
    assert fault.fault.message.startswith(f"{place}: ")
    if "obsolete" not in request.node.callspec.id:
        assert fault.fault.message.endswith(f": {lines[number - 1]}")


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "koi8-r", "euc-jp", "gb18030"])
def test_the_charset_of_the_header_is_read(tmp_path, encoding):
    text = {"koi8-r": "файл", "euc-jp": "日本語", "gb18030": "文件"}.get(encoding, "schön")
    header = HEADER.replace("UTF-8", encoding.upper())
    assert read(tmp_path, entry("x", text), header=header, encoding=encoding) == [Pair("x", text)]


@pytest.mark.parametrize(
    "charset", "klingon utf-16 hex utf-7 unicode_escape raw_unicode_escape idna punycode rot13 undefined 1\0 ä".split()
)
def test_under_an_unknown_charset_every_entry_is_a_fault(tmp_path, charset):
    header = HEADER.replace("UTF-8", charset)
    faulty = read(tmp_path, entry("x", r"\101"), plural("a", "b"), header=header)
    assert [pair[:2] for pair in faulty[1:]] == [("x", "A"), ("one file", "a")]
    (fault,) = {pair.fault for pair in faulty}
    assert fault.reason == "unknown charset"
    assert fault.message == f"{tmp_path}/de.po line 3: its charset ({charset}) is not known here"


def test_text_in_another_charset_than_the_header_says_is_a_fault_of_its_entry(tmp_path):
    first, fault, last = read(tmp_path, entry("a", "b"), entry("x", "schön"), entry("c", "d"), encoding="latin-1")
    assert (first, last) == (Pair("a", "b"), Pair("c", "d"))
    assert fault[:2] == ("x", "sch\ufffdn")
    assert fault.fault == ("not UTF-8", f"{tmp_path}/de.po line 12: not UTF-8 at byte 12 (0xf6)")
    first, fault, last = read(tmp_path, entry("a", "b"), entry("schön", "x"), entry("c", "d"), encoding="latin-1")
    assert (first, last) == (Pair("a", "b"), Pair("c", "d"))
    first, fault, last = read(tmp_path, entry("a", "b"), entry(r"sch\366n", "x"), entry("c", "d"))
    assert (first, last) == (Pair("a", "b"), Pair("c", "d"))
    assert fault.fault == ("not UTF-8", f"{tmp_path}/de.po line 11: an entry whose escapes are not UTF-8 (0xf6)")


def test_an_entry_of_any_length_is_read_up_to_a_limit_and_one_beyond_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("mt.data.formats.po.ENTRY_CHARACTERS", 100)
    longest = 'msgid "x"\nmsgstr ""\n' + '"123456789"\n' * 11
    first, fault, last = read(tmp_path, longest, longest + '"1"\n' * 5, entry("c", "d"))
    assert (first, last) == (Pair("x", "123456789" * 11), Pair("c", "d"))
    message = f"{tmp_path}/de.po line 22: an entry of more than 100 characters"
    assert fault.fault == ("too long PO entry", message)
    assert len(fault.target) == 99


@pytest.mark.parametrize("string", ['"abc "', r'"a\tb "', r'"a\040\303\244 "'], ids=["plain", "escape", "byte"])
def test_a_continued_string_costs_as_much_as_it_is_long(tmp_path, monkeypatch, string):
    """Counts the characters that are copied when strings are put together."""
    num_copied = 0

    def counted(parts, charset):
        nonlocal num_copied
        num_copied += sum(map(len, parts))
        return joined(parts, charset)

    monkeypatch.setattr("mt.data.formats.po.joined", counted)
    monkeypatch.setattr("mt.data.formats.po_tokens.joined", counted)
    costs = []
    for num_lines in (500, 1000, 2000):
        num_copied = 0
        (pair,) = read(tmp_path, 'msgid "x"\nmsgstr ""\n' + f"{string}\n" * num_lines)
        assert len(pair.target) >= 4 * num_lines
        costs.append(num_copied)
    assert costs[1] < 2.1 * costs[0] and costs[2] < 2.1 * costs[1]


def test_files_may_be_packed_and_several(tmp_path):
    content = (HEADER + "\n" + entry("one", "eins") + "\n").encode()
    (tmp_path / "a.po.gz").write_bytes(gzip.compress(content))
    (tmp_path / "b.po").write_bytes(content)
    (tmp_path / "c.po.gz").write_bytes(gzip.compress(content)[:-9])
    corpus = Po(path=[tmp_path / name for name in ("a.po", "b.po", "c.po")])
    *pairs, last = corpus
    assert pairs[:2] == [Pair("one", "eins")] * 2
    assert last.fault.message.startswith(f"{tmp_path}/c.po.gz: unreadable after line ")
    before = corpus.fingerprint()
    assert Po(path=corpus.path, reverse=True).fingerprint() != before
    (tmp_path / "b.po").write_bytes(content * 2)
    assert corpus.fingerprint() != before
