"""`buildos vapid-keys`: the keys that browsers' push services know us by."""

from __future__ import annotations

import typer


def vapid_keys() -> None:
    """Make the keys of Web Push and print the lines for `.env`. Browsers that subscribed with other keys have to do so again."""
    from app.adapters.push_web import make_keys

    public, private = make_keys()
    print(f"VAPID_PUBLIC_KEY={public}")
    print(f"VAPID_PRIVATE_KEY={private}")
    print("VAPID_SUBJECT=mailto:you@example.com")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("vapid-keys")(vapid_keys)
