"""Who may ask: the checks of Host and Origin, and the headers that restrict a browser. Needs no HTTP library.

A page of another site may send requests to 127.0.0.1 from its visitor's browser. Two checks stop that: the `Host`
header must be a name of ours (else the site's own name, made to point at 127.0.0.1, would make it same-origin: DNS
rebinding), and a POST must come from our own page or from no page at all.
"""

import ipaddress
from collections.abc import Mapping, Sequence

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",  # an image must never come from a cache of another step or run
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_name(header: str) -> str:
    """The name in a Host header, in lower case, without port and brackets; "" where it is none."""
    name, bracket, rest = header[1:].partition("]") if header.startswith("[") else header.partition(":")
    port = rest[1:] if header.startswith("[") and rest else rest
    if header.startswith("[") and (not bracket or rest[:1] not in ("", ":")):
        return ""
    return name.lower().rstrip(".") if not port or (port.isascii() and port.isdigit()) else ""


class Guard:
    """The names under which the server may be asked: loopback's, those of `allowed`, and `bound`, where it listens.

    Where it listens on more than this machine, every numeric address may be the Host, too: a name is what DNS rebinding
    needs.
    """

    def __init__(self, bound: str = "127.0.0.1", allowed: Sequence[str] = ()):
        self._names = {*LOOPBACK, bound.lower(), *(name.lower().rstrip(".") for name in allowed)}
        self._numeric = not is_loopback(bound)

    def complaint(self, method: str, headers: Mapping[str, str]) -> str | None:
        """What is wrong with a request's headers, to be answered with 403; None if nothing is."""
        header = headers.get("Host", "")
        if not self._knows(host_name(header)):
            return "Host: not a name of this server. Fix: python -m ffgan_tf.serve --allow_host=NAME"
        if method in ("GET", "HEAD", "OPTIONS"):
            return None
        origin = headers.get("Origin")
        if origin is not None and origin.partition("://")[2].lower() != header.lower():
            return "Origin: another site's pages may not ask this server."
        if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return "Sec-Fetch-Site: another site's pages may not ask this server."
        return None

    def _knows(self, name: str) -> bool:
        if name in self._names:
            return True
        if not self._numeric:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
