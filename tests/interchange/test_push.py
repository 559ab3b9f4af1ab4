"""`--push` copies a finished export to a repository of the Hub: to a server of this test, which speaks its language."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mt.export import main
from mt.interchange.push import push

TOKEN = "hf_test"


class Hub(BaseHTTPRequestHandler):
    """The requests of `create_repo` and `upload_folder`; keeps what it gets in `server.made` and `server.files`."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "Invalid username or password."})
        if self.path == "/api/repos/create":
            self.server.made = json.loads(body)
            return self.answer(200, {"url": f"{self.address}/me/model"})
        if self.path == "/api/validate-yaml":
            return self.answer(200, {"warnings": [], "errors": []})
        if self.path == "/api/models/me/model/preupload/main":
            found = [{"path": one["path"], "uploadMode": "regular"} for one in json.loads(body)["files"]]
            return self.answer(200, {"files": [{**one, "shouldIgnore": False, "oid": None} for one in found]})
        assert self.path == "/api/models/me/model/commit/main", self.path
        rows = [json.loads(line)["value"] for line in body.splitlines()[1:]]
        self.server.files = {row["path"]: base64.b64decode(row["content"]) for row in rows}
        return self.answer(200, {"commitUrl": f"{self.address}/me/model/commit/1", "commitOid": "1"})

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, code, body):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "an export"
    made.mkdir()
    (made / "README.md").write_text("---\nlanguage: [de, en]\n---\n", "utf-8")
    (made / "model.safetensors").write_bytes(bytes(range(256)))
    return made


@pytest.mark.parametrize("is_public", [False, True])
def test_all_files_arrive_in_a_repository_that_is_private_unless_asked_otherwise(is_public, hub, folder):
    assert push(folder, "me/model", is_public=is_public).endswith("/me/model/commit/1")
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    is_private = hub.made.get("private", hub.made.get("visibility") == "private")  # by the version of the library
    assert (hub.made["organization"], hub.made["name"], is_private) == ("me", "model", not is_public)


def test_a_refusal_is_one_line_and_the_folder_stays(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(
        ValueError, match=r"--push \(me/model\): http://127.* says: .*401.*; the export is in"
    ) as refused:
        push(folder, "me/model")
    assert "\n" not in str(refused.value) and len(list(folder.iterdir())) == 2


def test_a_server_that_does_not_answer_is_one_line(hub, folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"--push \(me/model\): http://127.0.0.1:9 says"):
        push(folder, "me/model")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--push", "model"], r"--push \(model\) must be a repository of the Hub: USER/MODEL"),
        (["--push", "a/b/c"], r"--push \(a/b/c\) must be a repository"),
        (["--public"], "--public needs --push"),
    ],
)
def test_a_wrong_name_is_refused_before_anything_is_computed(flags, said):
    with pytest.raises(ValueError, match=said):
        main(["ctranslate2", "--checkpoint", "nowhere", "--output", "x", *flags])
