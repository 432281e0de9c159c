from __future__ import annotations

import pytest

from pytest_keepalive import measure
from pytest_keepalive._events import CloseTrigger
from pytest_keepalive._server import KeepaliveServer

from .agreement import assert_agreement

botocore_session = pytest.importorskip("botocore.session")


def client_of(server: KeepaliveServer) -> object:
    config = pytest.importorskip("botocore.config")
    session = botocore_session.Session()
    session.set_credentials("AKIAIOSFODNN7EXAMPLE", "secret-of-the-user")
    terms = config.Config(
        retries={"total_max_attempts": 2},
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
    )
    return session.create_client("s3", "us-east-1", endpoint_url=server.url, config=terms)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore")
def test_a_client_keeps_its_connection_through_uploads_that_expect_a_continue(
    server: KeepaliveServer,
) -> None:
    server.reply("*", body=b"")
    with measure() as seen:
        client = client_of(server)
        for number in range(3):
            client.put_object(Bucket="b", Key=f"k{number}", Body=b"x" * 100_000)  # type: ignore[attr-defined] # made at run time
        client.close()  # type: ignore[attr-defined] # as above
    assert_agreement(seen, server)
    assert (seen.count, len(seen.exchanges)) == (1, 3)
    (connection,) = seen.connections
    assert connection.client == "botocore"
    assert connection.origin == server.url
    assert connection.call_site is not None
    assert connection.call_site.source.startswith("client.put_object(")
    assert all(exchange.expecting and exchange.has_body for exchange in connection.exchanges)
    assert connection.closing is not None
    assert connection.closing.trigger is CloseTrigger.CLIENT_CLOSED
    assert "secret" not in repr(connection.adoption)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore")
def test_a_final_answer_instead_of_a_continue_is_an_exchange(server: KeepaliveServer) -> None:
    errors = pytest.importorskip("botocore.exceptions")
    server.reply("/b/k", 403, "", read_body=False)
    with measure() as seen:
        client = client_of(server)
        with pytest.raises(errors.ClientError):
            client.put_object(Bucket="b", Key="k", Body=b"x" * 100_000)  # type: ignore[attr-defined] # made at run time
        client.close()  # type: ignore[attr-defined] # as above
    assert_agreement(seen, server)
    assert [exchange.status for exchange in seen.exchanges] == [403]
