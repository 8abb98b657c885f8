"""`/metrics` for Prometheus: does the daemon hear, and what has come in. Reads; counts nothing itself.

Names and labels are a promise: they are added, never renamed. Labels are names of sources; nothing secret is told.
No token needed, as for /readyz.

    responder_source_state{source,state}              1 for the state the source is in, else 0; source "all sources" too
    responder_source_lag_events{source}               events at their origin that have not reached us
    responder_source_last_event_seconds{source}       since the last event; absent before the first
    responder_source_last_receive_seconds{source}     since the last successful receive; absent before the first
    responder_source_restarts_total{source}           clients thrown away for a new one
    responder_source_events_accepted_total{source}    events stored
    responder_intake_arrivals                         deliveries kept
    responder_intake_pending                          of these, not read yet
    responder_intake_events                           events read out of them
    responder_intake_quarantined                      pieces that could not be read
    responder_shadow{scope}                           1 for what the settings put into shadow mode, where nothing is
                                                      started: "everything" (else 0), or a region

Runs, brakes, Azure's budgets and instances: see `workings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import prometheus_client
from prometheus_client import core, exposition, registry

from responder.core import hearing
from responder.flow import listening

CONTENT_TYPE: str = exposition.CONTENT_TYPE_PLAIN_1_0_0


def render(
    heard: listening.Hearing, counts: Mapping[str, int], now: datetime, shadow: Sequence[str] = (),
    more: Iterable[core.Metric] = (),
) -> bytes:  # fmt: skip
    """The text format. `counts`: as `store.intake.counts` gives them; `shadow`: what is in shadow mode; `more`: others
    that are ready."""
    collected = prometheus_client.CollectorRegistry(auto_describe=False)
    families = [*_sources(heard, now), *_intake(counts), _shadow(shadow), *more]
    collected.register(_Snapshot(families))
    return prometheus_client.generate_latest(collected)


class _Snapshot(registry.Collector):
    """Families that are ready, as the library wants to be given them."""

    def __init__(self, families: list[core.Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[core.Metric]:
        """All of them."""
        return self._families


def _sources(heard: listening.Hearing, now: datetime) -> Iterator[core.Metric]:
    label = ["source"]
    state = core.GaugeMetricFamily(
        "responder_source_state", "1 for the state a source is in, else 0.", labels=["source", "state"]
    )
    lag = core.GaugeMetricFamily("responder_source_lag_events", "Events that have not reached us.", labels=label)
    event = core.GaugeMetricFamily("responder_source_last_event_seconds", "Since the last event.", labels=label)
    receive = core.GaugeMetricFamily(
        "responder_source_last_receive_seconds", "Since the last successful receive.", labels=label
    )
    restarts = core.CounterMetricFamily("responder_source_restarts", "Clients thrown away.", labels=label)
    accepted = core.CounterMetricFamily("responder_source_events_accepted", "Events stored.", labels=label)
    for verdict in (*(verdict for _, verdict in heard.sources), heard.overall):
        for one in hearing.State:
            state.add_metric([verdict.source, one.value], float(verdict.state is one))
    for facts, _ in heard.sources:
        name = [facts.source]
        lag.add_metric(name, facts.waiting)
        restarts.add_metric(name, facts.restarts)
        accepted.add_metric(name, facts.accepted)
        if facts.last_event_at is not None:
            event.add_metric(name, (now - facts.last_event_at).total_seconds())
        if facts.proven_at is not None:
            receive.add_metric(name, (now - facts.proven_at).total_seconds())
    yield from (state, lag, event, receive, restarts, accepted)


def _shadow(scopes: Sequence[str]) -> core.Metric:
    text = "1 for what is in shadow mode: nothing is started there."
    found = core.GaugeMetricFamily("responder_shadow", text, labels=["scope"])
    for scope in dict.fromkeys(("everything", *scopes)):
        found.add_metric([scope], float(scope in scopes))
    return found


def _intake(counts: Mapping[str, int]) -> Iterator[core.Metric]:
    told = {
        "arrivals": "Deliveries kept.",
        "pending": "Deliveries that are kept and not read yet.",
        "events": "Events read out of deliveries.",
        "quarantined": "Pieces of deliveries that could not be read.",
    }
    for name, text in told.items():
        yield core.GaugeMetricFamily(f"responder_intake_{name}", text, value=counts[name])
