"""The caller of a request or of a socket: what every permission check asks (CONTRACT 10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from uuid import UUID


class CallerKind(Enum):
    """How a caller proved who it is."""

    OPEN = "open"  # AUTH_MODE=open: nobody proves anything, the caller names the user
    SERVICE = "service"  # the service key: full access
    USER = "user"  # a user's token: that user's data alone
    ANONYMOUS = "anonymous"  # AUTH_MODE=jwt without a token: public pages alone


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. `user_id` is set for `USER` alone, and so is `until`: when that token is over (seconds since 1970)."""

    kind: CallerKind
    user_id: UUID | None = None
    until: int | None = None

    @property
    def is_operator(self) -> bool:
        """May see counts of the whole system and act on everybody's jobs."""
        return self.kind in (CallerKind.OPEN, CallerKind.SERVICE)

    @property
    def is_known(self) -> bool:
        """False for a stranger, who may see public pages alone."""
        return self.kind is not CallerKind.ANONYMOUS

    def may_act_for(self, user_id: UUID | None) -> bool:
        """Whether this user's data may be read and changed; `None` is upkeep, which belongs to operators."""
        return self.is_operator or (user_id is not None and user_id == self.user_id)


OPEN_CALLER = Caller(CallerKind.OPEN)
SERVICE_CALLER = Caller(CallerKind.SERVICE)
ANONYMOUS_CALLER = Caller(CallerKind.ANONYMOUS)
