"""Student's t for any degrees of freedom, from the standard library alone: distribution function and its inverse."""

from __future__ import annotations

import functools
import math

_STEPS = 200


def cdf(t: float, nu: float) -> float:
    """P(T <= t) with `nu` > 0 degrees of freedom."""
    if nu == 4:  # every belief before its first sample; closed: 1/2 + 3/8 u (1 - u²/12), u = t / sqrt(1 + t²/4)
        u = t / math.sqrt(1 + t * t / 4)
        return 0.5 + 0.375 * u * (1 - u * u / 12)
    tail = 0.5 * _incomplete_beta(nu / (nu + t * t), nu / 2, 0.5)
    return 1 - tail if t > 0 else tail


@functools.lru_cache(maxsize=4096)
def quantile(p: float, nu: float) -> float:
    """The inverse of `cdf` for 0 < p < 1."""
    if p == 0.5:
        return 0.0
    if nu == 4:  # W. T. Shaw, Journal of Computational Finance 9(4), 2006
        root = math.sqrt(4 * p * (1 - p))
        q = 4 * math.cos(math.acos(min(1.0, root)) / 3) / root
        return math.copysign(math.sqrt(max(0.0, q - 4)), p - 0.5)
    if p < 0.5:
        return -quantile(1 - p, nu)
    low, high = 0.0, 1.0
    while cdf(high, nu) < p and high < 1e12:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if cdf(middle, nu) < p else (low, middle)
    return (low + high) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function by its continued fraction: https://dlmf.nist.gov/8.17#v"""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Modified Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + term * d
            c = 1 + term / c
            d = 1 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            result *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return result
