"""Load and garbage for the page's server:   python benchmarks/serve.py --run=runs/demo

Starts `python -m ffgan_tf.serve` on this machine and asks nobody else. Load: --clients at once for --minutes, each with
one request after the other; every PNG is compared, byte for byte, with what `generate` and `png_bytes` make. Garbage:
--garbage random and malformed requests; none may be a 500, and the server's memory may not grow. Prints the figures.
"""

import base64
import collections
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import flags

ROOT = Path(os.path.abspath(__file__)).parents[1]
sys.path.insert(0, str(ROOT))

import ffgan_tf
from ffgan_tf.config.commands import run_command
from ffgan_tf.serving.requests import MOST_BYTES
from ffgan_tf.serving.service import EXAMPLES
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.image_files import png_bytes

KINDS = 40  # different requests of the load
COUNTS = (1, 1, 2, 4)  # images of a request


def define_flags() -> None:
    flags.DEFINE_string("run", "", "Folder of a trained run.")
    flags.DEFINE_integer("clients", 50, "Clients at once.", lower_bound=1, upper_bound=56)
    flags.DEFINE_float("minutes", 2.0, "How long they ask; 0: no load.", lower_bound=0, upper_bound=60)
    flags.DEFINE_integer("garbage", 1000, "Random and malformed requests; 0: none.", lower_bound=0, upper_bound=100_000)


class Server:
    """The server's process."""

    def __init__(self, run: str):
        command = [sys.executable, "-m", "ffgan_tf.serve", f"--run={run}", "--port=0"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if found := re.match(r"http://127\.0\.0\.1:(\d+)/", line):
                self.port = int(found[1])
                return
        raise UserError("the server did not start; its message is above.")

    def memory(self) -> float:
        """MiB that the process holds."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s*(\d+) kB", text)[1]) / 1024

    def cpu(self) -> float:
        """CPU seconds that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def started(run: str) -> Iterator[Server]:
    """A server that is asked to stop on leaving."""
    server = Server(run)
    try:
        yield server
    finally:
        server.process.send_signal(signal.SIGTERM)
        print(f"stopped with exit code {server.process.wait(30)}")


# --- load


def known(model: "ffgan_tf.TextToImage") -> list[str]:
    """Sentences of which the run knows every word."""
    texts = [text for text in EXAMPLES if not model.vocabulary.encode(text)[1]]
    if len(texts) < 2:
        raise UserError(
            "the run knows the words of fewer than two of the page's examples. Fix: a run on birds or flowers."
        )
    return texts


def requests_and_replies(model: "ffgan_tf.TextToImage") -> list[tuple[bytes, list[bytes]]]:
    """Bodies of requests, and the PNGs that must come back for each."""
    texts = known(model)
    rng, found = np.random.default_rng(1), []
    for kind in range(KINDS):
        chosen = [texts[i] for i in rng.choice(len(texts), 1 + kind % 2, replace=False)]
        count, seed, truncation = int(rng.choice(COUNTS)), int(rng.integers(2**62)), float(rng.choice([0, 0.5, 1.3]))
        body = {"texts": chosen, "count": count, "seed": seed, "truncation": truncation}
        images = model.generate(chosen, count, seed, truncation)
        pngs = [
            png_bytes(
                images[i * count + n],
                {
                    "Software": f"ffgan_tf {ffgan_tf.__version__}",
                    "run": model.name,
                    "step": model.step,
                    "ema": True,
                    "text": text,
                    "seed": seed,
                    "number": n,
                    "truncation": truncation,
                },
            )
            for i, text in enumerate(chosen)
            for n in range(count)
        ]
        found.append((json.dumps(body).encode(), pngs))
    return found


def own_speed(model: "ffgan_tf.TextToImage", seconds: float = 10) -> tuple[float, float]:
    """Images a second of the sampler alone, and its CPU seconds an image, those of all cores."""
    sentence = known(model)[0]
    model.generate(sentence, 8)
    images, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        images += len(model.generate(sentence, 16, seed=images))
    return images / (time.perf_counter() - began), (time.process_time() - cpu) / images


def load(server: Server, kinds: list[tuple[bytes, list[bytes]]], clients: int, minutes: float) -> dict:
    """What the clients saw: seconds of the replies, images, counts of what went wrong, refusals for want of room."""
    seen = {"seconds": [], "images": 0, "wrong": 0, "lost": 0, "busy": 0}
    lock, until = threading.Lock(), time.monotonic() + 60 * minutes

    def client(number: int) -> None:
        rng = np.random.default_rng(100 + number)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        while time.monotonic() < until:
            body, pngs = kinds[int(rng.integers(len(kinds)))]
            began = time.perf_counter()
            try:
                connection.request("POST", "/v1/generate", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):
                with lock:
                    seen["lost"] += 1
                connection.close()
                continue
            took = time.perf_counter() - began
            if response.status == 503:
                with lock:
                    seen["busy"] += 1
                time.sleep(min(5, int(response.headers["Retry-After"])))
                continue
            right = response.status == 200 and pngs == [
                base64.b64decode(image["png"])
                for result in json.loads(content)["results"]
                for image in result["images"]
            ]
            with lock:
                seen["seconds"].append(took)
                seen["images"] += len(pngs)
                seen["wrong"] += not right
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen | {"took": time.perf_counter() - began}


def report_load(seen: dict, own: list[tuple[float, float]], cpu: float) -> None:
    seconds = sorted(seen["seconds"])
    speed = seen["images"] / seen["took"]
    (before, cpu_before), (after, cpu_after) = own
    own_cpu = (cpu_before + cpu_after) / 2
    print(
        f"{len(seconds)} replies with {seen['images']} images in {seen['took']:.0f} s: {seen['wrong']} wrong, "
        f"{seen['lost']} lost, {seen['busy']} times 503\n"
        f"seconds a reply: p50 {statistics.median(seconds):.2f}, p95 {seconds[int(0.95 * len(seconds))]:.2f}, "
        f"longest {seconds[-1]:.2f}\n"
        f"{speed:.1f} images/s; the sampler alone {before:.1f} before and {after:.1f} after: "
        f"{100 * speed / ((before + after) / 2):.0f} %\n"
        f"CPU an image: the server's {1000 * cpu / seen['images']:.1f} ms, the sampler's {1000 * own_cpu:.1f} ms: "
        f"{100 * own_cpu * seen['images'] / cpu:.0f} % go into images"
    )


# --- garbage

VALUES = (
    None, True, -1, 0, 1, 64, 65, 2**63, 10**400, 0.5, -0.0, 1e308, "", "a bird", "a" * 501, "\x00", "\ud800",
    "💥" * 200, "<script>", [], [[]], ["a bird"], ["a bird"] * 17, [None], {}, {"a": {}}, "../../etc/passwd",
)  # fmt: skip
NAMES = ("texts", "text", "count", "seed", "number", "truncation", "run", "ticket", "", "ﬀ", "__proto__")
PATHS = (
    "/v1/generate", "/v1/generate", "/v1/attention", "/v1/attention", "/v1/queue?ticket=%00", "/v1/run?run=%ff", "/",
    "/static/..%2f..%2fapp.py", "/static/%00", "//evil.example/", "/v1/generate/", "/openapi.json", "/healthz", "/*",
)  # fmt: skip
METHODS = ("POST", "POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH")


def well_formed(rng: np.random.Generator) -> bytes:
    """A request that HTTP allows, with a body that is mostly nonsense."""

    def one(values):
        return values[int(rng.integers(len(values)))]

    kind = rng.integers(5)
    if kind < 3:
        fields = {one(NAMES): one(VALUES) for _ in range(int(rng.integers(6)))}
        if kind == 2:  # right but for one field
            fields = {"texts": ["a bird"], one(NAMES): one(VALUES)}
        body = json.dumps(fields, ensure_ascii=bool(rng.integers(2))).encode("utf-8", "surrogatepass")
    elif kind == 3:
        body = rng.bytes(int(rng.integers(0, MOST_BYTES + 2000)))
    else:
        body = one((b"[" * 9000, b'{"texts":' * 900, b"", b"NaN", b'{"seed":' + b"9" * 9000 + b"}", b"\xef\xbb\xbf{}"))
    headers = {
        "Host": one(("127.0.0.1", "localhost:1", "evil.example", "", "[::1]")) if rng.integers(4) == 0 else "127.0.0.1",
        "Content-Type": "application/json" if rng.integers(5) else one(("text/plain", "x", "application/json; q=\xff")),
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    if rng.integers(5) == 0:
        headers["Origin"] = one(("null", "http://127.0.0.1", "https://evil.example", "\x7f"))
    if rng.integers(8) == 0:
        headers["X-Forwarded-For"] = one(("1.2.3.4", "\xff", "a" * 3000))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{one(METHODS)} {one(PATHS)} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def malformed(rng: np.random.Generator) -> bytes:
    """Bytes that are no HTTP, or HTTP with bytes changed, cut or repeated."""
    content = bytearray(well_formed(rng))
    kind = rng.integers(5)
    if kind == 0:
        return rng.bytes(int(rng.integers(1, 3000)))
    if kind == 1:
        for place in rng.integers(0, min(len(content), 300), 5):
            content[place] = int(rng.integers(256))
        return bytes(content)
    if kind == 2:
        return bytes(content[: int(rng.integers(1, len(content)))])
    if kind == 3:
        return bytes(content).replace(b"Content-Length: ", b"Content-Length: -9", 1)
    return bytes(content).replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nX", 1)


def send(port: int, content: bytes, seconds: float) -> str:
    """The status that comes back; `none` where nothing does in time, or the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(content)
            answer = connection.recv(64)
        except OSError:
            return "none"
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return found[1].decode() if found else "none"


def garbage(server: Server, number: int) -> None:
    """Sends it, and prints the statuses and the memory before, half-way and after."""
    rng = np.random.default_rng(2)
    statuses = {"well-formed": collections.Counter(), "malformed": collections.Counter()}
    memory = [server.memory()]
    for i in range(number):
        broken = rng.integers(3) == 0  # and so perhaps without an end that the server could answer
        content = malformed(rng) if broken else well_formed(rng)
        statuses["malformed" if broken else "well-formed"][send(server.port, content, 2 if broken else 120)] += 1
        if i + 1 in (number // 2, number):
            memory.append(server.memory())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/healthz")
    alive = connection.getresponse().status
    for kind, found in statuses.items():
        counts = ", ".join(f"{count} × {status}" for status, count in sorted(found.items()))
        print(f"{found.total()} {kind}: {counts}")
    print(f"then healthz {alive}")
    print(f"memory MiB: before {memory[0]:.0f}, half-way {memory[1]:.0f}, after {memory[-1]:.0f}")


def main(argv: list[str]) -> int:
    del argv
    values = flags.FLAGS
    with started(values.run) as server:
        if values.minutes:
            model = ffgan_tf.load(values.run)
            kinds, own = requests_and_replies(model), [own_speed(model)]
            before, cpu = server.memory(), server.cpu()
            seen = load(server, kinds, values.clients, values.minutes)
            after, cpu = server.memory(), server.cpu() - cpu
            own.append(own_speed(model))
            report_load(seen, own, cpu)
            print(f"memory MiB: before {before:.0f}, after {after:.0f}")
        if values.garbage:
            garbage(server, values.garbage)
    return 0


if __name__ == "__main__":
    run_command(main, define_flags, required=["run"])
