"""The guard before the point of no return: each condition alone is enough to refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import copies, cutovers, evidence, outages, tolerances
from responder.core.evidence import Verdict
from responder.core.tolerances import Cutover
from tests.core import cases

HOUR = timedelta(hours=1)


def request(**changes: Any) -> cutovers.Request:
    """Everything agreed and everything proven."""
    values: dict[str, Any] = {
        "copy": cases.ready(),
        "tolerance": cases.tolerance(),
        "outage_status": outages.Status.ACTIVE,
        "concern": outages.Concern.NAMED,
        "verdict": Verdict.DOWN,
        "loss": 0.5 * HOUR,
        "consent": None,
    }
    return cutovers.Request(**(values | changes))


def ids(found: cutovers.Request) -> list[str]:
    return [refusal.id for refusal in cutovers.refusals(found)]


def test_with_everything_agreed_and_proven_nothing_stands_against_it():
    assert ids(request()) == []


UNSIGNABLE = [
    pytest.param({"copy": copies.Copy()}, "cutover.no-copy", id="there is no copy"),
    pytest.param({"copy": cases.restoring()}, "cutover.no-copy", id="the copy is not ready"),
    pytest.param({"copy": copies.Copy(state=copies.State.FAILED)}, "cutover.no-copy", id="the copy failed"),
    pytest.param({"copy": copies.Copy(state=copies.State.DISCARDED)}, "cutover.no-copy", id="it was thrown away"),
    pytest.param({"copy": copies.Copy(state=copies.State.PROMOTED)}, "cutover.no-copy", id="it was done already"),
    pytest.param({"verdict": Verdict.UP}, "cutover.answers", id="the server answers"),
    pytest.param({"verdict": Verdict.FAILING}, "cutover.unproven", id="a short silence"),
    pytest.param({"verdict": Verdict.UNKNOWN}, "cutover.unproven", id="no fresh probe"),
    pytest.param({"tolerance": cases.tolerance(cutover=Cutover.NEVER)}, "cutover.never", id="its owner said never"),
]
SIGNABLE = [
    pytest.param({"loss": 2 * HOUR}, "cutover.loss", id="more loss than the RPO"),
    pytest.param({"tolerance": cases.tolerance(rpo_hours=None)}, "cutover.loss", id="no RPO: any loss is too much"),
    pytest.param({"tolerance": cases.tolerance(cutover=Cutover.ASK)}, "cutover.ask", id="its owner wants to be asked"),
    pytest.param({"concern": outages.Concern.SUSPECTED}, "cutover.suspected", id="only suspected"),
    pytest.param({"concern": outages.Concern.NONE}, "cutover.suspected", id="another region"),
    pytest.param({"outage_status": outages.Status.RESOLVED}, "cutover.resolved", id="Azure calls it over"),
    pytest.param({"outage_status": outages.Status.WITHDRAWN}, "cutover.withdrawn", id="Azure took it back"),
    pytest.param({"outage_status": outages.Status.DROPPED}, "cutover.dropped", id="Azure goes on without this region"),
    pytest.param({"verdict": Verdict.UNPROVEN}, "cutover.never-reached", id="it never answered from here"),
    pytest.param({"tolerance": cases.tolerance(rto_hours=None)}, "cutover.undeclared", id="no RTO declared"),
    pytest.param(
        {"tolerance": cases.tolerance(problems=("tag outage-rto: ...",))}, "cutover.undeclared", id="an unreadable tag"
    ),
    pytest.param({"consent": cases.no()}, "cutover.declined", id="a human said no"),
]


@pytest.mark.parametrize(("changes", "refusal"), UNSIGNABLE)
def test_what_nobody_can_sign_away(changes: dict[str, Any], refusal: str):
    for consent in (None, cases.yes(loss_hours=100)):
        found = cutovers.refusals(request(**({"consent": consent} | changes)))
        assert [(r.id, r.signable) for r in found] == [(refusal, False)]


@pytest.mark.parametrize(("changes", "refusal"), SIGNABLE)
def test_what_takes_a_humans_yes(changes: dict[str, Any], refusal: str):
    found = cutovers.refusals(request(**changes))
    assert [(r.id, r.signable) for r in found] == [(refusal, True)]
    assert cutovers.consent_missing(request(**changes))


@pytest.mark.parametrize(("changes", "refusal"), SIGNABLE)
def test_a_yes_signed_for_the_loss_is_enough(changes: dict[str, Any], refusal: str):
    signed = request(**(changes | {"consent": cases.yes(loss_hours=3)}))
    assert refusal not in ids(signed)
    assert not cutovers.consent_missing(signed)


def test_a_yes_without_a_figure_covers_only_what_the_tolerance_allows():
    assert ids(request(consent=cases.yes(), loss=2 * HOUR)) == ["cutover.loss"]
    assert ids(request(consent=cases.yes(loss_hours=1.5), loss=2 * HOUR)) == ["cutover.loss"]
    assert ids(request(consent=cases.yes(loss_hours=2), loss=2 * HOUR)) == []


def test_a_loss_of_exactly_the_rpo_is_allowed():
    assert ids(request(loss=HOUR)) == []
    assert ids(request(loss=HOUR + timedelta(seconds=1))) == ["cutover.loss"]


def test_a_no_is_not_read_as_a_yes_for_its_figure():
    declined = cutovers.Consent(granted=False, by="ada", at=cases.HEARD, loss_accepted=9 * HOUR)
    assert ids(request(consent=declined, loss=2 * HOUR)) == ["cutover.declined", "cutover.loss"]


requests = st.builds(
    request,
    copy=st.sampled_from(copies.State).map(lambda state: copies.Copy(state=state)),
    tolerance=st.builds(
        cases.tolerance,
        st.sampled_from([None, 1, 12]),
        st.sampled_from([None, 0.1, 1]),
        cutover=st.sampled_from(Cutover),
        problems=st.sampled_from([(), ("tag",)]),
    ),
    outage_status=st.sampled_from(outages.Status),
    concern=st.sampled_from(outages.Concern),
    verdict=st.sampled_from(evidence.Verdict),
    loss=st.sampled_from([0.05, 0.5, 5]).map(lambda value: value * HOUR),
    consent=st.sampled_from([None, cases.no(), cases.yes(), cases.yes(0.5), cases.yes(9)]),
)


@given(requests)
def test_nothing_is_cut_over_without_proof_and_a_declared_or_a_signed_yes(found: cutovers.Request):
    if cutovers.refusals(found):
        return
    signed = found.consent is not None and found.consent.granted
    declared = found.tolerance.declared and found.tolerance.cutover is tolerances.Cutover.AUTO
    assert found.copy.state is copies.State.READY
    assert found.verdict is Verdict.DOWN or (signed and found.verdict is Verdict.UNPROVEN)
    assert signed or (found.consent is None and declared and found.outage_status is outages.Status.ACTIVE)
    assert signed or found.concern is outages.Concern.NAMED
    accepted = found.consent.loss_accepted if found.consent else None
    limits = [limit for limit in (found.tolerance.rpo, accepted) if limit is not None]
    assert limits
    assert found.loss <= max(limits)


@given(requests)
def test_where_no_consent_is_missing_no_human_could_help(found: cutovers.Request):
    if not cutovers.consent_missing(found):
        assert not any(refusal.signable for refusal in cutovers.refusals(found))
