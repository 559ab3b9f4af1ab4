"""The command with a model that has learned: clients from elsewhere work unchanged, signals, and wrong flags."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

import deepl
import httpx
import pytest
from huggingface_hub import InferenceClient
from libretranslatepy import LibreTranslateAPI

import mt.serving
from mt.inference.job import Job
from mt.inference.options import Options
from mt.inference.window import Window
from mt.serve import main
from tests.children import PATIENCE_SECONDS, Fork, wait_for
from tests.conftest import reversed_pairs

LINES = reversed_pairs(40, seed=7)[0]


class Running:
    """`python -m mt.serve` in a process of its own, ready."""

    def __init__(self, *arguments, folder):
        self.log = folder / "log"
        with open(self.log, "w") as log:
            command = ["-m", "mt.serve", "--port", "0", "--device", "cpu", *arguments]
            self.process = Fork(command, stderr=log, stdout=subprocess.DEVNULL)
        wait_for(lambda: "ready: " in self.log.read_text() or self.process.poll() is not None)
        found = re.search(r"^ready: (\S+)$", self.log.read_text(), re.M)
        assert found, self.log.read_text()
        self.url = found[1]

    def workers(self):
        found = set()
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):  # a thread that has ended meanwhile
                found |= set(map(int, (task / "children").read_text().split()))
        return found

    def metric(self, name):
        text = urllib.request.urlopen(f"{self.url}/metrics").read().decode()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


@pytest.fixture(scope="module")
def server(trained_run, tmp_path_factory):
    server = Running("--checkpoint", trained_run, "--workers", "1", folder=tmp_path_factory.mktemp("server"))
    yield server
    server.process.kill()


@pytest.fixture(scope="module")
def alone(trained_run):
    """What `translate` makes of lines, each translated alone; by flags of `translate`."""
    job = Job([trained_run], Options(device="cpu", json=True))

    def records(lines, **options):
        of_options = job.with_options(Options(device="cpu", json=True, **options))
        return [json.loads(of_options(Window(0, [line])).text) for line in lines]

    return records


def texts_alone(alone, lines):
    return [record["translations"][0]["text"] for record in alone(lines)]


def test_the_client_of_libretranslate_works_unchanged(server, alone):
    client = LibreTranslateAPI(server.url)
    assert client.translate(LINES[0], "de", "en") == texts_alone(alone, LINES[:1])[0]
    assert client.translate(LINES[1], "auto", "en") == texts_alone(alone, LINES[1:2])[0]
    assert [(one["code"], one["name"]) for one in client.languages()] == [("de", "German")]
    assert client.detect("das ist nicht gut")[0]["language"] == "de"


def test_the_client_of_deepl_works_unchanged(server, alone, tmp_path):
    client = deepl.DeepLClient("any", server_url=server.url)
    found = client.translate_text(LINES[:3], target_lang="EN-US")
    assert [one.text for one in found] == texts_alone(alone, LINES[:3])
    assert found[0].detected_source_lang == "DE" and found[0].billed_characters == len(LINES[0])
    assert [one.code for one in client.get_source_languages()] == ["DE"]
    assert [one.code for one in client.get_target_languages()] == ["EN"]
    assert client.get_usage().character.count > 0
    glossary = client.create_glossary("numbers", "DE", "EN", {"eins": "eight"})
    assert client.get_glossary_entries(glossary) == {"eins": "eight"}
    assert [one.glossary_id for one in client.list_glossaries()] == [glossary.glossary_id]
    forced = client.translate_text("eins zwei", source_lang="DE", target_lang="EN-US", glossary=glossary)
    assert "eight" in forced.text.split()
    client.delete_glossary(glossary)
    with pytest.raises(deepl.exceptions.GlossaryNotFoundException):
        client.get_glossary(glossary.glossary_id)
    (tmp_path / "in.txt").write_text("\n".join(LINES[:2]))
    client.translate_document_from_filepath(tmp_path / "in.txt", tmp_path / "out.txt", target_lang="EN-US")
    assert (tmp_path / "out.txt").read_text().split("\n") == texts_alone(alone, LINES[:2])


def test_the_client_of_hugging_face_works_unchanged(server, alone):
    client = InferenceClient(model=f"{server.url}/hf")
    assert client.translation(LINES[0]).translation_text == texts_alone(alone, LINES[:1])[0]


def test_a_line_has_the_record_that_translate_writes_whatever_is_in_its_batch(server, alone):
    asked = {"n_best": 3, "beam_size": 4, "alignment": True, "coverage": True, "markup": True}
    marked = [f"<b>{line}</b> {{name}}" for line in LINES[:6]]
    answer = httpx.post(f"{server.url}/api/translate", json={"texts": marked, **asked}, timeout=PATIENCE_SECONDS)
    found = [line for one in answer.json()["translations"] for line in one["lines"]]
    expected = [{name: value for name, value in one.items() if name != "line"} for one in alone(marked, **asked)]
    assert found == expected


def test_prefix_and_terms_hold_and_what_the_vocabulary_cannot_spell_is_refused(server):
    def asked(**more):
        body = {"texts": ["eins zwei drei"], **more}
        return httpx.post(f"{server.url}/api/translate", json=body, timeout=PATIENCE_SECONDS)

    assert asked(prefix="eight").json()["translations"][0]["text"].startswith("eight")
    line = asked(terms={"zwei": "five"}).json()["translations"][0]["lines"][0]
    assert line["translations"][0]["terms"][0]["is_honoured"]
    refused = asked(prefix="日本")
    assert refused.status_code == 400
    assert refused.json()["error"] == "prefix (日本) has characters that the model's vocabulary cannot spell"


def test_answers_are_those_of_translate_though_the_worker_is_killed_and_models_are_loaded_anew(server, alone):
    expected, found = texts_alone(alone, LINES), {}

    def ask(start):
        for place in range(start, len(LINES), 4):
            body = {"inputs": LINES[place]}
            answer = httpx.post(f"{server.url}/hf", json=body, timeout=PATIENCE_SECONDS)
            found[place] = answer.json()[0]["translation_text"] if answer.status_code == 200 else answer.text

    clients = [threading.Thread(target=ask, args=(start,)) for start in range(4)]
    for client in clients:
        client.start()
    before = server.workers()
    os.kill(min(before), signal.SIGKILL)
    for client in clients:
        client.join()
    assert [found[place] for place in range(len(LINES))] == expected
    assert server.metric("mt_worker_restarts_total") >= 1
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: server.metric('mt_reloads_total{result="loaded"}') if _has_reloaded(server) else False)
    ask(0)
    assert [found[place] for place in range(len(LINES))] == expected


def _has_reloaded(server):
    return b'mt_reloads_total{result="loaded"}' in urllib.request.urlopen(f"{server.url}/metrics").read()


def test_sigterm_answers_what_was_accepted_and_ends_with_0(server, alone):
    """The last test of this server."""
    answers = []

    def ask():
        body = {"texts": LINES, "n_best": 10}
        answers.append(httpx.post(f"{server.url}/api/translate", json=body, timeout=PATIENCE_SECONDS))

    client = threading.Thread(target=ask)
    client.start()
    wait_for(lambda: server.metric("mt_workers_busy") or not client.is_alive())
    server.process.send_signal(signal.SIGTERM)
    client.join()
    assert server.process.wait(PATIENCE_SECONDS) == 0
    assert [one["text"] for one in answers[0].json()["translations"]] == texts_alone_of(alone, LINES)
    log = server.log.read_text()
    assert "draining" in log and not [line for line in LINES if line in log]


def texts_alone_of(alone, lines):
    return [record["translations"][0]["text"] for record in alone(lines, n_best=10)]


@pytest.mark.parametrize(
    "arguments, why",
    [
        (["--wait", "-1"], r"--wait \(-1\) must be a number, from 0 to 1000"),
        (["--max-beam", "0"], r"--max-beam \(0\) must be"),
        (["--port", "70000"], r"--port \(70000\) must be"),
        (["--keys", "nowhere.yaml"], "nowhere.yaml"),
        (["--cors", "example.org"], r"--cors \(example.org\) must be an origin"),
        (["--host", "no such host"], r"host and port \(no such host:5000\) must be free"),
        (["--device", "cuda", "--workers", "2"], r"--workers \(2\) is for the CPU"),
    ],
)
def test_wrong_flags_are_refused_in_one_line(tmp_path, monkeypatch, arguments, why):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=why):
        main(["--checkpoint", "nothing", "--device", "cpu", *arguments])


def test_a_checkpoint_that_is_none_ends_the_command_in_one_line(tmp_path, caplog):
    with pytest.raises(ValueError, match=r"checkpoint \(.*nothing\) does not exist"):
        main(["--checkpoint", str(tmp_path / "nothing"), "--device", "cpu", "--workers", "1", "--port", "0"])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_without_its_extra_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "mt.serving.running", raising=False)
    monkeypatch.delattr(mt.serving, "running", raising=False)
    with pytest.raises(
        ValueError, match=r"needs a package that is missing \(uvicorn\): pip install 'mt-trainer\[serve\]'"
    ):
        main(["--checkpoint", "nothing", "--device", "cpu"])
