"""Where the commands find the system: named in the environment, else the one `buildos up` runs, else the default address."""

from __future__ import annotations

import os
from dataclasses import dataclass
from uuid import UUID

from app.client import Client
from app.embedded.home import Home
from app.embedded.parts import api_address
from app.embedded.processes import StartError
from app.settings import Settings, load_settings


@dataclass(frozen=True)
class Connection:
    """A running system."""

    settings: Settings
    api_url: str
    database_url: str

    @property
    def token(self) -> str | None:
        """The service key, for AUTH_MODE=jwt."""
        return self.settings.service_key.get_secret_value() if self.settings.service_key else None

    def client(self) -> Client:
        """The HTTP API."""
        return Client(self.api_url, token=self.token)

    def user_id(self, email: str) -> UUID:
        """The user with that address. Raises StartError when there is none, or the database is away."""
        from sqlalchemy.exc import SQLAlchemyError

        from app.db.engine import make_engine
        from app.identity.users import find_user_by_email

        engine = make_engine(self.settings.model_copy(update={"database_url": self.database_url}), pool_size=1)
        try:
            with engine.connect() as conn:
                user = find_user_by_email(conn, email)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise StartError(f"the database cannot be asked for the user: {reason}") from None
        finally:
            engine.dispose()
        if user is None:
            raise StartError(f"there is no user with the address {email}")
        return user.id


def find_system() -> Connection:
    """The system to talk to. Raises SettingsError for wrong settings."""
    settings = load_settings()
    home = Home(settings.buildos_home)
    running = home.read().addresses if home.running() else {}
    database = settings.database_url if "database_url" in settings.model_fields_set else running.get("database")
    api = os.environ.get("BUILDOS_API_URL") or running.get("api") or api_address(settings.host, settings.port)
    return Connection(settings, api, database or settings.database_url)
