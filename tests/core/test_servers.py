"""Names of servers: what Azure calls them, and what we call their copies."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import servers
from tests.core import cases

FLEXIBLE = "/subscriptions/S1/resourceGroups/Shop/providers/Microsoft.DBforPostgreSQL/flexibleServers/Orders"


def test_an_id_has_one_spelling():
    """Azure compares ids without case; the same server under two spellings would be restored twice."""
    assert servers.server_id(f" {FLEXIBLE}/ ") == servers.server_id(FLEXIBLE.upper()) == FLEXIBLE.lower()


@pytest.mark.parametrize(
    ("id_", "family"),
    [
        pytest.param(FLEXIBLE, servers.Family.FLEXIBLE, id="flexible"),
        pytest.param(FLEXIBLE.replace("flexibleServers", "servers"), servers.Family.SINGLE, id="single"),
    ],
)
def test_an_id_is_taken_apart_and_put_together_again(id_: str, family: servers.Family):
    address = servers.address_of(id_)
    assert address == servers.Address(subscription_id="s1", resource_group="shop", family=family, name="orders")
    assert servers.id_of(address) == id_.lower()


@pytest.mark.parametrize(
    "id_",
    [
        pytest.param("", id="nothing"),
        pytest.param("/subscriptions/s1", id="a subscription"),
        pytest.param(FLEXIBLE + "/databases/shop", id="a database of a server"),
        pytest.param(FLEXIBLE.replace("PostgreSQL", "MySQL"), id="MySQL"),
        pytest.param(FLEXIBLE.replace("flexibleServers", "serverGroupsv2"), id="a cluster of another product"),
        pytest.param(FLEXIBLE + "\n/x", id="two lines"),
    ],
)
def test_what_is_not_a_postgresql_server_is_not_taken_for_one(id_: str):
    assert servers.address_of(id_) is None


@given(
    st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9-]{1,61}[a-zA-Z0-9]", fullmatch=True), st.text(max_size=80), st.integers(1, 9)
)
def test_the_name_of_a_copy_is_always_one_that_azure_takes(name: str, cause: str, attempt: int):
    found = servers.copy_name(cases.server(name=name), cause, attempt)
    assert 3 <= len(found) <= 63
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", found)


def test_a_copy_is_found_again_by_its_name_and_never_mistaken_for_another():
    """The same cause gives the same name after a crash; another server, cause or attempt gives another."""
    server, other = cases.server(), cases.server(id=servers.server_id(FLEXIBLE))
    names = [
        servers.copy_name(server, "QX3L-7PG@eastus2", 1),
        servers.copy_name(server, "QX3L-7PG@eastus2", 2),
        servers.copy_name(server, "QX3L-7PG@centralus", 1),
        servers.copy_name(other, "QX3L-7PG@eastus2", 1),
    ]
    assert names[0] == servers.copy_name(cases.server(), "QX3L-7PG@eastus2", 1)
    assert len(set(names)) == 4
