"""waitress around the application: where it listens, how much it takes at once, how it stops."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator

import waitress
from flask import Flask

from ffgan_tf.serving.requests import MOST_BYTES
from ffgan_tf.utils.errors import UserError

THREADS = 64  # a request that waits for images holds one
SPARE = 8  # kept for those that do not wait: the page, the queue's state, health
STOP_SECONDS = 5  # for replies under way when the server is asked to stop


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address, port 0 for any free one. Raises UserError where it is taken or not ours."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise UserError(
            f"--host={host}: no address of this machine ({error.strerror}). Fix: --host=127.0.0.1"
        ) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(1)  # a second server on this port fails now, before its models are loaded
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{host}:{port}: cannot listen there ({reason}). Fix: --port=0 takes a free one.") from None
    return bound


def url_of(bound: socket.socket) -> str:
    """The address for a browser on this machine."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@contextlib.contextmanager
def serving(app: Flask, bound: socket.socket) -> Iterator[threading.Thread]:
    """Serves in a thread of its own while inside; on leaving, replies under way get STOP_SECONDS to be sent."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns when all threads wait, as they may
    server = waitress.create_server(
        app,
        sockets=[bound],
        threads=THREADS,
        ident="ffgan_tf",
        connection_limit=500,
        channel_timeout=60,  # a client that sends nothing for so long loses its connection
        max_request_body_size=MOST_BYTES,
        max_request_header_size=MOST_BYTES,
        expose_tracebacks=False,
        # Off: an address must not choose what the program believes about its client.
        clear_untrusted_proxy_headers=True,
    )
    thread = threading.Thread(target=server.run, name="waitress", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        dispatcher, until = server.task_dispatcher, time.monotonic() + STOP_SECONDS
        server.accepting = False
        while (dispatcher.active_count or _unsent(server)) and time.monotonic() < until:
            time.sleep(0.05)
        dispatcher.shutdown(timeout=1)


def _unsent(server) -> int:
    """Bytes of replies that waitress has not sent yet."""
    return sum(channel.total_outbufs_len for channel in list(server.active_channels.values()))
