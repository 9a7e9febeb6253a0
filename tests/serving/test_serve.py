"""`python -m ffgan_tf.serve` as users start it: many clients at once, refusals by waitress, stopping, mistakes."""

import base64
import http.client
import importlib.util
import io
import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from runs import ROOT
from runs import run as run_command

from ffgan_tf import serve as serve_command
from ffgan_tf.serving import server as serving_server
from ffgan_tf.serving.requests import MOST_BYTES
from ffgan_tf.utils.errors import UserError

pytestmark = pytest.mark.slow  # a process that imports TensorFlow


def request(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        headers = {"Content-Type": "application/json", **headers}
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


@pytest.fixture(scope="module")
def server(serve, run):
    return serve(run)


def test_many_clients_get_their_own_images(server, model):
    sentences = ["a red bird", "a blue bird with a wing", "number", "a purple bird number 5"]
    wanted = [([sentences[i % 4]], 1 + i % 3, i, (0.0, 0.6)[i % 2]) for i in range(12)]

    def ask(texts, count, seed, truncation):
        fields = {"texts": texts, "count": count, "seed": seed, "truncation": truncation}
        status, body, _ = request(server.port, "POST", "/v1/generate", json.dumps(fields))
        assert status == 200
        pngs = [base64.b64decode(image["png"]) for image in json.loads(body)["results"][0]["images"]]
        return np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda arguments: ask(*arguments), wanted))
    for images, arguments in zip(found, wanted):
        np.testing.assert_array_equal(images, model.generate(*arguments))


def test_what_waitress_answers_itself(server):
    assert request(server.port, "POST", "/v1/generate", b"x" * (MOST_BYTES + 1))[0] == 413
    assert request(server.port, "GET", "/", X_Long="x" * (2 * MOST_BYTES))[0] == 431
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")
    assert request(server.port, "GET", "/", Host="evil.example")[0] == 403
    status, page, headers = request(server.port, "GET", "/")
    assert status == 200 and b"<title>FF-GAN" in page and headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_port_that_is_taken_is_told_before_tensorflow(server, run):
    done = run_command("serve", f"--run={run}", f"--port={server.port}")
    assert done.returncode == 2 and f"error: 127.0.0.1:{server.port}: cannot listen there" in done.stderr
    assert "Fix: --port=0" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(serve, run, number):
    server = serve(run)
    with socket.create_connection(("127.0.0.1", server.port)):  # an idle connection does not hold it up
        code, printed = server.stop(number)
    assert (code, printed) == (0, f"{number.name}: stopping\n")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_requests_under_way_are_answered_at_the_stop(serve, run):
    server = serve(run)
    fields = json.dumps({"texts": ["a bird"], "count": 64})
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(request, server.port, "POST", "/v1/generate", fields) for _ in range(4)]
        while not json.loads(request(server.port, "GET", "/v1/queue")[1])["waiting"]:
            pass
        code, _ = server.stop(signal.SIGTERM)
        statuses = [each.result()[0] for each in asked]
    assert code == 0 and set(statuses) <= {200, 503} and 503 in statuses


def test_names_of_runs(run, tmp_path):
    odd = tmp_path / "a=b" / "tiny"
    odd.parent.mkdir()
    odd.symlink_to(run)
    assert serve_command.name_runs([str(odd), f"big={run}"]) == {"tiny": odd, "big": run}
    for given in ([run, odd], [f"tiny={run}", odd]):
        with pytest.raises(UserError, match="two are called 'tiny'. Fix: --run=NAME=DIR"):
            serve_command.name_runs([str(text) for text in given])
    with pytest.raises(UserError, match="none"):
        serve_command.name_runs([str(run), str(tmp_path / "none")])


def test_a_missing_extra_is_named(monkeypatch):
    serve_command.check_extra()
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "waitress" else found(name))
    with pytest.raises(UserError, match=r'^waitress: not installed. Fix: pip install "ffgan-tf\[serve\]"$'):
        serve_command.check_extra()


def test_mistakes_are_told_before_tensorflow(run, tmp_path):
    code = (
        "import sys; from ffgan_tf import serve; sys.argv[0] = 'x'\n"
        "try: serve.cli()\n"
        "except SystemExit as end: print(end.code, 'tensorflow' in sys.modules)"
    )
    for arguments, message in (
        ([], "error: --run is missing"),
        ([f"--run={tmp_path}", "--port=0"], f"error: {tmp_path}"),
        ([f"--run={run}", "--host=256.1.1.1"], "error: --host=256.1.1.1: no address of this machine"),
        ([f"--run={tmp_path}", "--queue=10"], "error: flag --queue=10"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.stdout == "2 False\n" and done.stderr.startswith(message), done.stderr


def test_addresses():
    with serving_server.listen("127.0.0.1", 0) as bound:
        assert serving_server.url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}/"
    with serving_server.listen("0.0.0.0", 0) as bound:
        assert serving_server.url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}/"
