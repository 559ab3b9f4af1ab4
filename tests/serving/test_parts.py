"""Small parts of the server: texts in parts, detection, glossaries, keys and quotas."""

from datetime import datetime, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.serving.detection import detected
from mt.serving.glossaries import Glossaries, checked_terms, parsed_terms
from mt.serving.keys import Keys, load_keys
from mt.serving.language_names import language_name
from mt.serving.refusal import Refused
from mt.serving.texts import parts_of

SIGNS = st.text(alphabet=st.sampled_from("ab. !?\n\r\t\u2028\u3000。"), max_size=30)


@given(SIGNS, st.sampled_from(["lines", "sentences"]))
def test_a_text_whose_lines_stay_is_the_same_text(text, split):
    parts = parts_of(text, split)
    assert parts.joined(list(parts.lines)) == text
    assert not any("\n" in line or "\r" in line or line != line.strip() for line in parts.lines)


def test_line_ends_and_blanks_stay_where_they_were():
    parts = parts_of("  One.\r\n\r\n\tTwo. Three. \n")
    assert parts.lines == ("One.", "Two. Three.")
    assert parts.joined(["1", "2"]) == "  1\r\n\r\n\t2 \n"
    assert parts_of("  One.\r\nTwo. Three. \n", "sentences").lines == ("One.", "Two.", "Three.")
    assert parts_of("One\ntwo.", "none").lines == ("One two.",)


@pytest.mark.parametrize(
    "text, codes, expected",
    [
        ("The child does not sleep.", ["de", "en"], "en"),
        ("Das Kind schläft nicht.", ["en", "de"], "de"),
        ("Ребёнок спит.", ["en", "ru"], "ru"),
        ("Hallo", ["en", "de"], "en"),  # nothing tells: the first
        ("", ["en", "de"], "en"),
        ("1234 !?", ["de"], "de"),
        ("子供は寝ている", ["zh", "ja", "en"], "ja"),
    ],
)
def test_a_language_is_found_among_those_that_are_served(text, codes, expected):
    found = detected(text, codes)
    assert found[0][0] == expected
    assert sorted(code for code, _ in found) == sorted(codes) and sum(share for _, share in found) == pytest.approx(1)


def test_languages_have_names_and_unknown_ones_keep_their_code():
    assert [language_name(code) for code in ("de", "pt-BR", "qqq")] == ["German", "Portuguese (pt-BR)", "qqq"]


def test_glossaries_are_seen_by_their_owner_alone_and_kept_over_restarts(tmp_path):
    glossaries = Glossaries(tmp_path)
    made = glossaries.add(owner="a", name="Möbel", source="de", target="en", terms={"Stuhl": "chair"})
    again = Glossaries(tmp_path)
    assert again.get(made.id, "a") == made and again.of("b") == []
    with pytest.raises(Refused) as refused:
        again.get(made.id, "b")
    assert refused.value.status == 404
    assert glossaries.get(made.id, "a").terms == {"Stuhl": "chair"}  # as another server that shares the folder sees it
    again.delete(made.id, "a")
    assert glossaries.of("a") == []
    assert Glossaries(tmp_path).of("a") == []


def test_terms_are_read_from_tsv_and_csv():
    assert parsed_terms("Haus\thouse\r\nHut \t hat\n", "tsv") == {"Haus": "house", "Hut": "hat"}
    assert parsed_terms('"a, b",c\nd,e,de,en\n', "csv") == {"a, b": "c", "d": "e"}


@pytest.mark.parametrize(
    "text, form, why",
    [
        ("a\n", "tsv", "line 1"),
        ("a\tb\na\tc", "tsv", "entry 2"),
        ("", "tsv", "at least one"),
        ("\t", "csv", "line 1"),
        ('"a', "csv", "CSV"),
        ("a\tb", "xml", "tsv or csv"),
        ("a\t" + "b" * 2000, "tsv", "1024"),
    ],
)
def test_wrong_terms_are_refused_by_their_place(text, form, why):
    with pytest.raises(Refused, match=why):
        parsed_terms(text, form)


def test_a_term_with_blanks_at_its_ends_is_the_term():
    assert checked_terms({" a ": "b "}) == {"a": "b"}


def key_file(tmp_path, *entries):
    rows = []
    for name, secret, more in entries:
        rows += [f"  - name: {name}", f"    sha256: {sha256(secret.encode()).hexdigest()}"]
        rows += [f"    {one}" for one in more]
    path = tmp_path / "keys.yaml"
    path.write_text("\n".join(["keys:", *rows]) + "\n")
    return path


class Time:
    seconds, month = 1000.0, 11

    def now(self):
        return datetime(2026, self.month, 29, tzinfo=timezone.utc)


def keys_with(tmp_path, *more, state=None):
    path, time = key_file(tmp_path, ("a", "secret-a", more), ("b", "secret-b", [])), Time()
    return Keys(load_keys(path), state=state, clock=lambda: time.seconds, now=time.now), time


def test_a_key_is_found_by_its_digest_and_others_are_refused(tmp_path):
    keys, _ = keys_with(tmp_path)
    assert [keys.find(secret).name for secret in ("secret-a", "secret-b")] == ["a", "b"]
    for wrong in ("secret", "", None, "secret-ä", sha256(b"secret-a").hexdigest()):
        with pytest.raises(Refused) as refused:
            keys.find(wrong)
        assert refused.value.status == (403 if wrong else 401)


def test_requests_of_a_minute_are_bounded_and_come_again_with_time(tmp_path):
    keys, time = keys_with(tmp_path, "requests_per_minute: 3")
    key = keys.find("secret-a")
    for _ in range(3):
        keys.request(key)
    with pytest.raises(Refused) as refused:
        keys.request(key)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "20"})
    keys.request(keys.find("secret-b"))  # has no quota
    time.seconds += 20.1
    keys.request(key)


def test_characters_of_a_month_are_bounded_kept_over_restarts_and_forgotten_in_the_next_month(tmp_path):
    keys, time = keys_with(tmp_path, "characters_per_month: 10", state=tmp_path)
    key = keys.find("secret-a")
    keys.characters(key, 8)
    with pytest.raises(Refused) as refused:
        keys.characters(key, 3)
    assert refused.value.status == 456 and int(refused.value.headers["Retry-After"]) == 2 * 24 * 3600
    keys.return_characters(key, 1)
    keys.characters(key, 3)
    keys.save()
    again, time = keys_with(tmp_path, "characters_per_month: 10", state=tmp_path)
    assert again.used(key) == 10
    again.return_characters(key, 5)  # counted by the other
    assert again.used(key) == 10
    time.month = 12
    again.characters(key, 7)
    again.save()
    keys._now = time.now  # the first goes on beside it: each sees what the other has saved
    keys.save()
    assert (again.used(key), keys.used(key)) == (7, 7)


@pytest.mark.parametrize(
    "text, why",
    [
        ("keys: []", "list named keys"),
        ("- a", "keys.yaml"),
        ("keys: [{name: a}]", "key 1 must have name and sha256"),
        ("keys: [{name: a, sha256: zz}]", "64 hexadecimal digits"),
        (f"keys: [{{name: a, sha256: {'0' * 64}, quota: 3}}]", "may have characters_per_month"),
        (f"keys: [{{name: a, sha256: {'a' * 64}, requests_per_minute: 0}}]", r"\(0\) must be"),
        (f"keys: [{{name: a, sha256: {'a' * 64}}}, {{name: a, sha256: {'b' * 64}}}]", "key 2: name and sha256"),
    ],
)
def test_a_wrong_file_of_keys_is_refused_by_its_place(tmp_path, text, why):
    (tmp_path / "keys.yaml").write_text(text)
    with pytest.raises(ValueError, match=why):
        load_keys(tmp_path / "keys.yaml")
