"""One suite for every way a text message can leave: Twilio, and nowhere; and what Twilio's answers mean."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.adapters.sms_none import NoSms
from app.adapters.sms_twilio import TwilioSms
from app.ports.sms import Sms, SmsDeferred, SmsError, SmsMessage, SmsRefused, SmsUnknown, SmsUnsubscribed
from tests.support.servers import plain_settings
from tests.support.twilio_server import TOKEN, TwilioServer

MESSAGE = SmsMessage(UUID(int=1), "+14155552671", "Reminder: Kaffee & Kuchen für 2 € at 10:00 AM ☕ 漢字")
AGES_AGO = datetime(2000, 1, 1, tzinfo=UTC)
WAYS = {
    "twilio": lambda twilio: TwilioSms(plain_settings(**twilio.settings())),
    "none": lambda twilio: NoSms(),
}


@pytest.fixture(params=WAYS)
def sms(request: pytest.FixtureRequest, twilio: TwilioServer) -> Sms:
    return WAYS[request.param](twilio)


@pytest.fixture
def real(twilio: TwilioServer) -> TwilioSms:
    return TwilioSms(plain_settings(**twilio.settings()))


class TestEveryWay:
    def test_says_before_whether_it_takes_anything(self, sms: Sms, twilio: TwilioServer) -> None:
        try:
            sms.check()
        except SmsRefused as refused:
            with pytest.raises(SmsRefused, match=f"^{refused}$"):
                sms.send(MESSAGE)
        else:
            assert sms.send(MESSAGE).sid
            assert [(each.to, each.body) for each in twilio.messages] == [(MESSAGE.to, MESSAGE.text)]

    def test_finds_what_it_took_and_nothing_else(self, sms: Sms) -> None:
        assert sms.find(MESSAGE, AGES_AGO) is None
        try:
            taken = sms.send(MESSAGE)
        except SmsRefused:
            taken = None
        assert sms.find(MESSAGE, AGES_AGO) == taken
        assert sms.find(SmsMessage(UUID(int=1), MESSAGE.to, "Other words"), AGES_AGO) is None
        assert sms.find(SmsMessage(UUID(int=1), "+14155550000", MESSAGE.text), AGES_AGO) is None
        assert sms.find(MESSAGE, datetime.now(UTC) + timedelta(hours=1)) is None

    def test_raises_what_the_port_names_and_tells_no_secret(self, sms: Sms, twilio: TwilioServer) -> None:
        for answer in (400, 401, 403, 404, 429, 500, 503, 21610, "silence", "lost", "html"):
            twilio.answers[:] = [answer]
            with pytest.raises(SmsError) as error:
                sms.send(MESSAGE)
            said = str(error.value)
            assert said and "\n" not in said and TOKEN not in said and "AC" + "a" * 32 not in said


@pytest.mark.parametrize(
    ("answer", "expected", "code"),
    [
        (400, SmsRefused, "21211"), (401, SmsRefused, "20003"), (403, SmsRefused, "20003"), (404, SmsRefused, "20404"),
        (21610, SmsUnsubscribed, "21610"), (429, SmsDeferred, "20429"), (503, SmsDeferred, "20503"), (500, SmsUnknown, "20500"),
        ("html", SmsUnknown, None), ("silence", SmsUnknown, None), ("lost", SmsUnknown, None),
    ],
    ids=str,
)  # fmt: skip
def test_what_an_answer_means(
    real: TwilioSms, twilio: TwilioServer, answer: int | str, expected: type[SmsError], code: str | None
) -> None:
    twilio.answers[:] = [answer]
    with pytest.raises(SmsError) as error:
        real.send(MESSAGE)
    assert (type(error.value), error.value.code) == (expected, code)
    assert twilio.requests == 1  # nothing is tried twice


def test_a_wrong_token_is_refused(twilio: TwilioServer) -> None:
    wrong = TwilioSms(plain_settings(**twilio.settings(private_twilio_auth_token="wrong")))
    with pytest.raises(SmsRefused, match="401"):
        wrong.send(MESSAGE)


def test_nobody_there_is_deferred_and_silence_is_not() -> None:
    keys = {
        "private_twilio_account_sid": "AC1",
        "private_twilio_auth_token": "t",
        "private_twilio_messaging_service_sid": "MG1",
    }
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(SmsUnknown):
            TwilioSms(plain_settings(**keys, twilio_base_url=f"http://127.0.0.1:{port}", twilio_timeout=0.2)).send(
                MESSAGE
            )
    with pytest.raises(SmsDeferred, match="cannot be reached"):
        TwilioSms(plain_settings(**keys, twilio_base_url=f"http://127.0.0.1:{port}")).send(MESSAGE)
