"""What an owner declared. What cannot be read is undeclared, and undeclared costs nobody data."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import tolerances

DEFAULTS = tolerances.Tolerance(
    rto=timedelta(hours=8), rpo=timedelta(hours=1), cutover=tolerances.Cutover.AUTO, target_group="copies"
)


def test_without_tags_or_defaults_nothing_is_declared():
    found = tolerances.read({})
    assert not found.declared
    assert found == tolerances.Tolerance()
    assert found.cutover is tolerances.Cutover.ASK


def test_every_tag_is_read():
    found = tolerances.read(
        {
            "outage-rto": "4h",
            "outage-rpo": "PT1H",
            "outage-cutover": "auto",
            "outage-priority": "1",
            "outage-hedge": "eager",
            "outage-dns": "DB.contoso.example/Orders",
            "outage-target-group": "Copies-WestUS",
            "outage-owner": "orders@contoso.example",
        }
    )
    assert found == tolerances.Tolerance(
        rto=timedelta(hours=4),
        rpo=timedelta(hours=1),
        cutover=tolerances.Cutover.AUTO,
        priority=1,
        hedge=tolerances.Hedge.EAGER,
        dns=tolerances.Record(zone="db.contoso.example", name="orders"),
        target_group="Copies-WestUS",
        owner="orders@contoso.example",
    )
    assert found.declared


def test_tag_names_and_words_are_read_in_any_case():
    found = tolerances.read({" Outage-RTO ": " 4H ", "OUTAGE-CUTOVER": "Never"})
    assert found.rto == timedelta(hours=4)
    assert found.cutover is tolerances.Cutover.NEVER


def test_other_peoples_tags_are_left_alone():
    assert tolerances.read({"rto": "4h", "environment": "production"}) == tolerances.Tolerance()


def test_tags_go_over_defaults_one_by_one():
    found = tolerances.read({"outage-rto": "2h"}, defaults=DEFAULTS)
    assert (found.rto, found.rpo, found.cutover) == (timedelta(hours=2), timedelta(hours=1), tolerances.Cutover.AUTO)
    assert found.target_group == "copies"


def test_an_empty_tag_is_no_tag():
    found = tolerances.read({"outage-rto": " "}, defaults=DEFAULTS)
    assert replace(found, remarks=()) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("outage-rto", "4", id="rto without a unit"),
        pytest.param("outage-rto", "soon", id="rto in words"),
        pytest.param("outage-rto", "0h", id="rto of nothing"),
        pytest.param("outage-rpo", "none", id="rpo in words"),
        pytest.param("outage-cutover", "yes", id="cutover neither auto nor ask nor never"),
        pytest.param("outage-hedge", "early", id="hedge that is none"),
        pytest.param("outage-priority", "0", id="priority above the highest"),
        pytest.param("outage-priority", "6", id="priority below the lowest"),
        pytest.param("outage-priority", "high", id="priority in words"),
        pytest.param("outage-dns", "orders.contoso.example", id="record without its zone"),
        pytest.param("outage-dns", "zone/", id="zone without a record"),
        pytest.param("outage-dns", "zone/a/b", id="too many parts"),
    ],
)
def test_a_tag_that_cannot_be_read_makes_the_server_undeclared_and_says_why(name: str, text: str):
    """Even with an organisation-wide default: half a declaration could cost data that nobody agreed to lose."""
    found = tolerances.read({"outage-rto": "4h", name: text}, defaults=DEFAULTS)
    assert not found.declared
    assert len(found.problems) == 1
    assert name in found.problems[0]


def test_an_unreadable_duration_never_falls_back_to_the_default():
    found = tolerances.read({"outage-rto": "4 hourz", "outage-rpo": "?"}, defaults=DEFAULTS)
    assert (found.rto, found.rpo) == (None, None)
    assert len(found.problems) == 2


def test_an_rpo_alone_declares_nothing():
    assert not tolerances.read({"outage-rpo": "1h", "outage-cutover": "auto"}).declared


NAMES = ["rto", "rpo", "cutover", "priority", "hedge", "dns", "target-group", "owner"]


@given(
    st.dictionaries(
        st.sampled_from([f"outage-{name}" for name in NAMES]),
        st.one_of(st.text(max_size=20), st.sampled_from(["4h", "auto", "never", "1", "eager", "a/b"])),
    )
)
def test_reading_tags_never_raises_and_never_declares_what_it_could_not_read(tags: dict[str, str]):
    found = tolerances.read(tags)
    assert found.declared == (found.rto is not None and not found.problems)
    assert found.cutover is not tolerances.Cutover.AUTO or tags["outage-cutover"].strip().lower() == "auto"
    assert 1 <= found.priority <= 5


def test_a_misspelt_tag_is_remarked_upon_and_changes_nothing():
    found = tolerances.read({"outage-rto": "4h", "outage-cutovr": "auto"})
    assert found.declared
    assert found.cutover is tolerances.Cutover.ASK
    assert found.remarks == ("tag outage-cutovr is not known and is ignored. Did you mean outage-cutover?",)


@pytest.mark.parametrize("name", ["outage_rto", "Outage.RTO", "outagerto"])
def test_a_name_written_with_another_sign_is_remarked_on(name: str) -> None:
    (remark,) = tolerances.read({name: "4h"}).remarks
    assert "Did you mean outage-rto?" in remark


def test_an_empty_tag_and_consent_without_an_rto_are_remarked_on() -> None:
    assert tolerances.read({"outage-rto": " "}).remarks == ("tag outage-rto is empty and is ignored.",)
    (remark,) = tolerances.read({"outage-cutover": "auto"}).remarks
    assert "undeclared" in remark
    defaults = tolerances.Tolerance(rto=timedelta(hours=4))
    assert tolerances.read({"outage-cutover": "auto"}, defaults=defaults).remarks == ()
