"""The picture of a replay: RTOs missed against data lost for nothing, a dot a policy. As SVG, and as text."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax import saxutils

import click

from responder.core import replays

_WIDTH, _HEIGHT, _LEFT, _TOP = 360, 300, 56, 48
_COLOURS = {
    replays.Policy.ALWAYS_WAIT: "#7f7f7f",
    replays.Policy.RESTORE_AT_ONCE: "#d62728",
    replays.Policy.HEDGE_EAGER: "#1f77b4",
    replays.Policy.HEDGE_LAZY: "#2ca02c",
    replays.Policy.FIXED_1H: "#ff7f0e",
    replays.Policy.FIXED_4H: "#9467bd",
}
_BAR = 40


def terminal(rows: Sequence[replays.Row]) -> None:
    """Two bars a policy, for the RTO of 12 h (or the longest there is)."""
    shown = _panel(rows)
    if not shown:
        return
    click.echo(f"\nRTO {shown[0].rto_h:g} h, {shown[0].size_class} servers")
    for row in shown:
        for name, value in (("missed", row.missed_pct), ("needless", row.needless_pct)):
            bar = "█" * round(value / 100 * _BAR) or ("▏" if value > 0 else "")
            click.echo(f"  {row.policy if name == 'missed' else '':<16} {name:<9} {value:5.1f} %  {bar}")


def svg(rows: Sequence[replays.Row]) -> str:
    """One panel an RTO, for the first size class. Both axes in per cent of servers; bottom left is best."""
    size = rows[0].size_class
    hours = sorted({row.rto_h for row in rows})
    width = len(hours) * (_WIDTH + 20) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT + 150}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{_HEIGHT + 150}" fill="white"/>',
        f'<text x="20" y="24" font-size="15">RTOs missed against needless cut-overs, {saxutils.escape(size)} '
        "servers (bottom left is best)</text>",
    ]
    for i, rto_h in enumerate(hours):
        panel = [row for row in rows if row.rto_h == rto_h and row.size_class == size]
        parts.extend(_draw(panel, 20 + i * (_WIDTH + 20)))
    parts.extend(_legend(_HEIGHT + 120))
    return "\n".join([*parts, "</svg>", ""])


def _panel(rows: Sequence[replays.Row]) -> list[replays.Row]:
    hours = {row.rto_h for row in rows}
    if not hours:
        return []
    rto_h = 12 if 12 in hours else max(hours)
    return [row for row in rows if row.rto_h == rto_h and row.size_class == rows[0].size_class]


def _draw(panel: Sequence[replays.Row], x0: float) -> list[str]:
    most_missed = max(10.0, *(row.missed_pct for row in panel)) * 1.1
    most_needless = max(10.0, *(row.needless_pct for row in panel)) * 1.1
    left, bottom, inner_w, inner_h = x0 + _LEFT, _TOP + _HEIGHT, _WIDTH - _LEFT - 10, _HEIGHT - 20
    parts = [
        f'<text x="{left}" y="{_TOP + 10}" font-weight="bold">RTO {panel[0].rto_h:g} h</text>',
        f'<path d="M{left} {bottom - inner_h}V{bottom}H{left + inner_w}" fill="none" stroke="#444"/>',
        f'<text x="{left}" y="{bottom + 30}">needless cut-overs, 0 to {most_needless:.0f} %</text>',
        f'<text x="{x0 + 14}" y="{bottom}" transform="rotate(-90 {x0 + 14} {bottom})">'
        f"RTO missed, 0 to {most_missed:.0f} %</text>",
    ]
    for row in panel:
        x = left + row.needless_pct / most_needless * inner_w
        y = bottom - row.missed_pct / most_missed * inner_h
        radius = 10 if row.policy is replays.Policy.HEDGE_EAGER else 6  # both hedges often lie on one spot
        fill = f'fill="{_COLOURS[row.policy]}" fill-opacity="0.75"'
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {fill}/>')
    return parts


def _legend(y: float) -> list[str]:
    parts, x = [], 20.0
    for policy, colour in _COLOURS.items():
        parts.append(f'<circle cx="{x + 6}" cy="{y - 4}" r="6" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{policy}</text>')
        x += 150
    return parts
