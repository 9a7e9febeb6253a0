"""The Flask application: routes, errors as JSON, and the page's files. What is answered comes from `service`."""

import json
from importlib import resources
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ffgan_tf.serving import openapi
from ffgan_tf.serving import requests as asked
from ffgan_tf.serving.guard import HEADERS, Guard
from ffgan_tf.serving.requests import Refused
from ffgan_tf.serving.service import Service
from ffgan_tf.serving.worker import Busy, Stopped

TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def page_files() -> dict[str, tuple[bytes, str]]:
    """{name: (bytes, type)} of the page, read once: a request's path chooses among them, and never opens a file."""
    folder = resources.files("ffgan_tf.serving") / "static"
    found = {}
    for entry in folder.iterdir():
        kind = TYPES.get("." + entry.name.rpartition(".")[2])
        if kind and entry.is_file():
            found[entry.name] = (entry.read_bytes(), f"{kind}; charset=utf-8")
    return found


def reply(found: dict[str, Any], status: int = 200, **headers: str) -> Response:
    """An object as a response in JSON."""
    response = Response(json.dumps(found, allow_nan=False), status, mimetype="application/json")
    response.headers.update(headers)
    return response


def error_reply(error: Exception) -> Response:
    """An error as a response in JSON. Raises any other error again: it is a fault of the program, and so a 500."""
    if isinstance(error, Refused):
        return reply({"error": str(error)} | error.fields, error.status)
    if isinstance(error, (Busy, Stopped)):
        seconds = error.seconds if isinstance(error, Busy) else 10
        message = str(error) or "the server is stopping. Fix: ask again when it is back."
        return reply({"error": message, "retry_after": seconds}, 503, **{"Retry-After": str(seconds)})
    if isinstance(error, HTTPException):
        if error.code is None or error.code < 400:  # a redirect
            return Response(status=404)
        return reply({"error": error.name.lower() + "."}, error.code, **_allow(error))
    raise error


def _allow(error: HTTPException) -> dict[str, str]:
    methods = getattr(error, "valid_methods", None)
    return {"Allow": ", ".join(sorted(methods))} if methods else {}


def body() -> dict[str, Any]:
    """The request's JSON. Raises Refused."""
    if request.mimetype != "application/json":  # a page of another site cannot send this type without asking first
        raise Refused(415, "Content-Type: must be application/json.")
    return asked.read_json(request.get_data(cache=False))


def create_app(service: Service, guard: Guard | None = None) -> Flask:
    """The application, for a WSGI server or for `test_client()`."""
    app = Flask("ffgan_tf.serving", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = asked.MOST_BYTES
    guard = guard or Guard()
    files, description = page_files(), openapi.document()

    @app.before_request
    def check():
        if complaint := guard.complaint(request.method, request.headers):
            return reply({"error": complaint}, 403)
        return None

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        try:
            return error_reply(error)
        except Exception:
            app.logger.exception("%s %s", request.method, request.path)
            return reply({"error": "a fault of the program; the server's output has it."}, 500)

    @app.get("/")
    @app.get("/static/<name>")
    def page(name: str = "index.html"):
        if name not in files:
            raise Refused(404, "no such file.")
        content, kind = files[name]
        return Response(content, content_type=kind)

    @app.post("/v1/generate")
    def generate():
        return reply(service.generate(asked.generate_request(body(), service.runs)))

    @app.post("/v1/attention")
    def attention():
        return reply(service.attention(asked.attention_request(body(), service.runs)))

    @app.get("/v1/runs")
    def runs():
        return reply({"runs": [service.describe(name) for name in service.runs]})

    @app.get("/v1/run")
    def run():
        return reply(service.describe(asked.run_name(request.args.get("run"), service.runs)))

    @app.get("/v1/vocabulary")
    def vocabulary():
        return reply(service.vocabulary(asked.run_name(request.args.get("run"), service.runs)))

    @app.get("/v1/queue")
    def queue():
        return reply(service.queue(request.args.get("ticket")))

    @app.get("/healthz")
    def healthz():
        return reply({"status": "ok"})

    @app.get("/openapi.json")
    def describe():
        return reply(description)

    return app
