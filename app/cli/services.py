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
    """Bring DATABASE_URL to the newest revision, and tell it of the job types of JOB_MODULES."""
    import psycopg
    from alembic.util.exc import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from app.db.engine import make_engine
    from app.db.migrate import upgrade
    from app.queue import own_types

    settings = load_settings()
    own_types.load(settings.job_modules)
    try:
        upgrade(revision)
        if revision == "head":
            with make_engine(settings, application_name="buildos migrate", pool_size=1).begin() as conn:
                own_types.sync(conn)
    except (SQLAlchemyError, psycopg.Error, CommandError) as error:
        raise StartError(f"the database could not be migrated: {first_line(error)}") from None


def first_line(error: BaseException) -> str:
    """What an error says, without the statement, the parameters and the links that follow."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(api)
    app.command()(migrate)
