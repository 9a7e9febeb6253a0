"""Hosts and origins: what a browser sends for our page, for another site's, and for a name made to point at us."""

import pytest

from ffgan_tf.serving.guard import Guard, host_name, is_loopback

OURS = {"Host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    "header, name",
    [
        ("127.0.0.1:8000", "127.0.0.1"),
        ("LocalHost", "localhost"),
        ("localhost.:80", "localhost"),
        ("[::1]:8000", "::1"),
        ("[::1]", "::1"),
        ("", ""),
        ("localhost:80@evil.example", ""),
        ("[::1", ""),
        ("[::1]evil", ""),
        ("localhost:x", ""),
    ],
)
def test_the_name_of_a_host_header(header, name):
    assert host_name(header) == name


@pytest.mark.parametrize(
    "bound, allowed, host, fine",
    [
        ("127.0.0.1", (), "127.0.0.1:8000", True),
        ("127.0.0.1", (), "localhost:8000", True),
        ("127.0.0.1", (), "[::1]:8000", True),
        ("127.0.0.1", (), "evil.example:8000", False),
        ("127.0.0.1", (), "localhost.evil.example", False),
        ("127.0.0.1", (), "", False),
        ("127.0.0.1", (), "192.168.1.7:8000", False),
        ("127.0.0.1", ("images.example.org",), "images.example.org", True),
        ("127.0.0.1", ("images.example.org",), "x.images.example.org", False),
        ("0.0.0.0", (), "192.168.1.7:8000", True),
        ("0.0.0.0", (), "[fe80::1]:8000", True),
        ("0.0.0.0", (), "evil.example:8000", False),
        ("myhost", (), "myhost:8000", True),
    ],
)
def test_hosts(bound, allowed, host, fine):
    complaint = Guard(bound, allowed).complaint("GET", {"Host": host})
    assert (complaint is None) == fine
    assert fine or complaint.startswith("Host:")


@pytest.mark.parametrize(
    "headers, fine",
    [
        ({}, True),  # curl
        ({"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://127.0.0.1:9000"}, False),
        ({"Origin": "http://localhost:8000"}, False),  # another origin to a browser
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, True),
    ],
)
def test_origins_of_a_post(headers, fine):
    assert (Guard().complaint("POST", OURS | headers) is None) == fine
    assert Guard().complaint("GET", OURS | headers) is None


def test_behind_a_server_that_speaks_tls():
    guard = Guard(allowed=["images.example.org"])
    headers = {"Host": "images.example.org", "Origin": "https://images.example.org"}
    assert guard.complaint("POST", headers) is None


@pytest.mark.parametrize(
    "host, loopback",
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x", False)],
)
def test_loopback(host, loopback):
    assert is_loopback(host) == loopback
