"""Settings of what is written down about a running system: logs, traces, errors."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from app.settings_files import SettingsFromFiles


class WatchSettings(SettingsFromFiles):
    """The fields that `Settings` has from here."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe log line written.")
    log_format: Literal["console", "json"] = Field("console", description="Readable lines or one JSON object a line.")
    sentry_dsn: SecretStr | None = Field(
        None, description="Where errors that nobody foresaw are reported. They hold the job's id, and no personal data."
    )
    otel_traces_exporter: Literal["otlp", "none"] | None = Field(
        None, description="`none` switches traces off; `otlp` on, also without an endpoint: then to this machine's port 4318."
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="Where traces go, by OTLP over HTTP; with it they are on. The SDK's other OTEL_* variables hold too (docs/watching.md)."
    )
    otel_exporter_otlp_traces_endpoint: str | None = Field(None, description="The same, as a whole address with its path.")
    otel_sdk_disabled: bool = Field(False, description="true switches traces off.")
    otel_service_name: str = Field("buildos", description="Their service; `-api`, `-worker` or `-beat` is added.")
    queue_sent_events: bool = Field(
        False, description="Send Celery's task-sent event for each message, for Flower. Dispatching is slower then: one message at a time."
    )

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "")
        if value is None or not value.get_secret_value():
            return None
        if parts.scheme not in ("http", "https") or not parts.username or not parts.hostname or not parts.path.strip("/"):
            raise ValueError("expects a DSN such as https://key@sentry.example.com/1")
        return value

    @property
    def traces_address(self) -> str | None:
        """Where traces are sent; None while they are off."""
        if self.otel_sdk_disabled or self.otel_traces_exporter == "none":
            return None
        if self.otel_exporter_otlp_traces_endpoint:
            return self.otel_exporter_otlp_traces_endpoint
        base = self.otel_exporter_otlp_endpoint or ("http://127.0.0.1:4318" if self.otel_traces_exporter == "otlp" else None)
        return base and f"{base.rstrip('/')}/v1/traces"
