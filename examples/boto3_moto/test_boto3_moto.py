"""boto3 against moto: the client keeps its connection; moto's own server would not.

moto's application is served by waitress, which keeps connections alive. ``ThreadedMotoServer``
would do for everything else, but it is Werkzeug's development server: one connection a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import boto3
import pytest
import waitress.server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app


@pytest.fixture
def s3() -> Iterator[Any]:
    application = DomainDispatcherApplication(create_backend_app)
    server = waitress.server.create_server(application, host="127.0.0.1", port=0)
    thread = Thread(target=server.run)
    thread.start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.effective_port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    yield client
    client.close()
    server.close()
    thread.join()


@pytest.mark.single_connection(requests=4)
def test_a_bucket_is_made_filled_and_read_over_one_connection(s3: Any) -> None:
    s3.create_bucket(Bucket="letters")
    s3.put_object(Bucket="letters", Key="first", Body=b"hello")
    assert s3.get_object(Bucket="letters", Key="first")["Body"].read() == b"hello"
    assert s3.list_objects_v2(Bucket="letters")["KeyCount"] == 1
