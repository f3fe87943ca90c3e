"""The only reader of the environment: one typed object, checked when the program starts.

Every field is a row of the settings table in `docs/settings.md`, which is generated from here.
Values come from the environment, then from `.env`; a profile (`APP_ENV`) only fills what neither
gives, so the environment always wins (CONTRACT 11).
"""

from __future__ import annotations

import re
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from app.settings_checks import encryption_keys, is_loopback, plain_url, sqlalchemy_url, vapid_public
from app.settings_files import SettingsError
from app.settings_scale import ScaleSettings
from app.settings_security import SecuritySettings
from app.settings_watch import WatchSettings

CHECKOUT = Path(__file__).parents[1]

DEFAULT_ORIGINS = (
    "http://localhost:5173",
    "http://localhost:3000",
    "http://localhost:4173",
    "https://localhost:5173",
    "https://build-os.com",
)

# What `APP_ENV` alone decides. The environment overrides each of them.
PROFILES: dict[str, dict[str, Any]] = {
    "development": {"queue_poll_interval": 2000, "queue_batch_size": 2, "auth_mode": "open", "log_format": "console", "rate_limits": False},
    "production": {"queue_poll_interval": 5000, "queue_batch_size": 10, "auth_mode": "jwt", "log_format": "json", "rate_limits": True},
}


def _env(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class Settings(ScaleSettings, SecuritySettings, WatchSettings):
    """Everything that can be set from outside. Times carry their unit in the description."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", populate_by_name=True)

    app_env: Literal["development", "production"] = Field("development", description="Profile of defaults.")

    buildos_home: str | None = Field(
        None, description="Folder of `buildos up`: data, logs, state. Defaults to .buildos in the checkout."
    )
    database_url: str = Field(
        "postgresql://buildos@127.0.0.1:5432/buildos", description="Postgres, version 14 or newer. May lead through a pooler."
    )
    database_direct_url: str | None = Field(
        None, description="Postgres without a pooler, for LISTEN. Defaults to DATABASE_URL."
    )
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = Field(5, description="Connections a process keeps at most.")

    host: str = Field("127.0.0.1", description="Address the API binds to.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(3001, description="Port of the API; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        validation_alias=_env("PUBLIC_URL", "PUBLIC_RAILWAY_WORKER_URL"),
        description="Address of the API as the outside sees it: pixels, links, signatures.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        DEFAULT_ORIGINS, description="Origins a browser may call from, separated by commas."
    )
    auth_mode: Literal["open", "jwt"] = Field("open", description="Who may call: anyone (development) or a key or token.")
    allow_open_bind: bool = Field(False, description="Let AUTH_MODE=open bind to an address that is not loopback.")
    service_key: SecretStr | None = Field(None, description="The key with full access, in AUTH_MODE=jwt.")
    jwt_secret: SecretStr | None = Field(None, description="HS256 secret of user tokens.")
    jwt_audience: str = Field("authenticated", description="Audience a user token must name.")

    queue_poll_interval: Annotated[int, Field(ge=10, le=600_000)] = Field(
        2000, description="ms between looks for due jobs when no wake-up came."
    )
    queue_batch_size: Annotated[int, Field(ge=1, le=10_000)] = Field(
        2, description="Short jobs a dispatcher keeps ahead of its free slots, at least; more while they take little time."
    )
    queue_stalled_timeout: Annotated[int, Field(ge=1000)] = Field(
        300_000, description="ms without a heartbeat after which a running job is taken back."
    )
    queue_heartbeat_interval: Annotated[int, Field(ge=100)] = Field(
        10_000, description="ms between heartbeats of a worker's running jobs; at most a third of the stalled timeout."
    )
    queue_sweep_interval: Annotated[int, Field(ge=100)] = Field(
        60_000, description="ms between sweeps for stalled jobs, in every worker."
    )
    queue_priority_aging: Annotated[int, Field(ge=1)] = Field(
        300, description="Seconds a due job waits to rise by one priority."
    )
    queue_cancel_grace: Annotated[float, Field(ge=0)] = Field(
        5.0, description="Seconds a cancelled run has to stop by itself before its process is killed."
    )
    queue_drain_timeout: Annotated[float, Field(ge=0)] = Field(
        30.0, description="Seconds running jobs have to finish when a worker is told to stop at once (SIGQUIT)."
    )
    queue_transport: Literal["batched", "stock"] = Field(
        "batched", description="How messages travel: in batches over Redis, or one by one as kombu does, over any broker."
    )
    queue_notify: bool = Field(True, description="Wake dispatchers and browsers with NOTIFY; off means polling alone.")
    retry_backoff_base: Annotated[float, Field(gt=0)] = Field(
        60.0, description="Seconds; a retry waits base x 2^attempts, plus up to 10 %."
    )
    queue_completed_kept_days: Annotated[float, Field(ge=2, le=100_000)] = Field(30.0, description="Days until a completed or cancelled job moves to the archive; its idempotency key holds as long.")
    queue_failed_kept_days: Annotated[float, Field(ge=0, le=100_000)] = Field(7.0, description="Days until a failed job moves to the archive.")
    queue_archive_kept_months: Annotated[int, Field(ge=0, le=1200)] = Field(24, description="Months the archive is kept; 0 for ever.")
    job_modules: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Further modules with job types and processors of your own, separated by commas; every process imports them."
    )
    engagement_backoff_enabled: bool = Field(False, description="Send re-engagement briefs to users who stay away.")

    alert_failures: Annotated[int, Field(ge=1)] = Field(
        5, description="Failed runs of one job type that raise an alert, when they are also more than half of its runs."
    )
    alert_failure_minutes: Annotated[float, Field(gt=0)] = Field(10.0, description="Minutes in which they are counted.")
    alert_pending_age: Annotated[float, Field(gt=0)] = Field(
        900.0, description="Seconds the oldest due job may wait before an alert is raised."
    )
    alert_cool_down: Annotated[float, Field(gt=0)] = Field(
        15.0, description="Minutes in which an alert is logged once, however many workers see it."
    )

    llm_timeout: Annotated[float, Field(gt=0)] = Field(60.0, description="Seconds one model call may take.")
    llm_models: Annotated[tuple[str, ...], NoDecode] = Field(
        ("deepseek/deepseek-chat", "openai/gpt-4o", "anthropic/claude-3.5-sonnet"),
        description="Models in the order they are tried, separated by commas.",
    )
    private_openrouter_api_key: SecretStr | None = Field(None, description="Key of the provider that serves the whole chain.")
    openrouter_base_url: str = Field("https://openrouter.ai/api/v1", description="Any OpenAI-compatible address.")
    openai_api_key: SecretStr | None = Field(None, description="Key for the openai/ models of the chain.")
    openai_base_url: str = Field("https://api.openai.com/v1", description="Any OpenAI-compatible address.")

    email_host: str | None = Field(None, description="SMTP server. Without one mails go to the outbox folder.")
    email_port: Annotated[int, Field(ge=1, le=65535)] = Field(587, description="Port of the SMTP server.")
    email_security: Literal["auto", "tls", "starttls", "none"] = Field(
        "auto", description="auto: TLS from the start on port 465, else STARTTLS, which a password makes a must off this machine."
    )
    email_user: str | None = Field(None, description="Account at the SMTP server; none: no login.")
    email_pass: SecretStr | None = Field(None, description="Its password.")
    email_from: str | None = Field(
        None, description="Sender, as `BuildOS <briefs@example.com>`. Defaults to EMAIL_USER."
    )
    email_timeout: Annotated[float, Field(gt=0, le=120)] = Field(30.0, description="Seconds the SMTP server may be silent.")
    mail_outbox: str | None = Field(
        None, description="Folder of mails (.eml) where there is no SMTP server. Defaults to `outbox` in BUILDOS_HOME."
    )
    use_webhook_email: bool = Field(False, description="Send mail through BUILDOS_WEBHOOK_URL instead of SMTP.")
    private_buildos_webhook_secret: SecretStr | None = Field(
        None,
        validation_alias=_env("PRIVATE_BUILDOS_WEBHOOK_SECRET", "BUILDOS_WEBHOOK_SECRET"),
        description="Secret shared with the other side of email webhooks, for those we send and those we take.",
    )
    webhook_allow_insecure: bool = Field(
        False, description="Let webhooks go to plain http and to private networks, not only to https and this machine."
    )
    buildos_webhook_url: str | None = Field(
        None,
        validate_default=True,
        description="Where mail is posted to; an address without a path gets /api/webhooks/send-notification-email.",
    )
    web_app_url: str | None = Field(
        None, description="Address of the web app, before the paths in notifications. Without one, mails and SMS have no link."
    )
    vapid_public_key: str | None = Field(
        None,
        validation_alias=_env("VAPID_PUBLIC_KEY", "PUBLIC_VAPID_PUBLIC_KEY"),
        description="Key browsers subscribe to pushes with; `buildos vapid-keys` makes a pair.",
    )
    vapid_private_key: SecretStr | None = Field(
        None,
        validate_default=True,
        validation_alias=_env("VAPID_PRIVATE_KEY", "PRIVATE_VAPID_PRIVATE_KEY"),
        description="Its private half. Without keys pushes go to the folder PUSH_OUTBOX.",
    )
    vapid_subject: str | None = Field(
        None, validate_default=True, description="Where a push service reaches you, as mailto:you@example.com."
    )
    push_outbox: str | None = Field(
        None, description="Folder of pushes (.json) where there are no VAPID keys. Defaults to `push` in BUILDOS_HOME."
    )
    push_allow_insecure: bool = Field(
        False, description="Let pushes go to plain http and to private networks. For tests on one machine."
    )

    private_twilio_account_sid: str | None = Field(
        None,
        validation_alias=_env("PRIVATE_TWILIO_ACCOUNT_SID", "TWILIO_ACCOUNT_SID"),
        description="Account at Twilio. Without all three of these, text messages fail with \"SMS not configured\".",
    )
    private_twilio_auth_token: SecretStr | None = Field(
        None,
        validation_alias=_env("PRIVATE_TWILIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN"),
        description="Its token: for sending, and for the signatures of Twilio's calls.",
    )
    private_twilio_messaging_service_sid: str | None = Field(
        None,
        validation_alias=_env("PRIVATE_TWILIO_MESSAGING_SERVICE_SID", "TWILIO_MESSAGING_SERVICE_SID"),
        description="The messaging service that text messages leave by.",
    )
    twilio_base_url: str = Field("https://api.twilio.com", description="Any address that speaks Twilio's API.")
    twilio_timeout: Annotated[float, Field(gt=0, le=40)] = Field(15.0, description="Seconds one call of Twilio may take.")

    google_client_id: str | None = Field(None, description="OAuth client at Google. Without one no Google Calendar is connected.")
    google_client_secret: SecretStr | None = Field(None, validate_default=True, description="Its secret.")
    google_consent_url: str = Field(
        "https://accounts.google.com/o/oauth2/v2/auth", description="Where a user gives consent."
    )
    google_token_url: str = Field("https://oauth2.googleapis.com/token", description="Where codes become tokens.")
    google_revoke_url: str = Field("https://oauth2.googleapis.com/revoke", description="Where a consent is taken back.")
    google_calendar_url: str = Field("https://www.googleapis.com/calendar/v3", description="Google's Calendar API.")
    google_timeout: Annotated[float, Field(gt=0, le=120)] = Field(30.0, description="Seconds Google may be silent.")
    calendar_token_key: SecretStr | None = Field(
        None,
        validate_default=True,
        description="Key that tokens of Google and addresses of feeds are encrypted with; docs/calendar.md says how to make one. "
        "Several, separated by commas: the first encrypts, all decrypt. Production needs it where Google is set up.",
    )
    calendar_feed_interval: Annotated[float, Field(ge=1)] = Field(60.0, description="Minutes between looks at a feed.")
    calendar_poll_interval: Annotated[float, Field(ge=1)] = Field(
        15.0, description="Minutes between looks at a Google calendar that cannot call us; four hours where it can."
    )
    calendar_return_url: str | None = Field(
        None, description="Page a browser is sent to once Google is connected. Without one it sees the API's answer."
    )
    feed_allow_insecure: bool = Field(
        False, description="Let feeds be read over plain http, from this machine and from private networks."
    )

    @field_validator("allowed_origins", "llm_models", "job_modules", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def _postgres(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme.split("+")[0] not in ("postgresql", "postgres"):
            raise ValueError("expects postgresql://user:password@host:port/name")
        return value

    @field_validator("public_url", "web_app_url")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("expects an address such as https://jobs.example.com")
        return (value or "").rstrip("/") or None

    @field_validator("twilio_base_url")
    @classmethod
    def _twilio(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expects an address such as https://api.twilio.com")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("expects https: the token travels with every call")
        return value.rstrip("/")

    @field_validator("email_from")
    @classmethod
    def _sender(cls, value: str | None) -> str | None:
        address = parseaddr(value or "")[1]
        if value and ("@" not in address.strip("@") or any(mark in value for mark in "\r\n\0")):
            raise ValueError("expects a sender such as BuildOS <briefs@example.com>")
        return value or None

    @field_validator("buildos_webhook_url")
    @classmethod
    def _webhook(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not info.data.get("use_webhook_email"):
            return value or None
        if not value or not info.data.get("private_buildos_webhook_secret"):
            raise ValueError("with USE_WEBHOOK_EMAIL both this address and PRIVATE_BUILDOS_WEBHOOK_SECRET are needed")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expects an address such as https://build-os.com")
        if parts.scheme == "http" and not (is_loopback(parts.hostname) or info.data.get("webhook_allow_insecure")):
            raise ValueError("expects https; WEBHOOK_ALLOW_INSECURE=true would let plain http through")
        return value

    @field_validator("vapid_private_key")
    @classmethod
    def _vapid(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        private, public = value.get_secret_value() if value else "", info.data.get("vapid_public_key") or ""
        if not private and not public:
            return None
        if not private or not public:
            raise ValueError("VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY belong together; make both with: buildos vapid-keys")
        if vapid_public(private) != public.rstrip("="):
            raise ValueError("expects the private half of VAPID_PUBLIC_KEY, as buildos vapid-keys prints it")
        return value

    @field_validator("vapid_subject")
    @classmethod
    def _subject(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not info.data.get("vapid_private_key"):
            return value or None
        if not re.fullmatch(r"mailto:[^\s@]+@[^\s@]+\.[^\s@.]+|https://[\w-]+(\.[\w-]+)+", value or ""):
            raise ValueError("with VAPID keys an address is needed, as mailto:you@example.com or https://example.com")
        return value

    @field_validator("calendar_token_key")
    @classmethod
    def _token_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        keys = encryption_keys(value.get_secret_value()) if value else []
        if not keys and info.data.get("app_env") == "production" and info.data.get("google_client_id"):
            raise ValueError("is needed in production where GOOGLE_CLIENT_ID is set: tokens are stored encrypted")
        return SecretStr(",".join(keys)) if keys else None

    @field_validator("google_client_secret")
    @classmethod
    def _google_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("google_client_id") and not (value and value.get_secret_value()):
            raise ValueError("is needed where GOOGLE_CLIENT_ID is set")
        return value

    @model_validator(mode="before")
    @classmethod
    def _profile(cls, values: Any) -> Any:
        if isinstance(values, dict):
            given = {key.lower(): value for key, value in values.items()}
            profile = PROFILES.get(str(given.get("app_env", "development")), {})
            return {**{k: v for k, v in profile.items() if k not in given}, **values}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.queue_heartbeat_interval * 3 > self.queue_stalled_timeout:
            # A short stalled timeout is a deliberate choice (tests, drills): beat fast enough for it.
            self.queue_heartbeat_interval = max(100, self.queue_stalled_timeout // 3)
        return self

    @property
    def outbox_folder(self) -> Path:
        """Where mails are laid down that no server takes."""
        return Path(self.mail_outbox or Path(self.buildos_home or CHECKOUT / ".buildos") / "outbox").expanduser().absolute()

    @property
    def push_folder(self) -> Path:
        """Where pushes are laid down while there are no keys to send them with."""
        return Path(self.push_outbox or Path(self.buildos_home or CHECKOUT / ".buildos") / "push").expanduser().absolute()

    @property
    def listen_url(self) -> str:
        """libpq address for LISTEN, never through a pooler."""
        return plain_url(self.database_direct_url or self.database_url)

    @property
    def process_dead_after(self) -> float:
        """Seconds of silence after which a worker or beat counts as dead."""
        return max(15.0, 3 * self.queue_heartbeat_interval / 1000)

    @property
    def sqlalchemy_url(self) -> str:
        """DATABASE_URL in SQLAlchemy's spelling, with psycopg as the driver."""
        return sqlalchemy_url(self.database_url)


def load_settings(**overrides: Any) -> Settings:
    """Read the environment. Raises SettingsError naming every wrong variable and what it expects."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = str(item["loc"][0]).upper() if item["loc"] else "settings"
            lines.append(f"{name}: {item['msg'].removeprefix('Value error, ')} (got {_shown(name, item.get('input'))})")
        raise SettingsError("; ".join(lines)) from None


def _shown(name: str, value: Any) -> str:
    secret = any(word in name for word in ("KEY", "SECRET", "TOKEN", "PASS", "URL", "DSN"))
    return "a value not shown" if secret else repr(value)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()
