"""Clients without Python's sockets, under ``--keepalive-watch=kernel``.

Each runs in a pytest of its own, since the watch cannot be taken off a process again.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

SHARED_AND_EACH = {
    "pycurl": (
        "import pycurl\nc = pycurl.Curl()\nc.setopt(c.URL, url)\n"
        "c.setopt(c.WRITEFUNCTION, lambda data: None)\nfor _ in range(5): c.perform()",
        "import pycurl\nfor _ in range(5):\n    c = pycurl.Curl()\n    c.setopt(c.URL, url)\n"
        "    c.setopt(c.WRITEFUNCTION, lambda data: None)\n    c.perform()\n    c.close()",
    ),
    "curl_cffi": (
        "from curl_cffi import requests\nwith requests.Session() as s:\n"
        "    for _ in range(5): s.get(url)",
        "from curl_cffi import requests\nfor _ in range(5): requests.get(url)",
    ),
    "pyreqwest": (
        "from pyreqwest.client import SyncClientBuilder\n"
        "with SyncClientBuilder().build() as c:\n"
        "    for _ in range(5): c.get(url).build().send().text()",
        "from pyreqwest.client import SyncClientBuilder\nfor _ in range(5):\n"
        "    with SyncClientBuilder().build() as c: c.get(url).build().send().text()",
    ),
    "primp": (
        "import primp\nc = primp.Client()\nfor _ in range(5): c.get(url).text",
        "import primp\nfor _ in range(5): primp.Client().get(url).text",
    ),
    "uvloop": (
        "import asyncio, uvloop, aiohttp\nasync def main():\n"
        "    async with aiohttp.ClientSession() as s:\n        for _ in range(5):\n"
        "            async with s.get(url) as r: await r.read()\n"
        "with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner: runner.run(main())"
        if sys.version_info >= (3, 11)
        else "import asyncio, uvloop, aiohttp\nasync def main():\n"
        "    async with aiohttp.ClientSession() as s:\n        for _ in range(5):\n"
        "            async with s.get(url) as r: await r.read()\nuvloop.install()\n"
        "asyncio.run(main())",
        "import asyncio, uvloop\nasync def main():\n    for _ in range(5):\n"
        "        _, w = await asyncio.open_connection(host, port)\n"
        "        w.close()\n        await w.wait_closed()\n"
        "loop = uvloop.new_event_loop()\nloop.run_until_complete(main())\nloop.close()",
    ),
    "requests": (
        "import requests\nwith requests.Session() as s:\n    for _ in range(5): s.get(url)",
        "import requests\nfor _ in range(5): requests.get(url)",
    ),
}
# Its connects could escape the watch, so other processes of the namespace make it doubtful.
USES_IO_URING = frozenset(("uvloop",))
CROWD = """
import threading
import pycurl

def fetch():
    for _ in range(125):
        c = pycurl.Curl()
        c.setopt(c.URL, url)
        c.setopt(c.NOSIGNAL, 1)
        c.setopt(c.WRITEFUNCTION, lambda data: None)
        c.perform()
        c.close()

threads = [threading.Thread(target=fetch) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
# A channel keeps its connections to itself, where others share them with their equals.
GRPC = """
import grpc
from concurrent.futures import ThreadPoolExecutor

peers = set()

class Service(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, request, context):
        peers.add(context.peer())
        return request

def channel():
    alone = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(f"127.0.0.1:{port}", options=alone)

server = grpc.server(ThreadPoolExecutor(2), handlers=[Service()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
shared = channel()
for _ in range(5):
    used = shared if SHARED else channel()
    used.unary_unary("/a/b")(b"")
seen = connection_counter
print("ALONE", seen.count, len(peers), seen.connections[0].exchanges_seen, seen.exact)
server.stop(None)
return
"""
LIBPQ = """
import psycopg
from tests.systems.counting_server import CountingServer
from tests.systems.test_native_clients import postgres

with CountingServer(postgres) as server:
    def connect():
        options = {"sslmode": "disable", "gssencmode": "disable", "user": "u", "dbname": "d"}
        return psycopg.connect(host="127.0.0.1", port=server.port, autocommit=True, **options)

    shared = connect()
    for _ in range(5):
        used = shared if SHARED else connect()
        used.execute("select 1")
        if not SHARED:
            used.close()
    seen = connection_counter
    print("ALONE", seen.count, server.accepted, seen.connections[0].exchanges_seen, seen.exact)
    shared.close()
return
"""


def postgres(received: bytes) -> bytes:
    """Answer a startup, a simple query and a termination of PostgreSQL's protocol."""
    if received.startswith(b"X"):
        return b""
    ready = b"Z\0\0\0\5I"
    if received.startswith(b"Q"):
        return b"C\0\0\0\15SELECT 0\0" + ready
    encoding = b"client_encoding\0UTF8\0"
    status = b"S" + (len(encoding) + 4).to_bytes(4, "big") + encoding
    return b"R\0\0\0\10\0\0\0\0" + status + ready


# Against a server that is none of ours, so that only the client can tell of requests.
ELSEWHERE = """
from tests.watch.counting_server import CountingServer

with CountingServer() as elsewhere:
    url = elsewhere.url
{client}
    seen = connection_counter
    print("ELSEWHERE", seen.count, len(elsewhere.accepted), len(seen.exchanges),
        seen.connections[0].exchanges_seen)
return
"""


THROUGH_A_PROXY = """
import http.client
from pytest_keepalive import ConnectProxy
with ConnectProxy() as proxy:
    for _ in range(2):
        client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=5)
        client.set_tunnel(host, port)
        client.request("GET", "/")
        client.getresponse().read()
        client.close()
    proxy.wait_for_connections(2)
    assert proxy.accepted == 2
"""


def run_suite(pytester: pytest.Pytester, body: str, label: str = "COUNTS") -> list[str]:
    """Run a test with a body under the watch, and give what it printed behind a label."""
    if "pyreqwest" in body and find_spec("pyreqwest") is None:
        pytest.skip("pyreqwest needs Python 3.11")
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    pytester.makepyfile(
        "def test_client(keepalive_server, connection_counter):\n"
        "    url = keepalive_server.url\n"
        "    host, port = keepalive_server.host, keepalive_server.port\n"
        f"{indented}\n"
        "    seen = connection_counter\n"
        "    keepalive_server.wait_for_connections(seen.count)\n"
        "    print('COUNTS', seen.count, keepalive_server.accepted, len(seen.exchanges),\n"
        "        len(keepalive_server.requests), seen.exact)\n"
    )
    result = pytester.runpytest_subprocess(
        "-s", "-q", "-p", "no:randomly", "--keepalive-watch=kernel", "-W", "ignore", timeout=60
    )
    result.assert_outcomes(passed=1)
    (line,) = (line for line in result.outlines if label in line)
    return line.partition(f"{label} ")[2].split()


@pytest.mark.parametrize("client", SHARED_AND_EACH)
def test_a_shared_client_is_counted_as_the_server_does(
    pytester: pytest.Pytester, client: str
) -> None:
    count, accepted, exchanges, requests, exact = run_suite(pytester, SHARED_AND_EACH[client][0])
    assert count == accepted == "1"
    assert exchanges == requests == "5"
    assert exact == "True" or client in USES_IO_URING


@pytest.mark.parametrize("client", SHARED_AND_EACH)
def test_a_client_for_each_call_is_counted_as_the_server_does(
    pytester: pytest.Pytester, client: str
) -> None:
    count, accepted, exchanges, requests, exact = run_suite(pytester, SHARED_AND_EACH[client][1])
    assert count == accepted == "5"
    assert exchanges == requests
    assert exact == "True" or client in USES_IO_URING


def test_what_a_proxy_of_the_test_connects_is_no_clients(pytester: pytest.Pytester) -> None:
    count, accepted, exchanges, requests, exact = run_suite(pytester, THROUGH_A_PROXY)
    assert (count, accepted, exact) == ("2", "2", "True")
    assert exchanges == requests == "2"


def test_five_hundred_of_four_threads_are_five_hundred(pytester: pytest.Pytester) -> None:
    count, accepted, exchanges, requests, exact = run_suite(pytester, CROWD)
    assert count == accepted == "500"
    assert exchanges == requests == "500"
    assert exact == "True"


@pytest.mark.parametrize("client", SHARED_AND_EACH)
def test_five_hundred_short_connections_are_five_hundred(
    pytester: pytest.Pytester, client: str
) -> None:
    body = SHARED_AND_EACH[client][1].replace("range(5)", "range(500)")
    count, accepted, exchanges, requests, exact = run_suite(pytester, body)
    assert count == accepted == "500"
    assert exchanges == requests
    assert exact == "True" or client in USES_IO_URING


@pytest.mark.parametrize("body", [GRPC, LIBPQ], ids=["grpcio", "psycopg"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "each"])
def test_what_speaks_no_http_is_counted_too(
    pytester: pytest.Pytester, body: str, shared: bool
) -> None:
    told = run_suite(pytester, f"SHARED = {shared}\n{body}", "ALONE")
    # The shared one of the others is there too, and psycopg connects with it at once.
    expected = "1" if shared else "6" if body is LIBPQ else "5"
    assert told == [expected, expected, "False", "True"]


@pytest.mark.parametrize(("body", "extra"), [(GRPC, 0), (LIBPQ, 1)], ids=["grpcio", "psycopg"])
def test_five_hundred_that_speak_no_http_are_five_hundred(
    pytester: pytest.Pytester, body: str, extra: int
) -> None:
    many = body.replace("range(5)", "range(500)")
    told = run_suite(pytester, f"SHARED = False\n{many}", "ALONE")
    assert told == [str(500 + extra)] * 2 + ["False", "True"]


@pytest.mark.parametrize("case", range(2), ids=["shared", "each"])
def test_pycurl_tells_of_its_requests_to_any_server(pytester: pytest.Pytester, case: int) -> None:
    told = run_elsewhere(pytester, SHARED_AND_EACH["pycurl"][case])
    assert told == [["1", "1", "5", "True"], ["5", "5", "5", "True"]][case]


@pytest.mark.parametrize("case", range(2), ids=["shared", "each"])
@pytest.mark.parametrize("follows", [False, True], ids=["exact", "at-least"])
def test_pyreqwest_tells_of_its_requests_to_any_server(
    pytester: pytest.Pytester, case: int, follows: bool
) -> None:
    body = SHARED_AND_EACH["pyreqwest"][case]
    # Nobody sees the redirects that are followed, so there may be more of them.
    body = body.replace("Builder()", f"Builder().follow_redirects({follows})")
    told = run_elsewhere(pytester, body)
    assert told == [["1", "1", "5"], ["5", "5", "5"]][case] + [str(not follows)]


def test_requests_that_nobody_tells_of_are_not_seen(pytester: pytest.Pytester) -> None:
    told = run_elsewhere(pytester, SHARED_AND_EACH["primp"][0])
    assert told == ["1", "1", "0", "False"]


def run_elsewhere(pytester: pytest.Pytester, body: str) -> list[str]:
    client = "\n".join(f"    {line}" for line in body.splitlines())
    return run_suite(pytester, ELSEWHERE.format(client=client), "ELSEWHERE")
