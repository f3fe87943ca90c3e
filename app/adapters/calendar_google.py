"""Google Calendar over its REST API, and Google's OAuth (CONTRACT 8.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from app.ports.calendar import (
    CalendarDeferred,
    CalendarError,
    CalendarInfo,
    CalendarRefused,
    ConsentGone,
    EventChanged,
    EventExists,
    EventGone,
    NotAuthorized,
    Page,
    SyncTokenGone,
    Tokens,
    Watching,
)
from app.ports.clock import Clock, SystemClock
from app.settings import Settings

if TYPE_CHECKING:
    import requests

EVENTS_SCOPE = "https://www.googleapis.com/auth/calendar.events"
SCOPES = (EVENTS_SCOPE, "https://www.googleapis.com/auth/calendar.readonly")
PAGE = 250  # events; Google may send fewer
CHANNEL_LIFE = timedelta(days=7)  # what is asked for; Google may give less
# Of a 403: those that pass by themselves. The others will not.
PASSING = {
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "dailyLimitExceeded",
    "calendarUsageLimitsExceeded",
}


class GoogleCalendarApi:
    """`GoogleCalendar` over HTTP. Holds no user's token; safe to share between threads."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()

    @cached_property
    def _session(self) -> requests.Session:
        import requests  # slow to import; most processes never talk to Google

        session = requests.Session()
        # Nobody's .netrc may replace the token we send, and one user's cookies must not travel with another's request.
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return session

    def consent_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """As `GoogleCalendar.consent_url`; asks for consent again even where it was given, as only then comes a refresh token."""
        query = {
            "client_id": self._settings.google_client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": " ".join(SCOPES),
            "access_type": "offline",
            "prompt": "consent",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._settings.google_consent_url}?{urlencode(query)}"

    def exchange(self, *, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """As `GoogleCalendar.exchange`."""
        return self._tokens(
            grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=redirect_uri
        )

    def refresh(self, refresh_token: str) -> Tokens:
        """As `GoogleCalendar.refresh`."""
        return self._tokens(grant_type="refresh_token", refresh_token=refresh_token)

    def revoke(self, token: str) -> None:
        """As `GoogleCalendar.revoke`."""
        answer = self._send("POST", self._settings.google_revoke_url, data={"token": token})
        if answer.status_code not in (200, 400):
            raise _error(answer)

    def calendar(self, access: str, calendar_id: str) -> CalendarInfo:
        """As `GoogleCalendar.calendar`."""
        found = self._api(access, "GET", f"/calendars/{_part(calendar_id)}")
        return CalendarInfo(str(found.get("id") or calendar_id), _text(found, "summary"), _text(found, "timeZone"))

    def changes(
        self, access: str, calendar_id: str, *, sync_token: str | None, page_token: str | None, since: datetime
    ) -> Page:
        """As `GoogleCalendar.changes`."""
        query = {"maxResults": PAGE, "singleEvents": "false"}
        if sync_token:
            query["syncToken"] = sync_token
        else:
            query["timeMin"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if page_token:
            query["pageToken"] = page_token
        try:
            found = self._api(access, "GET", f"/calendars/{_part(calendar_id)}/events", params=query)
        except EventGone as error:
            if error.args[1:] == (410,):
                raise SyncTokenGone("Google no longer knows what changed since the last sync") from None
            raise CalendarRefused("Google has no such calendar") from None
        except CalendarRefused:
            if page_token:  # it has run out, as page tokens do
                raise SyncTokenGone("Google no longer knows where the last sync stopped") from None
            raise
        items = found.get("items")
        items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        page, sync = _text(found, "nextPageToken"), _text(found, "nextSyncToken")
        if not (page or sync):
            raise CalendarDeferred("Google's list of events has no end")
        return Page(items, page, sync, _text(found, "timeZone"))

    def event(self, access: str, calendar_id: str, event_id: str) -> dict[str, Any]:
        """As `GoogleCalendar.event`."""
        return self._api(access, "GET", _event_path(calendar_id, event_id))

    def insert(self, access: str, calendar_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """As `GoogleCalendar.insert`."""
        return self._api(access, "POST", f"/calendars/{_part(calendar_id)}/events", json=body)

    def patch(
        self, access: str, calendar_id: str, event_id: str, body: dict[str, Any], etag: str | None
    ) -> dict[str, Any]:
        """As `GoogleCalendar.patch`."""
        headers = {"If-Match": etag} if etag else {}
        return self._api(access, "PATCH", _event_path(calendar_id, event_id), json=body, headers=headers)

    def delete(self, access: str, calendar_id: str, event_id: str) -> None:
        """As `GoogleCalendar.delete`."""
        self._api(access, "DELETE", _event_path(calendar_id, event_id))

    def watch(self, access: str, calendar_id: str, *, channel_id: str, token: str, address: str) -> Watching:
        """As `GoogleCalendar.watch`."""
        ends = self._clock.now() + CHANNEL_LIFE
        body = {
            "id": channel_id,
            "type": "web_hook",
            "address": address,
            "token": token,
            "expiration": str(int(ends.timestamp() * 1000)),
        }
        found = self._api(access, "POST", f"/calendars/{_part(calendar_id)}/events/watch", json=body)
        try:
            ends = datetime.fromtimestamp(int(found["expiration"]) / 1000, UTC)
        except (KeyError, TypeError, ValueError, OverflowError):
            ends = self._clock.now() + timedelta(days=1)  # nothing was promised
        return Watching(str(found.get("resourceId") or ""), ends)

    def stop(self, access: str, *, channel_id: str, resource_id: str) -> None:
        """As `GoogleCalendar.stop`."""
        try:
            self._api(access, "POST", "/channels/stop", json={"id": channel_id, "resourceId": resource_id})
        except EventGone:
            pass

    def _tokens(self, **fields: str) -> Tokens:
        secret = self._settings.google_client_secret
        fields["client_id"] = self._settings.google_client_id or ""
        fields["client_secret"] = secret.get_secret_value() if secret else ""
        answer = self._send("POST", self._settings.google_token_url, data=fields)
        body = _body(answer)
        if answer.status_code in (400, 401):
            if body.get("error") == "invalid_grant":
                raise ConsentGone("Google no longer accepts this consent")
            raise CalendarRefused(f"Google refuses us: {str(body.get('error') or answer.status_code)[:100]}")
        if not answer.ok:
            raise _error(answer)
        access, life = body.get("access_token"), body.get("expires_in")
        if not isinstance(access, str) or not access:
            raise CalendarDeferred("Google's answer holds no token")
        seconds = life if isinstance(life, int | float) and 0 < life < 10**7 else 3600
        scopes = frozenset(str(body.get("scope") or "").split())
        return Tokens(access, self._clock.now() + timedelta(seconds=seconds), _text(body, "refresh_token"), scopes)

    def _api(self, access: str, method: str, path: str, **parts: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {access}", **parts.pop("headers", {})}
        answer = self._send(method, self._settings.google_calendar_url + path, headers=headers, **parts)
        if not answer.ok:
            raise _error(answer)
        return _body(answer)

    def _send(self, method: str, url: str, **parts: Any) -> requests.Response:
        import requests

        try:
            return self._session.request(
                method, url, timeout=self._settings.google_timeout, allow_redirects=False, **parts
            )
        except requests.Timeout:
            raise CalendarDeferred("Google did not answer in time") from None
        except requests.RequestException as error:
            raise CalendarDeferred(f"Google cannot be reached ({type(error).__name__})") from None


def _error(answer: requests.Response) -> CalendarError:
    """What a status means. The body's own words are Google's, without our token in them; only its reason is kept."""
    status = answer.status_code
    reason = _reason(_body(answer))
    said = f"Google answered {status}{f' ({reason})' if reason else ''}"
    if status == 401:
        return NotAuthorized(said)
    if status == 429 or status >= 500 or status == 408 or (status == 403 and reason in PASSING):
        return CalendarDeferred(said)
    if status in (404, 410):
        return EventGone(said, status)
    if status == 409:
        return EventExists(said)
    if status == 412:
        return EventChanged(said)
    return CalendarRefused(said)


def _reason(body: dict[str, Any]) -> str:
    error = body.get("error")
    if not isinstance(error, dict):
        return ""
    errors = error.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return str(first.get("reason") or error.get("status") or "")[:60]


def _body(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json() if answer.content else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and value else None


def _event_path(calendar_id: str, event_id: str) -> str:
    return f"/calendars/{_part(calendar_id)}/events/{_part(event_id)}"


def _part(value: str) -> str:
    return quote(value, safe="")
