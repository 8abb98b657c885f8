"""How many calls a webhook takes: token buckets. Knows no request; time is an argument.

Two budgets, counted apart. Calls that proved who they are have a generous one, for each remote and for all together:
it bounds the journal's growth should a secret leak, and is far above what an outage brings (see `settings.Rate`).
Calls that proved nothing have a small one for each remote, and it is asked only after the proof has failed. So nobody
who has the secret or a token ever waits for those who have none, also when a proxy makes all remotes look the same.
"""

from __future__ import annotations

import functools
import ipaddress
from collections import OrderedDict
from datetime import datetime, timedelta

from responder import settings

_NONE = timedelta(0)
_REMOTES = 10_000
"""Buckets kept. The one idle longest is forgotten first, which gives that remote its whole burst back."""
_UNPROVEN = settings.Rate(per_second=10, burst=100)
"""For one remote. More than a misconfigured alert rule needs to be noticed in the log."""


class Bucket:
    """Starts full; each call takes one, and time puts them back."""

    def __init__(self, rate: settings.Rate) -> None:
        self._rate = rate
        self._left = float(rate.burst)
        self._at: datetime | None = None

    def wait(self, now: datetime) -> timedelta:
        """How long until there is one to take; zero: now."""
        if self._at is not None:
            passed = max((now - self._at).total_seconds(), 0.0)  # clocks are set back
            self._left = min(self._left + passed * self._rate.per_second, float(self._rate.burst))
        self._at = now
        return _NONE if self._left >= 1.0 else timedelta(seconds=(1.0 - self._left) / self._rate.per_second)

    def take(self, now: datetime) -> timedelta:
        """Take one and give zero, or take none and give the time to wait."""
        wait = self.wait(now)
        if not wait:
            self.spend()
        return wait

    def spend(self) -> None:
        """Take one, just after `wait` has said that there is one."""
        self._left -= 1.0


class Remotes:
    """One bucket for each remote; bounded, whoever calls."""

    def __init__(self, rate: settings.Rate, most: int = _REMOTES) -> None:
        self._rate = rate
        self._most = most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def of(self, remote: str | None) -> Bucket:
        """The bucket of this remote. Addresses of one IPv6 network of 64 bits share one: anybody has all of them."""
        name = _network(remote)
        bucket = self._buckets.get(name)
        if bucket is not None:
            self._buckets.move_to_end(name)
            return bucket
        bucket = self._buckets[name] = Bucket(self._rate)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bucket


class Limits:
    """Both budgets of the webhooks."""

    def __init__(self, everybody: settings.Rate, each: settings.Rate) -> None:
        self._everybody = Bucket(everybody)
        self._each = Remotes(each)
        self._unproven = Remotes(_UNPROVEN)

    def admitted(self, remote: str | None, now: datetime) -> timedelta:
        """Count a call that proved who it is; gives how long it must wait, zero: it may go on."""
        mine = self._each.of(remote)
        wait, of_all = mine.wait(now), self._everybody.wait(now)
        if wait or of_all:
            return max(wait, of_all)
        mine.spend()
        self._everybody.spend()
        return wait

    def refused(self, remote: str | None, now: datetime) -> timedelta:
        """Count a call that proved nothing; zero: tell it so, else tell it to slow down."""
        return self._unproven.of(remote).take(now)


@functools.lru_cache(maxsize=1024)
def _network(remote: str | None) -> str:
    try:
        address = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return remote or ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
