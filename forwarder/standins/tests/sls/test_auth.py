"""Signatures as the SDK makes them, and every way not to be let in."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Callable
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from aliyun.log.auth import make_auth
from aliyun.log.credentials import StaticCredentialsProvider
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_standins.http import Request
from sls_hec_standins.sls.auth import Key, Keys, authenticate, sign_v1
from sls_hec_standins.sls.errors import SlsError
from sls_hec_standins.sls.switches import Switches

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
NAME = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=10)


def signed(
    version: str,
    method: str = "POST",
    path: str = "/logstores/store",
    query: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    token: str = "",
    secret: str = "sk",
    region: str = "cn-hangzhou",
    target_port: str = "",
) -> Request:
    """A request with the headers that the SDK puts on it (`LogClient._send`, `AuthV1`, `AuthV4`)."""
    query = query or {}
    headers: dict[str, Any] = {"x-log-apiversion": "0.6.0", "Host": "proj.sls.test"}
    if body:
        headers["Content-Type"] = "application/json"
        headers["x-log-bodyrawsize"] = str(len(body))
    provider = StaticCredentialsProvider("ak", secret, token)
    make_auth(provider, version, region).sign_request(method, path, dict(query), headers, body)
    encoded = urlencode(query)
    received = {name.lower(): str(value) for name, value in headers.items()}
    received["host"] += target_port
    return Request(
        method=method,
        path=path,
        query=dict(parse_qsl(encoded, keep_blank_values=True)),
        raw_query=encoded,
        headers=received,
        body=body,
        peer="127.0.0.1",
        secure=False,
        raw_path=quote(path),
    )


def keys(**options: Any) -> Keys:
    known = Keys()
    known.put(Key("ak", "sk", **options))
    return known


def check(request: Request, known: Keys | None = None, *, now: float | None = None, **switches: Any) -> Key:
    at = time.time() if now is None else now
    return authenticate(request, known or keys(), at, Switches().replace(switches), "cn-hangzhou")


def refusal(request: Request, known: Keys | None = None, **options: Any) -> tuple[int, str, str]:
    with pytest.raises(SlsError) as caught:
        check(request, known, **options)
    assert "sk" not in caught.value.message.split()
    return caught.value.status, caught.value.code, caught.value.message


@pytest.mark.parametrize("version", ["v1", "v4"])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    parts=st.lists(TEXT.filter(lambda text: "/" not in text), min_size=1, max_size=3),
    query=st.dictionaries(NAME, TEXT, max_size=4),
    body=st.binary(max_size=50),
    token=st.sampled_from(["", "sts-token"]),
)
def test_what_the_sdk_signs_is_accepted(
    version: str, method: str, parts: list[str], query: dict[str, str], body: bytes, token: str
) -> None:
    request = signed(version, method, "/" + "/".join(parts), query, body, token=token)
    assert check(request, keys(token=token)).id == "ak"


@pytest.mark.parametrize("version", ["v1", "v4"])
@pytest.mark.parametrize(
    "forge",
    [
        lambda r: replace(r, method="PUT"),
        lambda r: replace(r, path="/logstores/other", raw_path="/logstores/other"),
        lambda r: replace(r, query={"type": "cursor", "from": "end"}),
        lambda r: replace(r, query={}),
        lambda r: replace(r, body=b"[2]"),
        lambda r: replace(r, headers={**r.headers, "content-type": "text/plain"}),
        lambda r: replace(r, headers={**r.headers, "x-log-bodyrawsize": "4"}),
        lambda r: replace(r, headers={**r.headers, "x-log-extra": "1"}),
        lambda r: replace(r, headers={**r.headers, "x-acs-extra": "1"}),
        lambda r: replace(r, headers={**r.headers, "authorization": r.headers["authorization"][:-2] + "00"}),
    ],
)
def test_a_changed_request_is_refused(version: str, forge: Callable[[Request], Request]) -> None:
    request = signed(version, query={"type": "cursor", "from": "begin"}, body=b"[1]")
    check(request)
    assert refusal(forge(request))[:2] == (401, "SignatureNotMatch")


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_wrong_secret(version: str) -> None:
    assert refusal(signed(version, secret="other"))[:2] == (401, "SignatureNotMatch")


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_unsigned_headers_may_change(version: str) -> None:
    request = signed(version)
    check(replace(request, headers={**request.headers, "user-agent": "x", "x-log-meta-a": "b"}))


def test_v4_signs_the_host() -> None:
    request = signed("v4")
    assert refusal(replace(request, headers={**request.headers, "host": "evil.sls.test"}))[0] == 401


@pytest.mark.parametrize("port", ["", ":80", ":8080"])
def test_v4_host_is_signed_without_the_port_of_a_proxy_request(port: str) -> None:
    assert check(signed("v4", target_port=port)).id == "ak"


def test_v4_region() -> None:
    foreign = signed("v4", region="cn-beijing")
    check(foreign)
    assert refusal(foreign, v4_region="own")[:2] == (401, "SignatureNotMatch")
    check(signed("v4"), v4_region="own")


def test_v1_date_header_is_replaced_by_x_log_date() -> None:
    """Page "Common request headers": x-log-date is not signed itself, and its value counts as the date."""
    request = signed("v1")
    check(replace(request, headers={**request.headers, "date": "Sun, 06 May 2018 09:44:10 GMT"}))


def test_v1_string_to_sign_of_the_api_reference() -> None:
    """Example 1 of "Request signatures", with its secret made up."""
    headers = {
        "date": "Mon, 09 Nov 2015 06:11:16 GMT",
        "x-log-apiversion": "0.6.0",
        "x-log-signaturemethod": "hmac-sha1",
        "host": "ali-test-project.regionid.example.com",
    }
    query = {"logstoreName": "", "offset": "0", "size": "1000"}
    # printf '<the string of the example>' | openssl dgst -sha1 -hmac secret -binary | base64
    assert sign_v1("secret", "GET", "/logstores", query, headers) == "WmHfTDoiswHtfEoW+XDgJxvgJaE="


def test_v1_by_sha256() -> None:
    """As the generated SDKs sign: the hash function is named by a header that is signed itself."""
    headers = {
        "date": "Mon, 09 Nov 2015 06:11:16 GMT",
        "x-log-apiversion": "0.6.0",
        "x-log-signaturemethod": "hmac-sha256",
        "host": "ali-test-project.regionid.example.com",
    }
    query = {"logstoreName": "", "offset": "0", "size": "1000"}
    # printf '<the string of the example above>' | openssl dgst -sha256 -hmac secret -binary | base64
    expected = "ka5iPz/oAytxgMYrVP33IhAKfRp8JRYQmJsNQiBlYQA="
    assert sign_v1("secret", "GET", "/logstores", query, headers) == expected


@pytest.mark.parametrize("method", ["hmac-sha1", "hmac-sha256"])
def test_v1_signs_by_the_method_it_names(method: str) -> None:
    request = signed("v1", body=b"{}")
    headers = {**request.headers, "x-log-signaturemethod": method}
    signature = sign_v1("sk", request.method, request.path, request.query, headers)
    made = replace(request, headers={**headers, "authorization": f"LOG ak:{signature}"})
    check(made)
    other = "hmac-sha256" if method == "hmac-sha1" else "hmac-sha1"
    with pytest.raises(SlsError) as caught:
        check(replace(made, headers={**made.headers, "x-log-signaturemethod": other}))
    assert caught.value.code == "SignatureNotMatch"


def changed(**headers: str | None) -> Request:
    request = signed("v1", body=b"{}")
    merged = {**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return replace(request, headers={name: value for name, value in merged.items() if value is not None})


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (changed(host=None), "MissingHost"),
        (changed(x_log_apiversion=None), "MissingAPIVersion"),
        (changed(x_log_apiversion="9"), "InvalidAPIVersion"),
        (changed(x_log_signaturemethod=None), "MissingSignatureMethod"),
        (changed(x_log_signaturemethod="md5"), "InvalidSignatureMethod"),
        (changed(date=None, x_log_date=None), "MissingDate"),
        (changed(x_log_date="yesterday"), "InvalidDateFormat"),
        (changed(x_log_date="Sun, 99 May 2018 09:44:10 GMT"), "InvalidDateFormat"),
        (changed(content_type=None), "MissingContentType"),
        (changed(authorization=None), "MissAccessKeyId"),
        (changed(authorization="Basic abc"), "MissAccessKeyId"),
        (changed(authorization="LOG :x"), "MissAccessKeyId"),
    ],
)
def test_headers_that_are_missing_or_wrong(request_: Request, code: str) -> None:
    """The table "Common error codes" of the API reference."""
    assert refusal(request_)[:2] == (400, code)


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_clock_skew(version: str) -> None:
    request = signed(version)
    for skew in (-890, 890):
        check(request, now=time.time() + skew)
    for skew in (-910, 910):
        assert refusal(request, now=time.time() + skew)[:2] == (400, "RequestTimeTooSkewed")
    assert refusal(request, now=0.0, skew_code="RequestTimeExpired")[1] == "RequestTimeExpired"


def test_unknown_key() -> None:
    """The text is what the tests of aliyun-log-go-sdk expect of the real service."""
    unknown = refusal(signed("v1"), Keys())
    assert unknown == (401, "Unauthorized", "AccessKeyId not found: ak")
    assert refusal(signed("v1"), Keys(), unknown_key_code="InvalidAccessKeyId")[:2] == (
        401,
        "InvalidAccessKeyId",
    )


def test_disabled_key() -> None:
    assert refusal(signed("v1"), keys(disabled=True)) == (401, "Unauthorized", "AccessKeyId is disabled: ak")


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_token_and_its_expiry(version: str) -> None:
    known = keys(token="right", expires=time.time() + 60)
    check(signed(version, token="right"), known)
    for token in ("wrong", ""):
        invalid = (401, "Unauthorized", "The security token you provided is invalid.")
        assert refusal(signed(version, token=token), known) == invalid
    expired = refusal(signed(version, token="right"), known, now=time.time() + 61)
    assert expired == (401, "Unauthorized", "The security token you provided has expired.")
    for code in ("SecurityTokenExpired", "SecurityToken.Expired"):
        found = refusal(signed(version, token="right"), known, now=time.time() + 61, token_expired_code=code)
        assert found[:2] == (401, code)


def test_permissions_are_globs_of_actions() -> None:
    assert Key("a", "s").permits("log:ListShards")
    reader = Key("a", "s", allow=("log:List*", "log:GetCursorOrData"), deny=("log:ListProject",))
    assert reader.permits("log:ListShards")
    assert reader.permits("log:GetCursorOrData")
    assert not reader.permits("log:ListProject")
    assert not reader.permits("log:PostLogStoreLogs")


def test_secrets_are_not_shown() -> None:
    key = Key("ak", "top-secret", token="my-token")
    assert "top-secret" not in repr(key) + str(key.as_json())
    assert "my-token" not in repr(key) + str(key.as_json())
    assert key.as_json()["temporary"] is True


def test_keys_are_replaced_and_removed() -> None:
    known = keys()
    known.put(Key("ak", "new"))
    assert [key.secret for key in known.all()] == ["new"]
    assert known.remove("ak")
    assert not known.remove("ak")
    assert known.get("ak") is None
