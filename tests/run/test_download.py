"""Model files from the internet: a server of this machine that behaves well or badly, and what stays in the cache."""

import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from ffgan_tf.run import download as module
from ffgan_tf.run.download import cache_folder, download
from ffgan_tf.utils.errors import UserError

CONTENT = bytes(range(256)) * 500
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Each path is a way to answer; `asked` counts all requests."""

    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        if self.path == "/gone":
            return self.send_error(404)
        if self.path in ("/away", "/aside"):
            self.send_response(302)
            self.send_header("Location", {"/away": "http://example.com/x", "/aside": "/good"}[self.path])
            return self.end_headers()
        self.send_response(200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(10**13 if self.path == "/huge" else len(CONTENT)))
        self.end_headers()
        body = CONTENT[:1000] if self.path == "/short" else CONTENT
        for _ in range(50 if self.path == "/endless" else 1):
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of a server on this machine; the cache is a fresh folder."""
    monkeypatch.setenv("FFGAN_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Handler, "asked", [])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def cached() -> list[Path]:
    return [path for path in cache_folder().rglob("*") if path.is_file()]


def test_a_file_comes_once(server):
    path = download(f"{server}/good", SHA256)
    assert path.read_bytes() == CONTENT and cached() == [path]
    assert path == cache_folder() / "models" / f"{SHA256}.safetensors"
    assert download(f"{server}/good#sha256={SHA256.upper()}") == path == download(f"{server}/gone", SHA256)
    assert Handler.asked == ["/good"]


def test_a_damaged_copy_is_fetched_again(server):
    path = download(f"{server}/good", SHA256)
    path.write_bytes(CONTENT[:-1])
    assert download(f"{server}/good", SHA256).read_bytes() == CONTENT


def test_redirects_on_the_same_machine(server):
    assert download(f"{server}/aside", SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "path, message",
    [
        ("/gone", "the server says 404"),
        ("/short", "ended after 1,000 of 128,000 bytes|cannot be reached"),
        ("/huge", "10,000,000,000,000 bytes; files of its kind are read up to 1,000,000"),
        ("/endless", "more than 1,000,000 bytes"),
        ("/away", "leads on to http://example.com/x, which is not https"),
    ],
)
def test_bad_answers_leave_nothing(server, path, message):
    with pytest.raises(UserError, match=message):
        download(server + path, SHA256, limit=1_000_000)
    assert cached() == []


def test_another_file_is_refused(server):
    with pytest.raises(UserError, match=f"its SHA-256 is {SHA256}, wanted {'0' * 64}"):
        download(f"{server}/good", "0" * 64)
    assert cached() == []


def test_a_server_that_is_not_there(server, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 1)
    with pytest.raises(UserError, match="cannot be reached .*Fix: try again"):
        download("http://127.0.0.1:1/x", SHA256)


@pytest.mark.parametrize("digest", [None, "", "abc", "g" * 64, SHA256[:-1]])
def test_no_digest_no_file(server, digest):
    with pytest.raises(UserError, match="its SHA-256 is needed"):
        download(f"{server}/good", digest)
    assert not Handler.asked


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "https://", "http://127.0.0.1.evil.org/x",
            "http://[::1/x"]
)  # fmt: skip
def test_only_https(url, server):
    with pytest.raises(UserError, match="not an https address"):
        download(url, SHA256)


def test_where_the_cache_is(monkeypatch):
    monkeypatch.delenv("FFGAN_TF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/ffgan_tf")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "ffgan_tf"
