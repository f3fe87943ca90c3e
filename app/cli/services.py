"""Commands that run one piece by itself: the API, the migrations, the sample user."""

from __future__ import annotations

import typer

from app.embedded.processes import StartError
from app.settings import load_settings


def api() -> None:
    """Serve the HTTP API and the events on PORT."""
    from app.web.serve import serve

    serve(load_settings())


def migrate(revision: str = typer.Argument("head", help="Revision to bring the database to.")) -> None:
    """Bring DATABASE_URL to the newest revision."""
    from alembic.util.exc import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from app.db.migrate import upgrade

    load_settings()
    try:
        upgrade(revision)
    except (SQLAlchemyError, CommandError) as error:
        raise StartError(f"the database could not be migrated: {first_line(error)}") from None


def first_line(error: BaseException) -> str:
    """What an error says, without the statement, the parameters and the links that follow."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(api)
    app.command()(migrate)
