from __future__ import annotations

import pytest

from pytest_keepalive._reports._quotation import quoted


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("response = client.get(url)", "response = client.get(url)"),
        ('get(f"{base}/cities/{city}?page={page}")', 'get(f"{base}/cities/{city}?page={page}")'),
        ('get("/search?q=hunter2&page=2")', 'get("/search?q=...&page=...")'),
        ('get("http://me:hunter2@host/")', 'get("http://host/")'),
        ('get(url, auth=("me", "hunter2"))', 'get(url, auth=("...", "..."))'),
        ("get(url, token='hunter2', times=3)", "get(url, token='...', times=3)"),
        ('get(url, {"Authorization": "Bearer hunter2"})', 'get(url, {"Authorization": "..."})'),
        ("get(url, {'X-Api-Key': 'hunter2", "get(url, {'X-Api-Key': '...'"),
        ('session_cookie = "hunter2"', 'session_cookie = "..."'),
        ('send(b"Authorization: Bearer hunter2")', 'send(b"Authorization:...")'),
        ('get("/#token=hunter2&x", "hunter2", 1)', 'get("/#token=...", "...", 1)'),
        ('get("/", data="pwd=hunter2", n=1)', 'get("/", data="pwd=...", n=1)'),
        ('get("/a", headers={"X-A": "hunter2"})', 'get("/a", headers={"...": "..."})'),
        ('get("/a", params={"q": "hunter2"})', 'get("/a", params={"...": "..."})'),
        ('get("http://me:hun@ter2@host/")', 'get("http://host/")'),
        ("if token == 'x': get(url)", "if token == 'x': get(url)"),
        ('get(url, password=b"hun\\"ter2")', 'get(url, password=b"...")'),
    ],
)
def test_a_line_is_quoted_without_its_secrets(source: str, shown: str) -> None:
    assert quoted(source, 80) == shown


def test_a_long_line_is_cut() -> None:
    assert quoted("x" * 100, 10) == "xxxxxxxxx…"
    assert quoted("x" * 10, 10) == "x" * 10


def test_a_secret_is_taken_out_before_the_line_is_cut() -> None:
    assert "hunter" not in quoted('get("/?q=hunter2hunter2")', 16)
