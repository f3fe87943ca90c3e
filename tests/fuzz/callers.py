"""Who calls: tokens of every kind, webhooks signed and unsigned, and bytes that are hardly HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import requests
from hypothesis import strategies as st

from app.features.sms.callbacks import sign
from tests.fuzz.drive import JSON, ODD, TEXT, caught, drive
from tests.fuzz.world import JWT_SECRET, SERVICE_KEY, TWILIO_TOKEN, WEBHOOK_SECRET, Fault, World

HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)
CLAIMS = st.fixed_dictionaries(
    {}, optional={name: JSON for name in ("sub", "aud", "exp", "nbf", "iat", "iss", "role", "email", "jti")} | {"user_metadata": JSON}
)  # fmt: skip


def fuzz_tokens(world: World, *, examples: int, start: int) -> list[str]:
    """Tokens with any claims, header, signature: none but a user's own gets a user's data."""

    def send(case: tuple[Any, ...]) -> None:
        claims, header, how, noise, real = case
        token = _token(world, claims, header, how, noise, real)
        if token is None:
            return
        own = world.token(0)
        answer = world.ask("tokens", requests.Request("GET", f"{world.api.url}/users/{world.users[0]}/jobs", headers={"Authorization": token.encode("latin-1", "replace")}))
        if answer is not None and answer.status == 200 and own.split(".")[1] not in token and SERVICE_KEY not in token and not _is_good(token, world):
            raise Fault(f"{token!r} was let in")

    headers = st.fixed_dictionaries({}, optional={"alg": st.sampled_from(["none", "HS256", "HS512", "RS256", "", None, 5]), "kid": JSON, "typ": JSON, "crit": JSON})
    strategy = st.tuples(CLAIMS, headers, st.integers(0, 6), HEADER, st.booleans())
    return _driven("tokens", strategy, send, world, examples, start)


def _token(world: World, claims: Any, header: Any, how: int, noise: str, real: bool) -> str | None:
    if real:
        claims = {**claims, "sub": world.users[1], "aud": "authenticated", "exp": 4102444800}
    try:
        if how <= 1:  # ours, whatever it claims
            return "Bearer " + jwt.encode(claims, JWT_SECRET, algorithm="HS256")
        parts = [_b64(json.dumps(part).encode()) for part in (header, claims)]
        if how == 2:
            return "Bearer " + ".".join([*parts, ""])
        if how == 3:
            signature = hmac.new(JWT_SECRET.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
            return "Bearer " + ".".join([*parts, _b64(signature)])
        if how == 4:
            return "Bearer " + world.token(1)[: len(noise) * 5] + noise
        return f"Bearer {noise}" if how == 5 else noise
    except (TypeError, ValueError, UnicodeError, jwt.PyJWTError):
        return None


def _is_good(token: str, world: World) -> bool:
    """Whether a token of ours really is Ada's."""
    try:
        found = jwt.decode(token.removeprefix("Bearer "), JWT_SECRET, algorithms=["HS256"], audience="authenticated")
    except jwt.PyJWTError:
        return False
    return str(found.get("sub", "")).lower() == world.users[0]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _mail() -> st.SearchStrategy:
    """Mails to hand over: most of them complete, with odd words."""
    address = st.sampled_from(["ada@example.com", "ada+x@münchen.example", "<ada@example.com>"]) | TEXT.map(lambda text: f"{text}@example.com")
    words = TEXT | st.sampled_from(["<script>x</script>", "<a href='javascript:x'>", "<p>" * 300, "\r\nBcc: x@example.com", "http://[::1", "&#0;", "\x00"])
    needed = {"recipientEmail": address, "recipientUserId": st.just("x"), "subject": words, "htmlContent": words}
    return st.fixed_dictionaries(needed, optional={"textContent": words, "deliveryId": words, "eventId": words, "eventType": JSON, "metadata": JSON})


def fuzz_webhooks(world: World, *, examples: int, start: int) -> list[str]:
    """What the web app, Twilio and Google send, rightly signed and not."""
    names = st.sampled_from(["MessageSid", "SmsSid", "MessageStatus", "SmsStatus", "ErrorCode", "From", "To", "Body", "OptOutType", "AccountSid"])
    values = TEXT | st.sampled_from(["STOP", "START", "delivered", "undelivered", "failed", "21610", "+14155552671", "SM" + "0" * 32, "\x00"])
    forms = st.dictionaries(names | TEXT.filter(bool), st.lists(values, min_size=1, max_size=2), max_size=8)
    mail = _mail() | JSON

    def twilio(case: tuple[str, dict[str, list[str]], str, str, bool]) -> None:
        path, form, delivery, noise, signed = case
        url = f"{world.api.url}/api/webhooks/twilio/{path}"
        request = requests.Request("POST", url, params={"delivery": delivery} if delivery else None, data=form)
        try:
            full = request.prepare().url or url
            signature = sign(TWILIO_TOKEN, full, form) if signed else noise
        except (UnicodeError, ValueError):
            return
        request.headers = {"X-Twilio-Signature": signature.encode("latin-1", "replace")}
        world.ask("webhooks of Twilio", request)

    def email(case: tuple[Any, bool, str, str, bool]) -> None:
        body, bearer, signature, timestamp, signed = case
        try:
            sent = json.dumps({**body, "recipientUserId": world.users[0]} if isinstance(body, dict) and bearer else body).encode()
        except ValueError:
            return
        if signed:
            timestamp = datetime.now(UTC).isoformat()
            signature = hmac.new(WEBHOOK_SECRET.encode(), timestamp.encode() + b"." + sent, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Webhook-Signature": signature, "X-Webhook-Timestamp": timestamp}
        headers = {name: value.encode("latin-1", "replace") for name, value in headers.items() if value}
        headers |= {"Authorization": f"Bearer {WEBHOOK_SECRET if bearer else signature}".encode("latin-1", "replace")}
        world.ask("webhooks of mail", requests.Request("POST", f"{world.api.url}/api/webhooks/send-notification-email", data=sent, headers=headers))

    def google(case: dict[str, str]) -> None:
        headers = {f"X-Goog-{name}": value.encode("latin-1", "replace") for name, value in case.items()}
        world.ask("webhooks of Google", requests.Request("POST", f"{world.api.url}/api/webhooks/google-calendar", headers=headers))

    def tracking(case: tuple[str, str, str]) -> None:
        what, name, url = case
        path = f"{world.api.url}/email/track/{what}/{requests.utils.quote(name, safe='', errors='replace')}"
        world.ask("links in mails", requests.Request("GET", path, params={"url": url}))

    delivery = st.sampled_from(["", "x", world.ids["message_id"], "\x00"]) | TEXT
    ids = st.sampled_from([world.ids["connection_id"], "x", ""]) | HEADER
    wrong = _driven("Twilio", st.tuples(st.sampled_from(["status", "inbound"]), forms, delivery, HEADER, st.booleans()), twilio, world, examples, start)
    wrong += _driven("mail", st.tuples(mail, st.booleans(), HEADER, HEADER, st.booleans()), email, world, examples, start)
    wrong += _driven("Google", st.fixed_dictionaries({}, optional=dict.fromkeys(("Channel-ID", "Channel-Token", "Resource-ID", "Resource-State"), ids)), google, world, examples, start)
    return wrong + _driven("links", st.tuples(st.sampled_from(["open", "click"]), TEXT.filter(bool), TEXT | ODD.map(str)), tracking, world, examples // 2, start)


def fuzz_wire(world: World, *, examples: int, start: int) -> list[str]:
    """Bytes that are hardly HTTP: odd methods, paths, headers, lengths, chunks."""
    word = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=30).map(lambda text: text.encode("latin-1"))
    method = st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"TRACE", b"HEAD", b"get", b"", b"G\x00T"]) | word
    path = st.sampled_from([b"/health", b"/queue/brief", b"//", b"/%", b"/%00", b"/..;/", b"*", b"http://x/health", b"/users/%ff/jobs", b"/jobs/" + b"a" * 9000]) | word
    version = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b""])
    header = st.sampled_from([
        b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: 5, 6", b"Transfer-Encoding: chunked", b"Transfer-Encoding: x",
        b"Expect: 100-continue", b"Host: ", b"Host: a\x00b", b"Origin: \xff", b"Origin: http://[::1", b"Connection: Upgrade\r\nUpgrade: websocket", b"X: " + b"a" * 70000,
        b"Cookie: io=\xff", b"Range: bytes=0-", b"Content-Type: multipart/form-data", b"Content-Type: application/json; charset=\xff",
    ]) | st.tuples(word, word).map(lambda both: both[0] + b": " + both[1])  # fmt: skip
    body = st.sampled_from([b"", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"{}"]) | st.binary(max_size=60)

    def send(case: tuple[bytes, bytes, bytes, list[bytes], bytes]) -> None:
        begin, where, how, headers, rest = case
        answer = world.wire(b" ".join([begin, where, how]) + b"\r\n" + b"".join(one + b"\r\n" for one in [b"Host: x", *headers]) + b"\r\n" + rest)
        found = answer[9:12].decode("latin-1")
        world.note("raw bytes", found if found.isdigit() else "closed")

    return _driven("raw bytes", st.tuples(method, path, version, st.lists(header, max_size=4), body), send, world, examples, start)


def _driven(name: str, strategy: st.SearchStrategy, act: Any, world: World, examples: int, start: int) -> list[str]:
    return drive(name, strategy, act, examples=examples, start=start) + caught(name, world.alive)
