"""A model file from the internet: over https, known by its SHA-256, kept in a cache folder. Needs no TensorFlow."""

import hashlib
import http.client
import os
import re
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import expand_home, fsync_dir, sha256_file
from ffgan_tf.utils.progress import Progress
from ffgan_tf.utils.reading import LIMITS

LIMIT = LIMITS["arrays"]
TIMEOUT, MOST_SECONDS = 30, 3600  # of silence, and in all
OTHER = "Fix: check the address."
LOOPBACK = ("127.0.0.1", "::1")  # nobody between: http is as good there


def cache_folder() -> Path:
    """Where downloads are kept: `FFGAN_TF_CACHE`, or `~/.cache/ffgan_tf` (of `XDG_CACHE_HOME`)."""
    if folder := os.environ.get("FFGAN_TF_CACHE"):
        return expand_home(folder)
    return expand_home(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "ffgan_tf"


def is_url(text: str) -> bool:
    """Whether `text` is meant as a URL, not as a path."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text))


def download(url: str, sha256: str | None = None, limit: int = LIMIT) -> Path:
    """The file of `url` in the cache folder, downloaded unless it is there; its SHA-256 is checked either way.

    The digest comes as `sha256` or behind the URL, as `…#sha256=HEX`. Only https, redirects included; http from
    127.0.0.1 and [::1] alone. Nothing incomplete, wrong or longer than `limit` bytes stays. Raises UserError for all of
    that, and where the server cannot be reached.
    """
    url, _, fragment = url.partition("#")
    wanted = (sha256 or fragment.removeprefix("sha256=")).lower()
    if not re.fullmatch("[0-9a-f]{64}", wanted):
        raise UserError(
            f"{url}: its SHA-256 is needed, 64 hex digits: what comes over the internet is known by its digest alone. "
            f'Fix: sha256="…", or {url}#sha256=…; who published the file says it.'
        )
    if not _scheme(url):
        raise UserError(
            f"{url}: not an https address. Fix: https://…, or download the file yourself and name its path."
        )
    path = cache_folder() / "models" / f"{wanted}.safetensors"
    if path.is_file() and sha256_file(path) == wanted:
        return path
    with report_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
            try:
                found = _fetch(url, file, limit)
                if found != wanted:
                    raise UserError(
                        f"{url}: its SHA-256 is {found}, wanted {wanted}: another file, or a damaged one. Fix: compare "
                        "both with what the publisher says."
                    )
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
        fsync_dir(path.parent)
    return path


def _scheme(url: str) -> str:
    """`https`, or `http` of this machine itself; "" for any other address."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return ""
    secure = parts.scheme == "https" and parts.hostname
    return parts.scheme if secure or parts.scheme == "http" and parts.hostname in LOOPBACK else ""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects from https to https alone."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if _scheme(newurl) not in ("https", _scheme(req.full_url)):
            raise UserError(f"{req.full_url}: leads on to {newurl}, which is not https. Fix: ask who published it.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, file, limit: int) -> str:
    """Writes the body of `url` to `file`; its hex SHA-256. Raises UserError where it does not come or is too long."""
    handlers: list[urllib.request.BaseHandler] = [_SafeRedirects()]
    if urllib.parse.urlsplit(url).hostname in LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))  # a proxy elsewhere does not know this machine's servers
    request = urllib.request.Request(url, headers={"User-Agent": "ffgan_tf"})
    digest, done, began = hashlib.sha256(), 0, time.monotonic()
    fix = "Fix: try again, or download the file yourself and name its path."
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT) as answer:
            length = answer.headers.get("Content-Length")
            announced = int(length) if length and length.isdecimal() else None
            if (announced or 0) > limit:
                raise UserError(f"{url}: {announced:,} bytes; files of its kind are read up to {limit:,}. {OTHER}")
            progress = Progress(f"downloading {url}", announced or 0, "bytes")
            while block := answer.read(1 << 16):
                done += len(block)
                if done > limit:
                    raise UserError(f"{url}: more than {limit:,} bytes; files of its kind are read up to that. {OTHER}")
                if time.monotonic() - began > MOST_SECONDS:
                    raise UserError(f"{url}: not here after {MOST_SECONDS:,} seconds. {fix}")
                digest.update(block)
                file.write(block)
                progress.update(done)
        if announced is not None and done != announced:
            raise UserError(f"{url}: ended after {done:,} of {announced:,} bytes. {fix}")
        if sys.stderr.isatty():
            progress.close()
    except urllib.error.HTTPError as error:
        raise UserError(f"{url}: the server says {error.code} {error.reason}. {OTHER}") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"{url}: cannot be reached ({reason or type(error).__name__}). {fix}") from None
    return digest.hexdigest()
