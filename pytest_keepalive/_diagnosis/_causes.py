"""The causes of a new connection, by ids that stay the same."""

from __future__ import annotations

from enum import Enum


class Cause(str, Enum):
    """Why a connection was opened though its origin had one; see the README for each."""

    # A. The client object
    CLIENT_PER_REQUEST = "client-per-request"
    CLIENT_PER_THREAD = "client-per-thread"
    CLIENT_PER_EVENT_LOOP = "client-per-event-loop"
    FORKED_AFTER_USE = "forked-after-use"
    CLIENT_NEVER_KEEPS_ALIVE = "client-never-keeps-alive"
    # B. The same client, another pool key
    HOST_ALIAS = "host-alias"
    REDIRECTED_ELSEWHERE = "redirected-elsewhere"
    TLS_SETTINGS_DIFFER = "tls-settings-differ"
    PROXY_DIFFERS = "proxy-differs"
    POOL_EVICTED = "pool-evicted"
    # C. The connection was in use when the next request came
    CONCURRENT_REQUESTS = "concurrent-requests"
    RESPONSE_NOT_RELEASED = "response-not-released"
    STARTED_TOGETHER = "started-together"
    # D. The client closed it after a response
    BODY_NOT_READ = "body-not-read"
    STREAM_NOT_FINISHED = "stream-not-finished"
    TIMED_OUT_OR_CANCELLED = "timed-out-or-cancelled"
    POOL_FULL = "pool-full"
    KEEPALIVE_LIMIT = "keepalive-limit"
    CLIENT_IDLE_EXPIRY = "client-idle-expiry"
    CLIENT_ASKED_TO_CLOSE = "client-asked-to-close"
    UPLOAD_NOT_FINISHED = "upload-not-finished"
    CLIENT_CLOSED = "client-closed"
    EXPECT_CONTINUE = "expect-continue"
    # E. The server said that it would close
    SERVER_ASKED_TO_CLOSE = "server-asked-to-close"
    HTTP_1_0 = "http-1.0"
    NO_FRAMING = "no-framing"
    REQUEST_LIMIT = "request-limit"
    UPLOAD_REJECTED = "upload-rejected"
    GOAWAY = "goaway"
    # F. The server or the network dropped an idle connection
    SERVER_IDLE_TIMEOUT = "server-idle-timeout"
    REUSE_RACE = "reuse-race"
    SERVER_HUNG_UP = "server-hung-up"
    FLOW_LOST = "flow-lost"
    SERVER_TIMEOUT_IGNORED = "server-timeout-ignored"
    # G. Retries, authentication, resolution, protocol
    RETRIED = "retried"
    CONNECTION_BOUND_AUTH = "connection-bound-auth"
    OTHER_ORIGIN = "other-origin"
    FAILED_ATTEMPT = "failed-attempt"
    ROTATED = "rotated"
    CHANNEL_PER_CALL = "channel-per-call"
    # H. Artefacts of measuring
    NOTHING_MEASURED = "nothing-measured"
    SERVER_CANNOT_KEEP_ALIVE = "server-cannot-keep-alive"
    UNSEEN_CONNECTION = "unseen-connection"
    LOOP_SELF_PIPE = "loop-self-pipe"
    ACCEPTED_SOCKET = "accepted-socket"
    OPENED_EARLIER = "opened-earlier"
    # Nothing of the above could be proved
    UNKNOWN = "unknown"

    __str__ = str.__str__
