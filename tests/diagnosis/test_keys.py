"""Group B: the same client, another pool."""

from __future__ import annotations

import pytest

from pytest_keepalive import Cause, Origin
from pytest_keepalive._events import CloseTrigger
from tests.diagnosis.story import CLOSE_SITE, ORIGIN, PEER, Story

LOCALHOST = Origin("http", "localhost", 8080)
OTHER = Origin("http", "other", 80)
OTHER_PEER = ("192.0.2.9", 80)
KEY = (("host", "127.0.0.1"), ("port", "8080"))


# B1 host-alias


def test_an_address_and_a_name_of_it_are_one_server() -> None:
    story = Story()
    story.open(0).get(0)
    story.open(1, LOCALHOST, pool=2).get(1)
    assert story.finding.cause == Cause.HOST_ALIAS
    assert story.finding.story == "localhost beside 127.0.0.1, two names of one server"


def test_two_names_at_one_address_may_be_two_sites() -> None:
    story = Story()
    story.open(0, Origin("http", "a.example", 80), OTHER_PEER).get(0)
    story.open(1, Origin("http", "b.example", 80), OTHER_PEER, pool=2).get(1)
    assert story.causes == []


def test_another_client_would_have_connected_anyhow() -> None:
    story = Story()
    story.open(0).get(0)
    story.open(1, LOCALHOST, pool=2, owner=12).get(1)
    assert story.causes == []


def test_two_origins_behind_one_proxy_are_no_aliases() -> None:
    story = Story()
    key = (("proxy", "http://127.0.0.1:8080"),)
    story.open(0, Origin("http", "a.example", 80), pool_key=key).get(0)
    story.open(1, Origin("http", "b.example", 80), pool_key=key).get(1)
    assert story.causes == []


def test_another_scheme_is_no_alias() -> None:
    story = Story()
    story.open(0).get(0)
    story.open(1, Origin("https", "localhost", 8080), pool=2).get(1)
    assert story.causes == []


# B2 redirected-elsewhere


def redirecting(story: Story, at: float, location: str, status: int = 302) -> None:
    story.open(at).get(at, status=status, headers=(("location", location),))


def test_a_redirect_to_another_origin() -> None:
    story = Story()
    redirecting(story, 0, "http://other/x?token=...")
    story.open(1, OTHER, OTHER_PEER, pool=2).get(1)
    finding = story.finding
    assert finding.cause == Cause.REDIRECTED_ELSEWHERE
    assert finding.legitimate
    assert "302" in finding.evidence[0]


@pytest.mark.parametrize(
    ("at", "location", "status"),
    [(0, f"{ORIGIN}/x", 302), (0, "/x", 302), (0, "http://third/", 302), (0, str(OTHER), 200)],
    ids=["same origin", "relative", "somewhere else", "not a redirect"],
)
def test_what_did_not_lead_there(at: float, location: str, status: int) -> None:
    story = Story()
    redirecting(story, at, location, status)
    story.open(1, OTHER, OTHER_PEER, pool=2).get(1)
    assert story.causes == []


def test_a_redirect_that_came_later_led_nowhere() -> None:
    story = Story()
    story.open(0, OTHER, OTHER_PEER, pool=2).get(0)
    redirecting(story, 1, str(OTHER))
    assert story.causes == []


def test_a_network_path_keeps_the_scheme() -> None:
    story = Story()
    redirecting(story, 0, "//other/x")
    story.open(1, OTHER, OTHER_PEER, pool=2).get(1)
    assert story.causes == [Cause.REDIRECTED_ELSEWHERE]


# B3 tls-settings-differ, B4 proxy-differs


def test_another_tls_setting() -> None:
    story = Story()
    story.open(0, pool_key=(*KEY, ("cert_reqs", "CERT_REQUIRED"))).get(0)
    story.open(1, pool=2, pool_key=(*KEY, ("cert_reqs", "CERT_NONE"))).get(1)
    finding = story.finding
    assert finding.cause == Cause.TLS_SETTINGS_DIFFER
    assert finding.evidence == ("verify: CERT_REQUIRED for #0, CERT_NONE for #1",)
    assert finding.story == "another verify than before"


def test_another_proxy() -> None:
    story = Story()
    story.open(0, pool_key=KEY).get(0)
    story.open(1, pool=2, pool_key=(*KEY, ("_proxy", "http://proxy:3128"))).get(1)
    assert story.finding.cause == Cause.PROXY_DIFFERS
    assert story.finding.evidence == ("_proxy: not set for #0, http://proxy:3128 for #1",)


def test_a_setting_that_explains_nothing() -> None:
    story = Story()
    story.open(0, pool_key=(*KEY, ("timeout", "1"))).get(0)
    story.open(1, pool=2, pool_key=(*KEY, ("timeout", "2"))).get(1)
    assert story.finding.cause == Cause.UNKNOWN
    assert story.finding.evidence[-1] == "timeout: 1 for #0, 2 for #1"


def test_a_key_that_was_used_before_is_not_to_blame() -> None:
    one, other = (("ssl", "SSLContext #1"),), (("ssl", "SSLContext #2"),)
    story = Story()
    story.open(0, pool_key=one).get(0, will_close=True).give_up(0.2, CloseTrigger.SERVER_SAID_CLOSE)
    story.open(1, pool_key=other).get(1)
    story.open(2, pool_key=one).get(2)
    assert story.causes == [Cause.TLS_SETTINGS_DIFFER, Cause.SERVER_ASKED_TO_CLOSE]


def test_one_pool_whose_settings_were_changed() -> None:
    story = Story()
    story.open(0).get(0).give_up(1.0, CloseTrigger.SETTINGS_CHANGED)
    story.open(1.0).get(1.0)
    assert story.causes == [Cause.TLS_SETTINGS_DIFFER]


# B5 pool-evicted


def test_a_pool_that_was_dropped_for_another_hosts() -> None:
    story = Story()
    story.open(0).get(0).give_up(1.0, CloseTrigger.POOL_DISPOSED, site=CLOSE_SITE)
    story.open(1, OTHER, OTHER_PEER, pool=2).get(1)
    story.open(2, pool=3).get(2)
    assert story.finding.cause == Cause.POOL_EVICTED
    assert story.finding.call_site == CLOSE_SITE


def test_a_pool_of_another_client_is_not_evicted() -> None:
    story = Story()
    story.open(0).get(0).give_up(1.0, CloseTrigger.POOL_DISPOSED)
    story.open(2, pool=3, owner=13).get(2)
    assert story.causes == [Cause.CLIENT_PER_REQUEST]


# D9 client-closed, with a new pool


def test_a_client_that_was_closed_and_used_again() -> None:
    story = Story()
    story.open(0).get(0).give_up(1.0, CloseTrigger.CLIENT_CLOSED, site=CLOSE_SITE)
    story.open(2, pool=3).get(2)
    assert story.finding.cause == Cause.CLIENT_CLOSED
    assert story.finding.call_site == CLOSE_SITE


def test_a_server_that_said_close_before_the_client_was_closed() -> None:
    story = Story()
    story.open(0).get(0, will_close=True).give_up(0.2, CloseTrigger.SERVER_SAID_CLOSE)
    story.open(2, pool=3).get(2)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]


def test_the_first_to_an_origin_has_no_finding() -> None:
    story = Story()
    story.open(0).get(0)
    story.open(1, OTHER, OTHER_PEER, pool=2).get(1)
    assert PEER != OTHER_PEER
    assert story.causes == []
