"""The gate in front of the engine: what a web page, a stranger and a forger send, and what an SDK sends."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import boto3
import botocore.session
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import iam, sts

from sandbox.gate import Gate, WithoutCors
from sandbox.identity import ACCOUNT_ID, TOKEN_HEADER, Keys

PORT = 4566
HOST = f"127.0.0.1:{PORT}"
KEYS = Keys("LOCALKEYOFTHETESTS22", "a-secret-of-forty-characters-for-the-tests")  # no random names of tests
JSON = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}


@dataclass
class Answer:
    """What the gate answered, and the body that reached the application behind it, if it did."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    closed: int | None = None
    passed: bytes | None = None

    @property
    def refused(self) -> bool:
        return self.passed is None and (self.status in (400, 403) or self.closed == 1008)


def send(
    method: str = "POST",
    path: str = "/",
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    body: bytes = b"",
    *,
    kind: str = "http",
    keys: Keys = KEYS,
) -> Answer:
    """Sends a request to a gate whose application has a CORS header in its response."""
    answer = Answer()
    split = urlsplit(path)
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    scope = {
        "type": kind,
        "path": split.path if "%" not in split.path else _decoded(split.path),
        "raw_path": split.path.encode(),
        "query_string": split.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
    } | ({"method": method} if kind == "http" else {})

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        answer.passed = message.get("body", b"")
        cors = [(b"access-control-allow-origin", b"*"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": cors})
        await send({"type": "http.response.body", "body": b"passed"})

    half = len(body) // 2
    waiting: list[dict[str, Any]] = (
        [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]
        if kind == "http"
        else [{"type": "websocket.connect"}]
    )

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def take(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "websocket.close":
            answer.closed = message["code"]
        else:
            answer.body += message["body"]

    asyncio.run(Gate(WithoutCors(behind), PORT, keys)(scope, receive, take))
    return answer


def _decoded(path: str) -> str:
    return unquote(path)


def signed(
    service: str = "dynamodb",
    method: str = "POST",
    path: str = "/",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    key: str = KEYS.access_key_id,
    secret: str = KEYS.secret_access_key,
    token: str | None = None,
    signer: Any = None,
    host: str = HOST,
) -> tuple[str, str, dict[str, str], bytes]:
    """Signs a request as an SDK does: method, path with the query, headers, body."""
    request = AWSRequest(method, f"http://{host}{path}", {"Host": host, **(headers or {})}, body)
    given_signer = signer or (S3SigV4Auth if service == "s3" else SigV4Auth)
    given_signer(Credentials(key, secret, token), service, "us-east-1").add_auth(request)
    url = urlsplit(request.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    return method, target, dict(request.headers.items()), body


def form_post(**query: str) -> Answer:
    """Creates a role as the form of a web page can: no preflight, since the type is one that forms have."""
    body = urlencode({"Action": "CreateRole", "Version": "2010-05-08", "RoleName": "page"}).encode()
    headers = {"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"}
    return send("POST", "/?" + urlencode(query), headers, body)


class TestSender:
    @pytest.mark.parametrize(
        "host",
        [
            "attacker.example",
            f"attacker.example:{PORT}",
            "127.0.0.1:4567",
            "localhost.attacker.example",
            f"127.0.0.1.attacker.example:{PORT}",
            "127.0.0.2",
            "0.0.0.0:4566",
            "[::]:4566",
            "",
            f"evil@127.0.0.1:{PORT}",
            f"127.0.0.1:{PORT}:80",
            f"127.0.0.1:{PORT} ",
            "10.0.0.1.nip.io",
            "xlocalhost",
            "s3.amazonaws.com",
        ],
    )
    def test_foreign_host_is_refused_though_signed(self, host: str) -> None:
        answer = send(*signed(host=HOST)[:2], {**signed(headers=JSON)[2], "Host": host})
        assert answer.refused
        assert answer.status == 403
        assert b"the local engine is not" in answer.body

    @pytest.mark.parametrize(
        "host",
        [
            HOST,
            "127.0.0.1",
            "localhost",
            f"localhost:{PORT}",
            f"LOCALHOST:{PORT}",
            f"[::1]:{PORT}",
            f"bucket.s3.localhost:{PORT}",
            f"my-bucket.with.dots.s3.us-east-1.localhost:{PORT}",
        ],
    )
    def test_own_addresses_and_bucket_hosts_pass(self, host: str) -> None:
        assert send(*signed(headers=JSON, host=host)).passed == b""

    def test_missing_and_repeated_hosts_are_refused(self) -> None:
        method, path, headers, body = signed(headers=JSON)
        others = [pair for pair in headers.items() if pair[0] != "Host"]
        assert send(method, path, others, body).refused
        assert send(method, path, [*others, ("Host", HOST), ("Host", HOST)], body).refused

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://attacker.example"},
            {"Origin": "null"},
            {"Origin": ""},
            {"Origin": "http://127.0.0.1:3000"},
            {"Origin": f"https://{HOST}"},
            {"Origin": f"http://{HOST}.attacker.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "anything-new"},
            {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "cross-site"},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("path", ["/", "/_sandbox/health", "/_sandbox/loops", "/_aws/lambda-url/abc/"])
    def test_foreign_page_is_refused_though_signed(self, path: str, headers: dict[str, str]) -> None:
        method, target, all_headers, body = signed(path=path, headers=JSON)
        answer = send(method, target, {**all_headers, TOKEN_HEADER: KEYS.token, **headers}, body)
        assert answer.refused
        assert "local engine takes no requests from" in answer.body.decode()

    @pytest.mark.parametrize(
        "headers",
        [{"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
        ids=str,
    )
    def test_own_pages_pass(self, headers: dict[str, str]) -> None:
        method, path, all_headers, body = signed(headers=JSON)
        assert send(method, path, {**all_headers, **headers}, body).passed == b""

    def test_preflight_gets_no_cors_headers(self) -> None:
        asked = {
            "Host": HOST,
            "Origin": "https://attacker.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-amz-target, authorization",
        }
        for headers in (asked, {**asked, "Origin": f"http://{HOST}"}):
            answer = send("OPTIONS", "/", headers)
            assert answer.refused
            assert not [name for name in answer.headers if name.startswith("access-control")]

    def test_responses_have_no_cors_headers(self) -> None:
        answer = send(*signed(headers=JSON))
        assert (answer.status, answer.headers) == (200, {"content-type": "text/plain"})

    def test_websocket_of_a_page_is_closed(self) -> None:
        path = "/_aws/execute-api/abcd1234/stage"
        page = {"Host": HOST, "Origin": "https://attacker.example"}
        assert send(path=path, headers=page, kind="websocket").closed == 1008
        assert send(path="/", headers={"Host": HOST}, kind="websocket").closed == 1008
        assert send(path=path, headers={"Host": "attacker.example"}, kind="websocket").closed == 1008
        assert send(path=path, headers={"Host": HOST}, kind="websocket").passed == b""


class TestSignature:
    def test_form_of_a_web_page_creates_no_role(self) -> None:
        assert form_post().refused
        assert b"MissingAuthenticationToken" in form_post().body

    @pytest.mark.parametrize("key", ["sandbox", "test", "222222222222", ACCOUNT_ID, KEYS.access_key_id])
    def test_key_in_the_query_alone_is_worth_nothing(self, key: str) -> None:
        credential = f"{key}/20261127/us-east-1/iam/aws4_request"
        assert form_post(**{"X-Amz-Credential": credential}).refused
        assert form_post(**{"x-amz-credential": credential}).refused
        assert form_post(AWSAccessKeyId=key).refused
        assert form_post(AWSAccessKeyId=key, Signature="x", Expires="9999999999").refused
        assert form_post(**{"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": credential}).refused

    @pytest.mark.parametrize(
        ("key", "secret"),
        [
            ("sandbox", "sandbox"),
            ("test", "test"),
            ("test", KEYS.secret_access_key),
            (KEYS.access_key_id, "guessed"),
            ("222222222222", "222222222222"),
            ("LOCALUNKNOWN", KEYS.secret_access_key),
            ("AKIAIOSFODNN7EXAMPLE", "x"),
        ],
    )
    def test_wrong_keys_are_refused(self, key: str, secret: str) -> None:
        assert send(*signed(headers=JSON, key=key, secret=secret)).refused

    def test_signature_in_header_passes(self) -> None:
        body = b'{"Limit": 3}'
        assert send(*signed(headers=JSON, body=body)).passed == body

    def test_12_digits_with_the_secret_of_the_run_pass(self) -> None:
        assert send(*signed(headers=JSON, key="222222222222")).passed == b""

    @pytest.mark.parametrize(
        "path", ["/b/a%20b/%C3%BC%2Bx?list-type=2&prefix=a%2Fb%20c&x=", "/b//a/../c", "/b"]
    )
    def test_signatures_of_s3_pass(self, path: str) -> None:
        assert send(*signed("s3", "PUT", path, body=b"content")).passed == b"content"

    def test_key_of_an_earlier_run_is_refused(self) -> None:
        assert send(*signed(headers=JSON), keys=Keys.random()).refused

    def test_changed_requests_are_refused(self) -> None:
        method, path, headers, body = signed(headers=JSON, body=b'{"Limit": 3}')
        assert send(method, path, headers, body).passed == body
        assert send("PUT", path, headers, body).refused
        assert send(method, "/other", headers, body).refused
        assert send(method, "/?Action=CreateRole", headers, body).refused
        assert send(method, path, headers, b'{"Limit": 4}').refused
        assert send(method, path, {**headers, "X-Amz-Target": "DynamoDB_20120810.PutItem"}, body).refused
        # S3 signs the hash of the body, not the body.
        method, path, headers, body = signed("s3", "PUT", "/b/k", body=b"content")
        assert send(method, path, headers, b"CONTENT").refused

    def test_old_request_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        earlier = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=16)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: earlier.replace(tzinfo=None))
        assert send(*signed(headers=JSON)).refused

    def test_request_without_a_readable_date_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("botocore.auth.SIGV4_TIMESTAMP", "%Y%m%dT%H%M")
        assert send(*signed(headers=JSON)).refused

    def test_stale_session_token_is_refused_with_what_to_do(self) -> None:
        answer = send(*signed(headers=JSON, token="of-another-account"))
        assert answer.refused
        assert b"unset AWS_SESSION_TOKEN" in answer.body

    def test_two_credentials_are_refused(self) -> None:
        method, path, headers, body = signed(headers=JSON)
        other = "Credential=222222222222/20261127/us-east-1/iam/aws4_request"
        assert send(method, f"/?X-Amz-{other}", headers, body).refused
        assert send(method, path, [*headers.items(), ("Authorization", other)], body).refused
        twice = {
            **headers,
            "Authorization": headers["Authorization"].replace(" Credential", f" {other}, Credential"),
        }
        assert send(method, path, twice, body).refused

    @pytest.mark.parametrize(
        "authorization",
        [
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=/20261127/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0",
            f"AWS4-HMAC-SHA256 Credential={KEYS.access_key_id}, SignedHeaders=host, Signature=0",
            f"AWS {KEYS.access_key_id}:c2lnbmF0dXJl",
            "AWS4-ECDSA-P256-SHA256 Credential=222222222222/20261127/iam/aws4_request, SignedHeaders=, Signature=0",
            f"Bearer {KEYS.secret_access_key}",
            "Basic dGVzdDp0ZXN0",
            "\xff",
        ],
    )
    def test_other_authorization_is_refused(self, authorization: str) -> None:
        assert send("POST", "/", {"Host": HOST, "Authorization": authorization, **JSON}).refused

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=120))
    def test_any_authorization_is_refused_without_an_exception(self, text: str) -> None:
        assert send("POST", "/", {"Host": HOST, "Authorization": text, **JSON}).refused
        prefixed = f"AWS4-HMAC-SHA256 {text}"
        assert send("POST", "/", {"Host": HOST, "Authorization": prefixed, **JSON}).refused
        assert send("POST", "/?" + quote(text, safe="&=%"), {"Host": HOST, **JSON}).refused

    def test_chunks_of_a_streamed_body_are_verified(self) -> None:
        """S3's streaming payload: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""
        method, path, headers, body = _streamed(b"content")
        assert send(method, path, headers, body).passed == body
        assert send(method, path, headers, body.replace(b"content", b"CONTENT")).refused
        assert send(method, path, headers, b"").refused


class TestPresigned:
    def presigned(self, method: str = "get_object", **more: Any) -> str:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{HOST}",
            region_name="us-east-1",
            aws_access_key_id=KEYS.access_key_id,
            aws_secret_access_key=KEYS.secret_access_key,
            config=Config(signature_version=more.pop("version", "s3v4")),
        )
        url = urlsplit(client.generate_presigned_url(method, {"Bucket": "b", "Key": "a b/c"}, ExpiresIn=60))
        return f"{url.path}?{url.query}"

    def test_presigned_url_passes(self) -> None:
        assert send("GET", self.presigned(), {"Host": HOST}).passed == b""
        assert send("PUT", self.presigned("put_object"), {"Host": HOST}, b"content").passed == b"content"

    def test_presigned_url_with_signature_version_2_is_refused(self) -> None:
        answer = send("GET", self.presigned(version="s3"), {"Host": HOST})
        assert answer.refused
        assert b"InvalidRequest" in answer.body

    def test_presigned_url_cannot_be_changed(self) -> None:
        url = self.presigned()
        assert send("DELETE", url, {"Host": HOST}).refused
        assert send("GET", url.replace("/b/", "/other/"), {"Host": HOST}).refused
        assert send("GET", url + "&Action=CreateRole", {"Host": HOST}).refused
        for seconds in ("600", "9" * 30, "-1", "", "x"):
            changed = url.replace("Expires=60", f"Expires={seconds}")
            assert send("GET", changed, {"Host": HOST}).refused

    def test_presigned_url_reaches_no_other_service(self) -> None:
        """Its signature covers neither the body nor headers that are added."""
        url = self.presigned("put_object")
        assert send("PUT", url, {"Host": HOST, **JSON}).refused
        form = {"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"}
        upload = self.presigned("create_multipart_upload")
        assert send("POST", upload, {"Host": HOST}).passed == b""
        assert send("POST", upload, form, b"Action=CreateRole&Version=2010-05-08&RoleName=x").refused

    def test_expired_url_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        earlier = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: earlier.replace(tzinfo=None))
        assert send("GET", self.presigned(), {"Host": HOST}).refused

    def test_presigned_request_to_another_service_passes(self) -> None:
        method, target, _, body = signed(
            "sts", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", signer=SigV4QueryAuth
        )
        assert send(method, target, {"Host": HOST}, body).passed == b""
        assert send(method, target, {"Host": HOST, **JSON}, body).refused


class TestOthersKeys:
    @pytest.fixture
    def role(self) -> Iterator[dict[str, str]]:
        """The session of a role."""
        keys = {"key": "ASIATESTGATE00000001", "secret": "of-the-role", "token": "session-token"}
        sts._sessions[keys["key"]] = {
            "Arn": f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/reader/me",
            "AccountId": ACCOUNT_ID,
            "UserId": "AROA:me",
            "SecretAccessKey": keys["secret"],
            "SessionToken": keys["token"],
        }
        yield keys
        del sts._sessions[keys["key"]]

    def test_session_of_a_role_passes_with_its_token(self, role: dict[str, str]) -> None:
        assert send(*signed(headers=JSON, **role)).passed == b""
        assert send(*signed(headers=JSON, **{**role, "token": "other"})).refused
        assert send(*signed(headers=JSON, **{**role, "token": None})).refused
        assert send(*signed(headers=JSON, **{**role, "secret": KEYS.secret_access_key})).refused

    def test_key_of_a_user_passes(self) -> None:
        record = {"Status": "Active", "SecretAccessKey": "of-the-user", "UserName": "me"}
        iam._access_keys.set_scoped(ACCOUNT_ID, None, "AKIATESTGATE00000001", record)
        try:
            user = {"key": "AKIATESTGATE00000001", "secret": "of-the-user"}
            assert send(*signed(headers=JSON, **user)).passed == b""
            assert send(*signed(headers=JSON, **{**user, "secret": "guessed"})).refused
            record["Status"] = "Inactive"
            assert send(*signed(headers=JSON, **user)).refused
        finally:
            iam._access_keys.pop_scoped(ACCOUNT_ID, None, "AKIATESTGATE00000001", None)


class TestControlRoutes:
    ROUTES = (
        "/_sandbox/config",
        "/_sandbox/loops/message-1/answer",
        "/_sandbox/events",
        "/_sandbox/anything",
        "/_ministack/reset",
        "/_ministack/config",
        "/_ministack/sqs/messages",
        "/_ministack/ses/messages",
        "/_ministack/lambda-code/function",
        "/_ministack/health",
        "/_ministack/eks-auth/x",
        "/_ministack/rds/iam-auth",
        "/_localstack/health",
    )

    @pytest.mark.parametrize("path", ROUTES)
    def test_control_route_needs_the_token_of_the_run(self, path: str) -> None:
        method, target, headers, body = signed(path=path, headers=JSON)
        for token in (None, "", "x", Keys.random().token, KEYS.secret_access_key, "\xff"):
            others = {**headers, TOKEN_HEADER: token} if token is not None else headers
            assert send(method, target, others, body).refused
        assert send("POST", path, {"Host": HOST, TOKEN_HEADER: KEYS.token}, b"{}").status == 200

    @pytest.mark.parametrize(
        "path", ["/health", "/latest/meta-data/iam/security-credentials/", "/logout", "//_sandbox/x"]
    )
    def test_other_routes_need_a_signature(self, path: str) -> None:
        assert send("GET", path, {"Host": HOST}).refused
        assert send("GET", path, {"Host": HOST, TOKEN_HEADER: KEYS.token}).refused

    def test_client_of_the_routes_shows_what_to_do(self) -> None:
        answer = send("GET", "/_sandbox/loops", {"Host": HOST})
        assert "run `source .engine.env` again" in json.loads(answer.body)["message"]

    def test_open_routes_need_neither(self) -> None:
        assert send("GET", "/_sandbox/health", {"Host": HOST}).status == 200
        assert send("PUT", "/_ministack/cfn-response/random", {"Host": HOST}).status == 200
        assert send("POST", "/_ministack/cfn-response/random", {"Host": HOST}).refused

    def test_link_that_confirms_a_subscription_needs_no_signature_and_does_nothing_else(self) -> None:
        link = "/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:1:t&Token=random"
        assert send("GET", link, {"Host": HOST}).status == 200
        assert send("POST", link, {"Host": HOST}).refused
        assert send("GET", link, {"Host": HOST, **JSON}).refused
        assert send("GET", f"{link}&Action=Publish", {"Host": HOST}).refused
        assert send("GET", link.replace("ConfirmSubscription", "DeleteTopic"), {"Host": HOST}).refused
        assert send("GET", link.replace("/?", "/bucket?"), {"Host": HOST}).refused

    def test_function_url_needs_no_signature_but_leads_nowhere_else(self) -> None:
        path = "/_aws/lambda-url/abc/"
        assert send("GET", path, {"Host": HOST}).status == 200
        assert send("GET", path, {"Host": HOST, **JSON}).refused
        assert send("GET", path, {"Host": f"bucket.s3.localhost:{PORT}"}).refused
        assert send(
            "GET", f"{path}?X-Amz-Credential=test/1/us-east-1/iam/aws4_request", {"Host": HOST}
        ).refused
        assert send(
            "GET", path, {"Host": HOST, "Authorization": "AWS4-HMAC-SHA256 Credential=test/x"}
        ).refused


def test_client_that_has_gone_is_no_error() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def never(*_: Any) -> None:
        raise AssertionError("nobody waits for an answer")

    _, path, headers, _ = signed(headers=JSON)
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": pairs}
    asyncio.run(Gate(never, PORT, KEYS)(scope, gone, never))


def test_error_behind_the_gate_is_raised() -> None:
    async def broken(*_: Any) -> None:
        raise ConnectionError("of the application")

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/_sandbox/health",
        "headers": [(b"host", HOST.encode())],
    }
    with pytest.raises(ConnectionError, match="of the application"):
        asyncio.run(Gate(broken, PORT, KEYS)(scope, broken, broken))


NAMES = [
    "Host",
    "Origin",
    "Authorization",
    "X-Amz-Target",
    "X-Amz-Date",
    "Content-Type",
    TOKEN_HEADER,
    "X-Other",
]
CHARACTERS = st.characters(min_codepoint=32, max_codepoint=255)
VALUES = st.sampled_from(
    [
        HOST,
        "localhost",
        "s3.localhost",
        "AWS4-HMAC-SHA256 Credential=test/1/2/s3/aws4_request",
        *JSON.values(),
    ]
) | st.text(CHARACTERS, max_size=30)
PATHS = st.sampled_from(
    ["/", "/_sandbox/loops", "/_ministack/reset", "/_aws/", "/human-loops", "//", "*"]
) | st.text(CHARACTERS, max_size=30).map(lambda text: "/" + quote(text, safe="/&=%:"))
QUERIES = st.sampled_from(
    ["", "?Action=CreateRole", "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test/1/2/s3/aws4_request"]
)


@given(
    st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "PROPFIND"]),
    PATHS,
    QUERIES,
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6),
    st.sampled_from(["http", "websocket"]),
)
def test_anything_without_signature_is_refused_without_an_exception(
    method: str, path: str, query: str, headers: list[tuple[str, str]], kind: str
) -> None:
    assert send(method, path + query, [("Host", HOST), *headers], b"Action=CreateRole", kind=kind).refused
    assert send(method, path + query, headers, kind=kind).refused


def test_refusal_is_an_error_that_the_sdk_shows() -> None:
    parser = botocore.session.Session()
    for service, headers in (
        ("dynamodb", JSON),
        ("iam", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("s3", {}),
        ("lambda", {}),
    ):
        answer = send(*signed(service, path="/bucket/key", headers={**headers}, secret="guessed"))
        model = parser.get_service_model(service)
        shown = create_parser(model.resolved_protocol).parse(
            {"status_code": answer.status, "headers": answer.headers, "body": answer.body}, None
        )
        assert shown["Error"]["Code"] in ("SignatureDoesNotMatch", "InvalidSignatureException"), service
        assert "signature" in shown["Error"]["Message"]


def test_keys_are_random_and_their_secret_is_not_shown() -> None:
    first, second = Keys.random(), Keys.random()
    assert first.secret_access_key != second.secret_access_key
    assert (len(first.access_key_id), len(first.secret_access_key)) == (20, 40)
    assert not first.access_key_id.isdigit()
    assert first.secret_access_key not in repr(first)
    assert first.secret_access_key not in first.token


def _streamed(content: bytes) -> tuple[str, str, dict[str, str], bytes]:
    """Signs a body in one chunk, and the empty last one."""

    def sign(key: bytes, text: str) -> bytes:
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    class Streaming(S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

        def _should_sha256_sign_payload(self, request: Any) -> bool:
            return True

    method, path, headers, _ = signed("s3", "PUT", "/b/k", signer=Streaming)
    seed = headers["Authorization"].rpartition("Signature=")[2]
    date = headers["X-Amz-Date"]
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    key = f"AWS4{KEYS.secret_access_key}".encode()
    for part in scope.split("/"):
        key = sign(key, part)
    body, previous, empty = b"", seed, hashlib.sha256(b"").hexdigest()
    for chunk in (content, b""):
        digest = hashlib.sha256(chunk).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, scope, previous, empty, digest])
        previous = sign(key, text).hex()
        body += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + b"\r\n"
    return method, path, headers, body
