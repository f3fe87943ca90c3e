"""Settings → engine, adapters, services: the one place that knows the real implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, Engine

from app.adapters.calendar_feed import FeedReader
from app.adapters.calendar_google import GoogleCalendarApi
from app.adapters.llm_openai import ChainLLM
from app.adapters.mail_mime import sender_of
from app.adapters.mail_outbox import Outbox
from app.adapters.mail_smtp import SmtpMail
from app.adapters.mail_webhook import WebhookMail
from app.adapters.push_local import LocalPush
from app.adapters.sms_none import NoSms
from app.adapters.watched import GOOGLE_CALLS, watched
from app.db.engine import make_engine
from app.db.meters import Meter
from app.features.braindump.service import BrainDumpService
from app.features.briefs.service import BriefService
from app.features.calendar.connecting import Connecting
from app.features.calendar.service import ensure_expanded
from app.features.calendar.syncing import CalendarSync
from app.features.calendar.vault import Vault
from app.features.email.sending import Sender
from app.features.email.service import EmailService
from app.features.notifications.service import NotificationService
from app.features.onboarding.service import OnboardingService
from app.features.phases.service import PhasesService
from app.features.sms.service import SmsService
from app.features.upkeep import UpkeepService
from app.ports.clock import Clock, SystemClock
from app.ports.llm import LLM
from app.ports.mail import Mail
from app.ports.push import Push
from app.ports.sms import Sms
from app.queue.claims import Claim
from app.settings import Settings

FailureNote = Callable[[Connection, Claim, str, bool], None]


@dataclass
class Services:
    """What a process works with. Tests pass their own parts the same way.

    `failure_notes`: by job type, what a feature notes in the transaction that records a failure: (conn, claim, message, final).
    """

    settings: Settings
    engine: Engine
    clock: Clock
    meter: Meter
    briefs: BriefService
    email: EmailService
    notifications: NotificationService
    sms: SmsService
    brain_dumps: BrainDumpService
    calendar: CalendarSync
    connecting: Connecting
    phases: PhasesService
    onboarding: OnboardingService
    upkeep: UpkeepService
    failure_notes: dict[str, FailureNote] = field(default_factory=dict)


def build(
    settings: Settings,
    *,
    application_name: str = "buildos",
    engine: Engine | None = None,
    clock: Clock | None = None,
    llm: LLM | None = None,
    mail: Mail | None = None,
    push: Push | None = None,
    sms: Sms | None = None,
) -> Services:
    """The services of this process, on the real adapters where none is passed. Nothing connects before its first use."""
    engine = engine or make_engine(settings, application_name=application_name)
    clock = clock or SystemClock()
    meter = Meter(engine)
    llm = watched(llm or ChainLLM(settings), "llm", ("complete", "stream"), meter)
    push = push or _push(settings)
    push = watched(push, f"push_{push.name}", ("send",), meter)
    sms = sms or _sms(settings)
    sms = watched(sms, f"sms_{sms.name}", ("send", "find") if sms.name != "none" else (), meter)
    brain_dumps = BrainDumpService(engine, clock, llm)
    notifications = NotificationService(engine, clock, push, web_app=settings.web_app_url)
    briefs = BriefService(
        engine,
        clock,
        llm,
        expand_calendar=ensure_expanded,
        announce=notifications.announce,
    )
    phases = PhasesService(engine, clock, llm, expand_calendar=ensure_expanded, announce=notifications.announce)
    onboarding = OnboardingService(engine, clock, llm, announce=notifications.announce)
    email = _email(settings, engine, clock, meter, mail)
    notes = {"generate_daily_brief": _brief_note(briefs), "send_notification": _notification_note(notifications)}
    notes["process_brain_dump"] = _brain_dump_note(brain_dumps)
    notes |= dict.fromkeys(("generate_brief_email", "send_email", "send_notification_email"), _email_note(email))
    texts = SmsService(engine, clock, sms, ensure_expanded)
    notes["send_sms"] = _sms_note(texts)
    for carrier in ("send_notification_email", "send_sms"):
        notes[carrier] = _carrier_note(notifications, notes.get(carrier))
    calendar, connecting = _calendar(settings, engine, clock, meter)
    notes["sync_calendar"] = _calendar_note(calendar)
    return Services(
        settings,
        engine,
        clock,
        meter,
        briefs,
        email,
        notifications,
        sms=texts,
        brain_dumps=brain_dumps,
        calendar=calendar,
        connecting=connecting,
        phases=phases,
        onboarding=onboarding,
        upkeep=UpkeepService(engine, clock, settings),
        failure_notes=notes,
    )


def _email(settings: Settings, engine: Engine, clock: Clock, meter: Meter, mail: Mail | None) -> EmailService:
    """Mail leaves by SMTP, without a server into the outbox, and through the web app where that is asked for."""
    own_mail = mail or (SmtpMail(settings) if settings.email_host else Outbox(settings))
    chosen = WebhookMail(settings, clock=clock) if settings.use_webhook_email and mail is None else own_mail
    domain = sender_of(settings)[1].rpartition("@")[2]
    chosen, own_mail = (watched(way, f"mail_{way.name}", ("send", "has_gone"), meter) for way in (chosen, own_mail))
    return EmailService(Sender(engine, clock, public_url=settings.public_url, domain=domain), chosen, own_mail)


def _push(settings: Settings) -> Push:
    """Pushes leave for the browsers' services, without VAPID keys into a folder."""
    if settings.vapid_private_key is None:
        return LocalPush(settings)
    from app.adapters.push_web import WebPush  # brings an HTTP library along that nobody else needs

    return WebPush(settings)


def _calendar(settings: Settings, engine: Engine, clock: Clock, meter: Meter) -> tuple[CalendarSync, Connecting]:
    """Without a key of its own, production stores no token and no address of a feed."""
    key = settings.calendar_token_key
    vault = Vault(key.get_secret_value() if key else None) if key or settings.app_env != "production" else None
    google = watched(GoogleCalendarApi(settings, clock=clock), "google_calendar", GOOGLE_CALLS, meter)
    sync = CalendarSync(
        engine,
        clock,
        google,
        watched(FeedReader(settings), "calendar_feed", ("fetch",), meter),
        vault,
        public_url=settings.public_url,
        feed_every=timedelta(minutes=settings.calendar_feed_interval),
        poll_every=timedelta(minutes=settings.calendar_poll_interval),
    )
    return sync, Connecting(engine, clock, google, vault, google_ready=bool(settings.google_client_id))


def _calendar_note(calendar: CalendarSync) -> FailureNote:
    def note(conn: Connection, held: Claim, message: str, final: bool) -> None:
        calendar.failed(conn, held.user_id, held.metadata.get("calendarId"), message)

    return note


def _email_note(email: EmailService) -> FailureNote:
    def note(conn: Connection, held: Claim, message: str, final: bool) -> None:
        email.failed(conn, job_id=held.id, user_id=held.user_id, metadata=held.metadata, final=final)

    return note


def _brain_dump_note(brain_dumps: BrainDumpService) -> FailureNote:
    def note(conn: Connection, held: Claim, message: str, final: bool) -> None:
        brain_dumps.failed(conn, job_id=held.id, error=message)

    return note


def _notification_note(notifications: NotificationService) -> FailureNote:
    def note(conn: Connection, held: Claim, message: str, final: bool) -> None:
        notifications.failed(conn, job_id=held.id, user_id=held.user_id, metadata=held.metadata, error=message)

    return note


def _carrier_note(notifications: NotificationService, own: FailureNote | None) -> FailureNote:
    """The note of a job that may carry a notification: its own feature's first."""

    def note(conn: Connection, held: Claim, message: str, final: bool) -> None:
        if own is not None:
            own(conn, held, message, final)
        if final:
            notifications.carrier_failed(conn, user_id=held.user_id, metadata=held.metadata, error=message)

    return note


def _sms(settings: Settings) -> Sms:
    """Text messages leave through Twilio, where it is configured."""
    account, token = settings.private_twilio_account_sid, settings.private_twilio_auth_token
    if not (account and token and settings.private_twilio_messaging_service_sid):
        return NoSms()
    from app.adapters.sms_twilio import TwilioSms  # nobody else needs Twilio's client

    return TwilioSms(settings)


def _sms_note(texts: SmsService) -> FailureNote:
    def note(conn: Connection, held: Claim, message: str, final: bool) -> None:
        texts.failed(conn, job_id=held.id, user_id=held.user_id, error=message, final=final)

    return note


def _brief_note(briefs: BriefService) -> FailureNote:
    def note(conn: Connection, held: Claim, message: str, final: bool) -> None:
        briefs.failed(conn, job_id=held.id, user_id=held.user_id, metadata=held.metadata, error=message, final=final)

    return note
