"""What to change, in the words of each client's own API, or of the server that is known."""

from __future__ import annotations

from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._words import client_object
from pytest_keepalive._events import Adopted

_FOR_CLIENT: dict[tuple[Cause, str], str] = {
    (Cause.CLIENT_PER_REQUEST, "botocore"): "make one client with session.client() and share it",
    (Cause.CLIENT_PER_REQUEST, "http.client"): "keep the HTTPConnection and send again on it",
    (Cause.RESPONSE_NOT_RELEASED, "requests"): "read response.content, or use 'with' around it",
    (Cause.RESPONSE_NOT_RELEASED, "urllib3"): "call response.drain_conn(), or read the response",
    (Cause.RESPONSE_NOT_RELEASED, "httpx"): "use 'with client.stream(...)', or response.close()",
    (Cause.RESPONSE_NOT_RELEASED, "aiohttp"): "use 'async with session.get(...)', or await read()",
    (Cause.RESPONSE_NOT_RELEASED, "botocore"): "read the Body to its end, or close it",
    (Cause.BODY_NOT_READ, "requests"): "read response.content before response.close()",
    (Cause.BODY_NOT_READ, "httpx"): "call response.read() (or aread()) before leaving stream()",
    (Cause.BODY_NOT_READ, "httpx2"): "call response.read() (or aread()) before leaving stream()",
    (Cause.BODY_NOT_READ, "aiohttp"): "await response.read() before leaving 'async with'",
    (Cause.BODY_NOT_READ, "urllib3"): "call response.drain_conn() before response.close()",
    (Cause.BODY_NOT_READ, "http.client"): "call response.read() before the next request",
    (Cause.BODY_NOT_READ, "botocore"): "read the Body to its end before closing it",
    (Cause.POOL_FULL, "requests"): "mount HTTPAdapter(pool_maxsize=N) with N as the threads",
    (Cause.POOL_FULL, "urllib3"): "raise maxsize of the PoolManager, or set block=True",
    (Cause.POOL_FULL, "botocore"): "raise max_pool_connections in botocore.config.Config",
    (Cause.CLIENT_IDLE_EXPIRY, "httpx"): "raise Limits(keepalive_expiry=...)",
    (Cause.CLIENT_IDLE_EXPIRY, "httpx2"): "raise Limits(keepalive_expiry=...)",
    (Cause.CLIENT_IDLE_EXPIRY, "aiohttp"): "raise TCPConnector(keepalive_timeout=...)",
    (Cause.CLIENT_ASKED_TO_CLOSE, "aiohttp"): "drop force_close=True, and the Connection header",
    (Cause.CLIENT_ASKED_TO_CLOSE, "httpx"): (
        "raise Limits(max_keepalive_connections=...) above 0, and drop the Connection header"
    ),
    (Cause.POOL_EVICTED, "requests"): "mount HTTPAdapter(pool_connections=N) for N hosts",
    (Cause.POOL_EVICTED, "urllib3"): "raise num_pools of the PoolManager",
    (Cause.TLS_SETTINGS_DIFFER, "aiohttp"): "make one ssl.SSLContext and pass the same each time",
    (Cause.TLS_SETTINGS_DIFFER, "requests"): "set session.verify once, not verify= for each call",
    (Cause.STARTED_TOGETHER, "niquests"): (
        "send them from one thread or task with Session(multiplexed=True), then gather()"
    ),
    (Cause.PROXY_DIFFERS, "requests"): "set session.proxies once, not proxies= for each call",
    (Cause.EXPECT_CONTINUE, "botocore"): "let the server answer 100, or check before the upload",
}
# The beginning of a Server field, in lower case, and what that server's users can set.
_FOR_SERVER: dict[tuple[Cause, str], str] = {
    (Cause.SERVER_ASKED_TO_CLOSE, "werkzeug"): (
        "Werkzeug's own server never keeps connections: serve the app with uvicorn or waitress"
    ),
    (Cause.SERVER_ASKED_TO_CLOSE, "gunicorn"): (
        "the sync worker never keeps connections: gunicorn --worker-class gthread"
    ),
    (Cause.HTTP_1_0, "wsgiserver"): (
        "wsgiref's server never keeps connections: serve the app with waitress"
    ),
    (Cause.HTTP_1_0, "basehttp"): "set protocol_version = 'HTTP/1.1' on the request handler",
    (Cause.HTTP_1_0, "simplehttp"): "set protocol_version = 'HTTP/1.1' on the request handler",
    (Cause.REQUEST_LIMIT, "nginx"): "raise keepalive_requests of nginx",
    (Cause.REQUEST_LIMIT, "apache"): "raise MaxKeepAliveRequests of Apache",
    (Cause.SERVER_IDLE_TIMEOUT, "nginx"): "raise keepalive_timeout of nginx, or pause less",
    (Cause.SERVER_IDLE_TIMEOUT, "apache"): "raise KeepAliveTimeout of Apache, or pause less",
    (Cause.SERVER_IDLE_TIMEOUT, "uvicorn"): "raise uvicorn --timeout-keep-alive, or pause less",
    (Cause.SERVER_IDLE_TIMEOUT, "gunicorn"): "raise gunicorn --keep-alive, or pause less",
    (Cause.SERVER_IDLE_TIMEOUT, "hypercorn"): "raise hypercorn --keep-alive, or pause less",
    (Cause.SERVER_IDLE_TIMEOUT, "waitress"): "raise channel_timeout of waitress, or pause less",
}
_FOR_ALL: dict[Cause, str] = {
    Cause.CLIENT_PER_REQUEST: "make one {client} and use it for all calls",
    Cause.CLIENT_PER_THREAD: "share one {client} between the threads, or accept one for each",
    Cause.FORKED_AFTER_USE: "make one {client} in each process, behind the fork",
    Cause.CLIENT_PER_EVENT_LOOP: "run all requests in one event loop, with one {client}",
    Cause.CLIENT_NEVER_KEEPS_ALIVE: "use urllib3, requests or httpx, with one client",
    Cause.HOST_ALIAS: "use one name for the server everywhere",
    Cause.REDIRECTED_ELSEWHERE: "nothing, or ask for the final address at once",
    Cause.TLS_SETTINGS_DIFFER: "make the TLS settings once and use the same for all requests",
    Cause.PROXY_DIFFERS: "use the same proxy for all requests",
    Cause.POOL_EVICTED: "let the client keep as many pools as there are hosts",
    Cause.CONCURRENT_REQUESTS: "nothing, or limit how many requests run at once",
    Cause.RESPONSE_NOT_RELEASED: "read each response to its end, or close it, before the next",
    Cause.STARTED_TOGETHER: "send one request first, and the others once it was answered",
    Cause.BODY_NOT_READ: "read the response to its end before it is closed",
    Cause.STREAM_NOT_FINISHED: "read on behind the last event until the stream ends",
    Cause.TIMED_OUT_OR_CANCELLED: "raise the timeout, or make the server answer sooner",
    Cause.POOL_FULL: "let the pool keep as many connections as there are requests at once",
    Cause.KEEPALIVE_LIMIT: "raise Limits(max_keepalive_connections=...)",
    Cause.CLIENT_IDLE_EXPIRY: "let the client keep idle connections for longer",
    Cause.CLIENT_ASKED_TO_CLOSE: "do not send Connection: close, and let the client keep some",
    Cause.UPLOAD_NOT_FINISHED: "let the server read the whole request before it answers",
    Cause.CLIENT_CLOSED: "close the client once, when all is done",
    Cause.EXPECT_CONTINUE: "switch Expect: 100-continue off, or let the server accept it",
    Cause.SERVER_ASKED_TO_CLOSE: "configure keep-alive on the server, or use one that has it",
    Cause.HTTP_1_0: "let the server, or the proxy before it, speak HTTP/1.1",
    Cause.NO_FRAMING: "send Content-Length, or chunks, with the response",
    Cause.REQUEST_LIMIT: "raise the server's limit of requests for each connection",
    Cause.UPLOAD_REJECTED: "authenticate or check the size before sending the body",
    Cause.GOAWAY: "raise the server's limit of streams for each connection",
    Cause.SERVER_IDLE_TIMEOUT: "raise the server's idle timeout above the pause, or pause less",
    Cause.REUSE_RACE: "let the client's idle expiry be shorter than the server's timeout",
    Cause.SERVER_HUNG_UP: "let the server say Connection: close, or keep the connection",
    Cause.FLOW_LOST: "pause less, or send TCP keep-alive probes (SO_KEEPALIVE) meanwhile",
    Cause.SERVER_TIMEOUT_IGNORED: "let the client's idle expiry be shorter than the server's",
    Cause.RETRIED: "find out why the first try failed",
    Cause.CONNECTION_BOUND_AUTH: "nothing: this authentication belongs to one connection",
    Cause.CHANNEL_PER_CALL: "make the client or channel once and share it",
    Cause.UNKNOWN: "run with -vv for the timeline of every connection",
}


def remedy_for(cause: Cause, adopted: Adopted, server: str = "") -> str:
    """Say what to change.

    Args:
        cause: Of the new connection.
        adopted: Who uses it.
        server: What the server calls itself; empty where it does not.
    """
    for (of, name), remedy in _FOR_SERVER.items():
        if of is cause and server.lower().startswith(name):
            return remedy
    remedy = _FOR_CLIENT.get((cause, adopted.client)) or _FOR_ALL.get(cause, "")
    return remedy.format(client=client_object(adopted))
