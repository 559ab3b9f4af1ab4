"""The application without a model: clients' forms, keys, headers, files, health, and the description of the API."""

import ast
import gzip
import json
from pathlib import Path

import pytest

from mt.serving import app
from tests.serving.test_parts import key_file

ROOT = Path(__file__).resolve().parents[2]
SECURE = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy")


def test_each_api_takes_a_request_in_its_own_form_and_refuses_in_its_own(with_server):
    async def test(client, service):
        return [
            (await client.post("/translate", data={"q": "a b", "source": "de", "target": "en"})).json(),
            (await client.post("/translate", json={"q": ["a b", "c"], "source": "auto", "target": "en"})).json(),
            (await client.post("/v2/translate", data={"text": ["a b", "c"], "target_lang": "EN-GB"})).json(),
            (await client.post("/hf", json={"inputs": ["a b", "c"]})).json(),
            (await client.post("/translate", data={"q": "a", "target": "fr"})).json(),
            (await client.post("/v2/translate", json={"text": ["a"], "target_lang": "EN", "formality": "more"})).json(),
            (await client.post("/hf", json={"inputs": 3})).json(),
        ]

    plain, several, deepl, hugging, *refused = with_server(test)
    guess = {"confidence": 100.0, "language": "de"}
    assert plain == {"translatedText": "b a"}
    assert several == {"translatedText": ["b a", "c"], "detectedLanguage": [guess, guess]}
    assert [one["text"] for one in deepl["translations"]] == ["b a", "c"]
    assert [one["translation_text"] for one in hugging] == ["b a", "c"]
    assert refused[0] == {"error": "target (fr) must be a served language: en"}
    assert refused[1]["message"].startswith("formality must be default")
    assert refused[2]["error"].startswith("inputs")


def test_a_wrong_method_names_the_right_ones_and_an_unknown_path_is_not_found(with_server):
    async def test(client, service):
        paths = ("/api/translate", "/v2/translate", "/translate", "/nothing")
        return [await client.get(path) for path in paths] + [await client.delete("/health")]

    *calls, nothing, health = with_server(test)
    assert [(call.status_code, call.headers.get("allow")) for call in calls] == [(405, "POST")] * 3
    assert calls[2].json() == {"error": "method (GET) must be POST"}
    assert nothing.status_code == 404 and health.status_code == 405 and "GET" in health.headers.get("allow", "")


def test_sentences_are_split_as_deepl_does(with_server):
    async def test(client, service):
        found = []
        for split in ("1", "0", "nonewlines", False, True):
            body = {"text": ["Ab cd.\nEf gh. Ij kl."], "target_lang": "en", "split_sentences": split}
            found.append((await client.post("/v2/translate", json=body)).json()["translations"][0]["text"])
        return found

    lines, whole, joined = "cd. Ab\ngh. Ef kl. Ij", "kl. Ij gh. Ef cd. Ab", "cd. Ab gh. Ef kl. Ij"
    assert with_server(test) == [lines, whole, joined, whole, lines]


@pytest.mark.parametrize(
    "headers, body",
    [
        ({"authorization": "Bearer secret-a"}, {}),
        ({"authorization": "DeepL-Auth-Key secret-a"}, {}),
        ({"x-api-key": "secret-a"}, {}),
        ({}, {"api_key": "secret-a"}),
    ],
)
def test_a_key_is_taken_from_where_clients_put_it(with_server, tmp_path, headers, body):
    async def test(client, service):
        asked = {"q": "a b", "target": "en"}
        wrong = {name: value.replace("secret-a", "secret-b") for name, value in {**headers, **body}.items()}
        right = await client.post("/translate", json=asked | body, headers=headers)
        refused = await client.post(
            "/translate",
            json=asked | {name: wrong[name] for name in body},
            headers={name: wrong[name] for name in headers},
        )
        none = await client.post("/translate", json=asked)
        return [one.status_code for one in (right, refused, none)]

    keys = key_file(tmp_path, ("a", "secret-a", []))
    assert with_server(test, keys=keys) == [200, 403, 401]


def test_a_quota_holds_for_the_key_and_its_usage_is_told(with_server, tmp_path):
    async def test(client, service):
        headers = {"authorization": "Bearer secret-a"}
        codes = []
        for text in ("a" * 6, "b" * 6, "c" * 4):
            body = {"text": [text], "target_lang": "en"}
            codes.append((await client.post("/v2/translate", json=body, headers=headers)).status_code)
        return codes, (await client.get("/v2/usage", headers=headers)).json()

    keys = key_file(tmp_path, ("a", "secret-a", ["characters_per_month: 10"]))
    codes, usage = with_server(test, keys=keys)
    assert codes == [200, 456, 200] and usage == {"character_count": 10, "character_limit": 10}


def test_every_answer_has_security_headers_and_other_sites_may_not_read_it(with_server):
    async def test(client, service):
        origin = {"origin": "https://elsewhere.example"}
        answers = [await client.get(path, headers=origin) for path in ("/languages", "/nothing", "/docs", "/metrics")]
        answers.append(await client.post("/translate", content=b"{", headers={**origin, "content-type": "text/plain"}))
        return answers

    for answer in with_server(test):
        assert all(name in answer.headers for name in SECURE), answer.url
        assert "access-control-allow-origin" not in answer.headers
    assert answer.status_code == 415


def test_pages_of_named_sites_may_call_the_server(with_server):
    async def test(client, service):
        found = [await client.get("/languages", headers={"origin": f"https://{name}.example"}) for name in "ab"]
        return [one.headers.get("access-control-allow-origin") for one in found]

    assert with_server(test, cors=("https://a.example",)) == ["https://a.example", None]


def test_a_file_is_translated_and_fetched_by_both_apis(with_server):
    content = "\ufeffa b\r\n\r\nc d\n".encode()

    async def test(client, service):
        asked = {"files": {"file": ("list.txt", content)}, "data": {"source": "de", "target": "en"}}
        url = (await client.post("/translate_file", **asked)).json()["translatedFileUrl"]
        one = await client.get(url)
        asked = {"files": {"file": ("list.txt", content)}, "data": {"target_lang": "EN"}}
        handle = (await client.post("/v2/document", **asked)).json()
        place, key = f"/v2/document/{handle['document_id']}", {"document_key": handle["document_key"]}
        status = {}
        while status.get("status") not in ("done", "error"):
            status = (await client.post(place, json=key)).json()
        other = await client.post(f"{place}/result", json=key)
        stolen = await client.post(f"{place}/result", json={"document_key": "0"})
        return one, status, other, stolen

    one, status, other, stolen = with_server(test)
    assert one.content == other.content == "\ufeffb a\r\n\r\nd c\n".encode()
    assert 'filename="list.txt"' in one.headers["content-disposition"]
    assert status["billed_characters"] == 6 and stolen.status_code == 404


@pytest.mark.parametrize(
    "name, content, why",
    [
        ("a.docx", b"x", "file (a.docx) must have one of the endings .txt, "),
        ("a.txt", b"a\n\xff", "a.txt: not UTF-8 at line 2, byte 2 (0xff)"),
        ("a.srt", gzip.compress(b"a", mtime=0), "file (a.srt) must not be compressed"),
        ("a.xliff", b"<xliff><file>", "a.xliff"),
        ("a.txt", b"wrong", "this line is wrong"),
    ],
)
def test_a_file_that_cannot_be_translated_is_refused_in_one_line(with_server, name, content, why):
    async def test(client, service):
        asked = {"files": {"file": (name, content)}, "data": {"source": "de", "target": "en"}}
        return await client.post("/translate_file", **asked)

    answer = with_server(test)
    assert answer.status_code == 400 and why in answer.json()["error"]
    assert "given" not in answer.json()["error"]  # nothing of where the server keeps it


def test_only_the_texts_of_a_file_change_in_its_format(with_server):
    subtitles = "1\n00:00:01,000 --> 00:00:02,000\na b\n\n"

    async def test(client, service):
        asked = {"files": {"file": ("film.srt", subtitles.encode())}, "data": {"source": "de", "target": "en"}}
        url = (await client.post("/translate_file", **asked)).json()["translatedFileUrl"]
        endings = (await client.get("/frontend/settings")).json()["supportedFilesFormat"]
        return (await client.get(url)).text, endings, (await client.get("/api/settings")).json()["file_endings"]

    found, libre, own = with_server(test)
    assert found == subtitles.replace("a b", "b a")
    assert libre == own and {".txt", ".po", ".xliff", ".tmx", ".srt", ".vtt", ".md", ".html"} <= set(own)


def test_a_file_waits_where_the_queue_is_full(with_server):
    lines = b"".join(b"a %d\n" % number for number in range(200))

    async def test(client, service):
        asked = {"files": {"file": ("a.txt", lines)}, "data": {"source": "de", "target": "en"}}
        url = (await client.post("/translate_file", **asked)).json()["translatedFileUrl"]
        return (await client.get(url)).text

    assert with_server(test, limits={"max_queue": 70}).split("\n")[:2] == ["0 a", "1 a"]


def test_health_tells_whether_it_lives_and_whether_it_answers(with_server):
    async def test(client, service):
        before = [(await client.get(f"/health/{name}")).status_code for name in ("live", "ready")]
        service.is_draining = True
        after = [(await client.get(f"/health/{name}")).status_code for name in ("live", "ready")]
        answered = (await client.post("/hf", json={"inputs": "a b"})).json()  # came over a connection that was open
        return before, after, answered

    assert with_server(test) == ([200, 200], [200, 503], [{"translation_text": "b a"}])


def test_before_the_models_are_loaded_clients_are_told_to_come_again(with_server):
    async def test(client, service):
        service._models = None
        return await client.post("/hf", json={"inputs": "a b"})

    answer = with_server(test)
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"


def test_metrics_have_base_units_and_nothing_of_clients(with_server):
    async def test(client, service):
        await client.post("/hf", json={"inputs": "a b"}, headers={"x-api-key": "secret"})
        return (await client.get("/metrics")).text

    text = with_server(test)
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert {"mt_queue_lines", "mt_queue_oldest_seconds", "mt_requests_total", "mt_batch_seconds_sum"} <= names
    assert not [name for name in names if "milli" in name or "kilo" in name] and "secret" not in text
    labels = {part.split("=")[0] for line in text.splitlines() if "{" in line for part in line.split("{")[1].split(",")}
    assert labels <= {"api", "code", "reason", "source", "target", "step", "le", "result"}


def test_the_description_names_every_call_and_its_page_needs_no_other_host(with_server):
    async def test(client, service):
        return (await client.get("/openapi.json")).json(), [
            (await client.get(path)).text for path in ("/docs", "/docs/reference.js", "/docs/reference.css")
        ]

    described, files = with_server(test)
    for path in ("/translate", "/v2/translate", "/v2/glossaries/{id}/entries", "/hf", "/api/translate", "/metrics"):
        assert path in described["paths"]
    references = [one for one in str(described).split("'") if one.startswith("#/components/schemas/")]
    assert references and all(one.rsplit("/", 1)[1] in described["components"]["schemas"] for one in references)
    assert not [text for text in files if "://" in text.replace("http://www.w3.org", "")]


def test_the_process_with_the_socket_never_loads_torch():
    """It stays small, and is there before the models are: by what its files import, themselves or through others."""
    seen, waiting = set(), [f"mt.serving.{path.stem}" for path in (ROOT / "mt/serving").glob("*.py")]
    waiting = [name for name in waiting if name not in ("mt.serving.engine", "mt.serving.exports", "mt.serving.bulk")]
    waiting += [f"mt.serving.shapes.{path.stem}" for path in (ROOT / "mt/serving/shapes").glob("*.py")] + ["mt.serve"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = ROOT / f"{name.replace('.', '/')}.py"
        if not path.is_file():
            continue
        tree = ast.parse(path.read_text("utf-8"))
        found = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
        found += [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
        found += [
            f"{node.module}.{alias.name}"
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        ]
        assert not [one for one in found if one.split(".")[0] == "torch"], name
        waiting += [one for one in found if one.startswith("mt.")]
    assert len(seen) > 30 and app.__name__ in seen


def test_what_an_engine_cannot_give_is_refused_by_name(with_server, tmp_path):
    own = {"texts": ["a b"], "target": "en"}
    asked = [
        *(("/api/translate", own | {name: True}, name) for name in ("alignment", "coverage", "confidence", "markup")),
        ("/api/translate", own | {"prefix": "x"}, "prefix"),
        ("/api/translate", own | {"terms": {"a": "x"}}, "terms"),
        ("/api/translate", own | {"n_best": 2, "distinct": True}, "distinct"),
        ("/api/translate", own | {"min_length": 2}, "min_length"),
        ("/translate", {"q": "<b>a</b>", "target": "en", "format": "html"}, "markup"),
        ("/v2/translate", {"text": ["a"], "target_lang": "EN", "tag_handling": "xml"}, "markup"),
        ("/hf", {"inputs": "a", "parameters": {"generate_parameters": {"no_repeat_ngram_size": 2}}}, "no_repeat_ngram"),
    ]

    async def test(client, service):
        for path, body, name in asked:
            answer = await client.post(path, json=body)
            line = " ".join(answer.json().values())
            assert answer.status_code == 400 and line.startswith(f"{name}: --engine ctranslate2 does not give it: ")
        sent = await client.post("/v2/document", files={"file": ("a.txt", b"a b")}, data={"target_lang": "EN"})
        assert sent.status_code == 400 and sent.json()["message"].startswith("markup: ")
        settings = (await client.get("/api/settings")).json()
        (pair,) = (await client.get("/api/languages")).json()
        several = await client.post("/api/translate", json=own | {"n_best": 2, "min_length": 0})
        return (
            settings["file_endings"],
            pair["features"],
            len(several.json()["translations"][0]["lines"][0]["translations"]),
        )

    assert with_server(test, engine="ctranslate2") == ([], ["n_best"], 2)


def test_events_begin_with_the_sentences_and_end_with_the_whole(with_server):
    async def test(client, service):
        body = {"texts": ["Ab cd.\n\n  Ef gh. Ij kl. "], "split": "sentences", "stream": True}
        answer = await client.post("/api/translate", json=body)
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = [event.removeprefix("event: ").split("\ndata: ") for event in answer.text.split("\n\n")[:-1]]
        return [(name, json.loads(data)) for name, data in found]

    (first, start), *lines, (last, done) = with_server(test)
    parts = {"lines": ["Ab cd.", "Ef gh.", "Ij kl."], "between": ["", "\n\n  ", " ", " "]}
    assert first == "start" and start["texts"] == [parts] and start["target"] == "en"
    assert [(name, line["line"], line["source"]) for name, line in lines] == [
        ("line", number, source) for number, source in enumerate(parts["lines"])
    ]
    assert last == "done" and done["translations"][0]["text"] == "cd. Ab\n\n  gh. Ef kl. Ij "


def test_a_glossary_is_for_its_languages_alone(with_server):
    async def test(client, service):
        stored = {"name": "x", "source_lang": "de", "target_lang": "en", "entries": "a\tx", "entries_format": "tsv"}
        id = (await client.post("/v2/glossaries", json=stored)).json()["glossary_id"]
        body = {"texts": ["a"], "source": "en", "target": "de", "glossary": id}
        answers = [(await client.post("/api/translate", json=body)).json()]
        asked = {"text": ["a"], "source_lang": "EN", "target_lang": "DE", "glossary_id": id}
        return [*answers, (await client.post("/v2/translate", json=asked)).json()]

    found = with_server(test, fake={"languages": (("de", "en"), ("en", "de"))})
    assert [list(one.values()) for one in found] == [["glossary is of de-en, not of en-de"]] * 2
