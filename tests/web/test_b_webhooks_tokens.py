"""Which tokens are believed. No network: what a token says, who has signed it, which keys count."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given
from hypothesis import strategies as st

from responder import settings
from responder.core import errors
from responder.web import signing_keys, tokens
from tests.web import b_webhooks as b

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
WANTED = tokens.expected(settings.MonitorEntra(tenant=b.TENANT, audiences=(f"api://{b.CLIENT}", b.CLIENT)))


def refusal(token: str, *, by: str = "one") -> str | None:
    """The id of the rule that refuses it; None when it is believed."""
    try:
        claimed = tokens.opened(token)
        tokens.judge(claimed.claims, WANTED, NOW)
        tokens.verify(claimed, b.key(by).public_key())
    except errors.RefusedError as error:
        return error.error_id
    return None


@pytest.mark.parametrize("base", [pytest.param(b.V1, id="version 1"), pytest.param(b.V2, id="version 2")])
def test_a_token_of_either_version_is_believed(base: Mapping[str, Any]) -> None:
    assert refusal(b.token(b.claims(base, at=NOW))) is None


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        pytest.param({"iss": f"https://sts.windows.net/{b.STRANGER}/"}, "issuer", id="of another tenant"),
        pytest.param({"iss": f"https://sts.windows.net/{b.TENANT}"}, "issuer", id="of nearly the issuer"),
        pytest.param({"iss": b.V2["iss"] + "/"}, "issuer", id="of the issuer and a slash"),
        pytest.param({"iss": f"https://evil.example/{b.TENANT}/v2.0"}, "issuer", id="of a stranger for our tenant"),
        pytest.param({"iss": [b.V2["iss"]]}, "issuer", id="of a list of issuers"),
        pytest.param({"iss": None}, "issuer", id="of nobody"),
        pytest.param({"tid": b.STRANGER}, "tenant", id="whose tenant contradicts its issuer"),
        pytest.param({"aud": "https://management.azure.com"}, "audience", id="for Resource Manager"),
        pytest.param({"aud": f"api://{b.STRANGER}"}, "audience", id="for another application"),
        pytest.param({"aud": f"{b.CLIENT}/"}, "audience", id="for nearly us"),
        pytest.param({"aud": {"a": b.CLIENT}}, "audience", id="for an object"),
        pytest.param({"aud": []}, "audience", id="for an empty list"),
        pytest.param({"aud": None}, "audience", id="for nobody"),
        pytest.param({"azp": b.STRANGER}, "caller", id="of another application"),
        pytest.param({"azp": None}, "caller", id="that names no application"),
        pytest.param({"appid": b.STRANGER}, "caller", id="that names two applications"),
        pytest.param({"azp": [b.ACTION_GROUPS]}, "caller", id="of a list of applications"),
        pytest.param({"roles": None}, "role", id="without roles"),
        pytest.param({"roles": ["Reader"]}, "role", id="with another role"),
        pytest.param({"roles": "ActionGroupsSecureWebhook"}, "role", id="whose roles are a text"),
        pytest.param({"scp": "ActionGroupsSecureWebhook", "roles": None}, "role", id="with a delegated scope"),
        pytest.param({"exp": AT - 61}, "expired", id="expired"),
        pytest.param({"exp": None}, "expired", id="that never expires"),
        pytest.param({"nbf": AT + 61}, "not-yet-valid", id="not yet valid"),
        pytest.param({"iat": AT + 61}, "not-yet-valid", id="issued in the future"),
        pytest.param({"exp": "2099-01-01"}, "malformed", id="that expires in words"),
        pytest.param({"exp": True}, "malformed", id="that expires in truth"),
        pytest.param({"exp": 10**300}, "malformed", id="that expires beyond all time"),
        pytest.param({"exp": float("inf")}, "malformed", id="that expires at infinity"),
        pytest.param({"exp": float("nan")}, "malformed", id="that expires at no number"),
        pytest.param({"nbf": -1}, "malformed", id="valid since before time"),
    ],
)
def test_a_token_is_refused(changes: dict[str, Any], rule: str) -> None:
    assert refusal(b.token(b.claims(at=NOW, **changes))) == f"token.{rule}"


def test_clocks_may_be_a_minute_apart() -> None:
    assert refusal(b.token(b.claims(at=NOW, exp=AT - 59, iat=AT + 59, nbf=AT + 59))) is None


def test_one_audience_among_several_is_enough() -> None:
    assert refusal(b.token(b.claims(at=NOW, aud=["something", b.CLIENT]))) is None


def test_ids_of_applications_are_compared_without_case() -> None:
    assert refusal(b.token(b.claims(at=NOW, azp=b.ACTION_GROUPS.upper()))) is None


def test_only_rs256_counts() -> None:
    said = b.claims(at=NOW)
    assert refusal(b.token(said, algorithm="RS512")) == "token.algorithm"
    assert refusal(b.token(said, algorithm="PS256")) == "token.algorithm"
    assert refusal(b.signed_with_public_key(said)) == "token.algorithm"
    for none in ("none", "None", "nOnE", "", None, 7, ["RS256"]):
        header = {"alg": none, "typ": "JWT", "kid": "one"}
        assert refusal(b.forged(header, said, lambda _: b"")) in ("token.algorithm", "token.malformed"), none


def test_a_signature_by_another_key_under_our_name_is_refused() -> None:
    assert refusal(b.token(b.claims(at=NOW), by="two", kid="one")) == "token.signature"


def test_a_key_that_comes_along_in_the_token_is_never_used() -> None:
    said, mine = b.claims(at=NOW), b.jwk("two")
    header = {
        "jwk": mine,
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/certificate",
        "x5c": ["AAAA"],
    }
    assert refusal(b.token(said, by="two", kid="one", **header)) == "token.signature"


def test_no_byte_of_a_token_can_be_changed() -> None:
    whole = b.token(b.claims(at=NOW))
    for position in range(0, len(whole) - 1, 7):  # the last letter of a part carries bits that nobody reads
        other = "A" if whole[position] != "A" else "B"
        assert refusal(whole[:position] + other + whole[position + 1 :]) is not None, position


@pytest.mark.parametrize("kid", [None, 7, ["one"], "k" * 201])
def test_a_token_must_name_its_key(kid: object) -> None:
    named = {} if kid is None else {"kid": kid}
    token = b.forged({"alg": "RS256", "typ": "JWT", **named}, b.claims(at=NOW), _signature)
    assert refusal(token) in ("token.key-id", "token.malformed")


def test_extensions_are_refused_with_a_good_signature_too() -> None:
    for header in ({"crit": ["exp"], "exp": 1}, {"b64": False, "crit": ["b64"]}, {"b64": True}, {"crit": []}):
        token = b.forged({"alg": "RS256", "kid": "one", **header}, b.claims(at=NOW), _signature)
        assert refusal(token) == "token.malformed", header


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("a.b", id="two parts"),
        pytest.param("....", id="dots"),
        pytest.param("é.ü.ß", id="no ASCII"),
        pytest.param("\ud800.x.y", id="no text"),
        pytest.param("x" * 100_000, id="huge"),
        pytest.param(b.forged({"alg": "RS256", "kid": "one"}, [1], lambda _: b"x"), id="a list"),  # type: ignore[arg-type]
        pytest.param(
            ".".join(base64.urlsafe_b64encode(p).decode() for p in (b"[" * 2500, b"{}", b"x")), id="nested without end"
        ),
        pytest.param(
            ".".join(base64.urlsafe_b64encode(p).decode() for p in (b'{"alg":"RS256","kid":"one"}', b"[" * 2500, b"x")),
            id="a payload nested without end",
        ),
        pytest.param(
            ".".join(base64.urlsafe_b64encode(p).decode() for p in (b'{"alg":"RS256","kid":"one"}', b"\xff\xfe", b"x")),
            id="a payload that is no text",
        ),
    ],
)
def test_what_is_no_token_is_refused_and_nothing_breaks(token: str) -> None:
    assert refusal(token) == "token.malformed"


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_no_text_breaks_it(text: str) -> None:
    assert refusal(text) is not None


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "tid", "azp", "appid", "roles", "exp", "nbf", "iat"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=4,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_no_claim_breaks_it(changes: dict[str, Any]) -> None:
    with contextlib.suppress(errors.RefusedError):
        tokens.judge(b.claims(at=NOW) | changes, WANTED, NOW)


def test_an_error_never_repeats_the_token() -> None:
    said = b.claims(at=NOW, aud="s3cret-audience")
    with pytest.raises(errors.RefusedError) as caught:
        tokens.judge(said, WANTED, NOW)
    assert "s3cret" not in str(caught.value)


def test_keys_are_read_and_others_left_out() -> None:
    listed = [
        b.jwk("one"),
        b.jwk("two", alg="RS256", issuer="https://login.microsoftonline.com/{tenantid}/v2.0"),
        b.jwk("three", use="enc"),
        b.jwk("four", issuer=f"https://login.microsoftonline.com/{b.STRANGER}/v2.0"),
        b.jwk("five", alg="RS512"),
        b.jwk("six", n="AQAB"),
        b.jwk("seven", e="!!"),
        b.jwk("eight", n=None),
        b.jwk("nine", n=7),
        b.jwk("ten", e=b.jwk("one")["n"]),
        b.jwk("eleven", kid=None),
        b.jwk("twelve", kid=["one"]),
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "AA", "y": "AA"},
        "no key",
        None,
    ]
    assert set(signing_keys.parse(json.dumps({"keys": listed}).encode(), b.TENANT)) == {"one", "two"}


def test_a_short_key_does_not_count() -> None:
    short = json.loads(tokens.jwt.algorithms.RSAAlgorithm.to_jwk(b.key("short", 1024).public_key()))
    listed = [{"kty": "RSA", "kid": "short", "n": short["n"], "e": short["e"]}]
    assert signing_keys.parse(json.dumps({"keys": listed}).encode(), b.TENANT) == {}


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"{}", b'{"keys": {}}', b"\xff", b"[" * 100_000, b"null"])
def test_what_is_no_key_set_is_said_to_be_none(document: bytes) -> None:
    with pytest.raises(errors.InputError, match=r"keys\.unreadable"):
        signing_keys.parse(document, b.TENANT)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"tenant": "common"}, "tenant", id="any tenant"),
        pytest.param({"tenant": "contoso.example"}, "tenant", id="a name"),
        pytest.param({"audiences": []}, "audiences", id="no audience"),
        pytest.param({"audiences": ["*"]}, "audiences", id="any audience"),
        pytest.param({"callers": []}, "callers", id="no caller"),
        pytest.param({"role": ""}, "role", id="no role"),
        pytest.param({"keys_url": "http://login.example/keys"}, "keys_url", id="keys in the clear"),
        pytest.param({"keys_url": "file:///etc/passwd"}, "keys_url", id="keys in a file"),
        pytest.param({"issuers": [f"https://sts.example/{b.STRANGER}/"]}, "issuers", id="a stranger's issuer"),
        pytest.param({"leeway": "1d"}, "leeway", id="a day of leeway"),
        pytest.param({"keys_keep": "1m"}, "keys_keep", id="keys kept shorter than refreshed"),
    ],
)
def test_settings_that_would_admit_strangers_are_refused_at_start(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        settings.Web.model_validate({"azure_monitor": {"entra": b.entra() | changes}})


def test_the_defaults_are_those_of_the_public_cloud() -> None:
    monitor = settings.MonitorEntra(tenant=b.TENANT.upper(), audiences=(b.CLIENT,))
    grid = settings.GridEntra(tenant=b.TENANT, audiences=(b.CLIENT,))
    assert (monitor.callers, monitor.role) == ((b.ACTION_GROUPS,), "ActionGroupsSecureWebhook")
    assert (grid.callers, grid.role) == ((b.EVENT_GRID,), "AzureEventGridSecureWebhookSubscriber")
    assert tokens.expected(monitor).issuers == {b.V1["iss"], b.V2["iss"]}
    assert monitor.keys_keep > timedelta(days=1)


def _signature(data: bytes) -> bytes:
    return b.key("one").sign(data, padding.PKCS1v15(), hashes.SHA256())
