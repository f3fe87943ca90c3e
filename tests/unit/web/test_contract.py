"""Every line of the tables of CONTRACT 4, 5 and 6: paths, keys, statuses, types, priorities. What is served is read from OpenAPI."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel

from app.queue.catalog import JOB_TYPES
from app.realtime.events import EVENTS as SENT
from app.web.app import create_app
from app.web.openapi import build_spec
from app.wiring import build
from tests.support.servers import plain_settings

# Method and path; keys of the request, those needed with a star (a query's begin with ?); keys of the reply; other statuses.
ENDPOINTS = """
GET  /health | | status timestamp service queue uptime lastPoll queues stats totals checks | 503
POST /queue/brief | userId* scheduledFor briefDate timezone forceImmediate forceRegenerate options options.includeProjects options.excludeProjects | success jobId scheduledFor briefDate deduplicated | 400 404
POST /queue/brief/cancel | userId* briefDate* | success cancelledJobs | 400 404
POST /queue/phases | userId* projectId* options options.regenerate options.template options.includeExistingTasks options.selected_statuses options.scheduling_method | success jobId | 400 404 409
POST /queue/onboarding | userId* userContext* userContext.name userContext.description userContext.goals userContext.challenges options options.forceRegenerate | success jobId | 400 404 409
POST /queue/notification | userId* channel* eventType* payload* metadata | success jobId correlationId | 400 404
GET  /jobs/{} | | id queue_job_id user_id job_type status scheduled_for metadata result attempts max_attempts priority error_message created_at updated_at started_at processed_at completed_at error progress progress.current progress.total progress.message | 404
GET  /jobs/{}/events | | events events.from events.to events.at events.attempt events.worker events.message | 404
POST /jobs/{}/cancel | | success jobId | 404 409
POST /jobs/{}/retry | | success jobId | 404 409
GET  /users/{}/jobs | ?type ?status ?limit ?cursor | jobs nextCursor | 400 404
GET  /queue/stats | | stats stats.job_type stats.status stats.count | 403
GET  /api/queue/stats | | stats stats.job_type stats.status stats.count | 403
GET  /queue/stale-stats | ?thresholdHours | thresholdHours staleCount staleJobs staleJobs.id staleJobs.job_type staleJobs.status staleJobs.created_at staleJobs.age_hours oldFailedCount message | 400
POST /queue/cleanup | staleThresholdHours oldFailedJobsDays dryRun | success staleCancelled oldFailedCancelled errors message | 400
GET  /sms/scheduled | ?userId | schedule schedule.userId schedule.phone_number schedule.enabled schedule.lead_time_minutes schedule.quiet_hours_start schedule.quiet_hours_end | 404
POST /sms/scheduled | userId* enabled lead_time_minutes quiet_hours_start quiet_hours_end | success updated | 400 404
GET  /email/track/open/{} | | |
GET  /email/track/click/{} | ?url* | | 302 400
GET  /api/queue-jobs/{} | | status progress result | 404
DELETE /api/queue-jobs/{} | | success status | 404 409
POST /api/phases-jobs | projectId* options userId | success jobId | 400 404 409
POST /api/projects/{}/phases/generate | userId options | success data data.phases data.backlogTasks | 400 404
POST /api/braindumps/stream | text* projectId autoAccept userId | | 400 404
POST /api/braindumps/{}/confirm | | success | 404 409
POST /api/webhooks/send-notification-email | recipientEmail* recipientUserId* subject* htmlContent textContent deliveryId eventId | success messageId | 401
POST /api/webhooks/twilio/status | | success | 401
POST /api/webhooks/twilio/inbound | | | 401
POST /api/calendar/events/import | ?userId | success | 400 404 413 415
POST /api/webhooks/google-calendar | | success | 401
GET  /api/calendar/connect | ?userId | | 302 404
POST /queue/bulk | jobs* | success results | 400 413
POST /queue/sms | userId* phone_number* message* eventId eventName message_id retry_attempt | success jobId | 400 404
POST /queue/email | userId* to* subject* html text | success jobId | 400 404
POST /queue/brain-dump | userId* text* projectId autoAccept | success jobId | 400 404
POST /queue/calendar-sync | userId* calendarId* syncToken | success jobId | 400 404
POST /queue/pause | jobType* | success jobType paused | 400 403
POST /queue/resume | jobType* | success jobType paused | 400 403
GET  /schedules | | schedules schedules.name schedules.nextRun schedules.lastRun | 403
POST /schedules/{}/run | | success queued | 403 404
POST /jobs/bulk | action* filter* filter.type filter.status filter.userId filter.before filter.after filter.text dryRun | success matched changed | 400 403
GET  /users/{}/preferences | | brief sms notifications | 404
PUT  /users/{}/preferences | brief sms notifications | brief sms notifications | 400 404
GET  /users/{}/briefs | ?limit ?cursor | briefs | 404
GET  /users/{}/briefs/{} | | brief_date generation_status summary_content llm_analysis | 404
GET  /users/{} | | id email name timezone today | 404
GET  /users/{}/projects | | projects projects.id projects.name projects.open_tasks projects.done_tasks projects.phase_count | 404
GET  /users/{}/days/{} | | date timezone start end events events.title events.start_time events.all_day tasks tasks.title tasks.at | 400 404
GET  /users/{}/sms/{} | | date timezone messages messages.status messages.message_content messages.scheduled_for | 400 404
GET  /users/{}/notifications | ?limit ?cursor | notifications | 404
POST /users/{}/notifications/{}/read | | success | 404
GET  /users/{}/onboarding | | analysis | 404
GET  /projects/{}/phases | | phases backlogTasks | 404
POST /push/subscriptions | endpoint* keys* keys.p256dh* keys.auth* userId | success | 400 404
DELETE /push/subscriptions | endpoint* userId | success | 400 404
GET  /metrics | | | 403
"""

# Type, priority of a job added over HTTP, keys of the metadata (needed ones with a star), keys of the result.
TYPES = """
generate_daily_brief | 10 | briefDate* timezone forceRegenerate includeProjects excludeProjects options options.isReengagement options.daysSinceLastLogin notificationScheduledFor generation_progress | briefId briefDate projectBriefsGenerated emailSent
generate_brief_email | 5 | userId emailId* briefId* recipientEmail* | emailId trackingId messageId
generate_phases | 5 | projectId* options options.regenerate options.template options.includeExistingTasks options.selected_statuses options.scheduling_method | projectId phaseCount
onboarding_analysis | 1 | userContext* userContext.name userContext.description userContext.goals userContext.challenges options | analysisId questionsGenerated
send_sms | 10 | phone_number message eventId eventName message_id retry_attempt | messageSid deliveryId
schedule_daily_sms | 5 | userId date* timezone* leadTimeMinutes | scheduled_count skipped_count failed_count
send_notification | 5 | userId channel* eventType* payload* correlationId | deliveryId status channel
send_notification_email | 5 | template recipientEmail* correlationId | messageId
send_email | 5 | to* subject* html text | messageId
process_brain_dump | 5 | text* projectId autoAccept | operations executed
sync_calendar | 5 | calendarId* syncToken | added updated removed
update_recurring_tasks | 10 | date* | created
cleanup_old_data | 10 | staleThresholdHours oldFailedJobsDays | staleCancelled archived
other | 10 | |
"""

# What a browser hears (CONTRACT 6), by name, with its keys.
EVENTS = """
brief_completed | briefId briefDate timezone
brief_failed | error briefDate
brief_email_sent | emailId trackingId
phases_completed | projectId phaseCount
onboarding_completed | questionsGenerated
notification | id eventType title body url createdAt correlationId
"""


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def fields(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, str]:
    """The keys of a schema as the tables spell them: `outer.inner`, two levels deep; each with a star where it is needed."""
    found = {}
    for name, part in _properties(schema, named).items():
        found[name] = name + "*" * (name in _plain(schema, named).get("required", ()))
        for inner in _properties(part, named):
            found[f"{name}.{inner}"] = f"{name}.{inner}" + "*" * (inner in _plain(part, named).get("required", ()))
    return found


def _plain(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """What is behind a reference, an optional value or a list."""
    if "$ref" in schema:
        return _plain(named[schema["$ref"].rpartition("/")[2]], named)
    if "anyOf" in schema:
        return _plain(next(each for each in schema["anyOf"] if each.get("type") != "null"), named)
    return _plain(schema["items"], named) if "items" in schema else schema


def _properties(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    return _plain(schema, named).get("properties", {})


@cache
def spec() -> dict[str, Any]:
    served = build_spec(create_app(build(plain_settings())), version="1")
    served["paths"] = {re.sub(r"\{\w+\}", "{}", path): methods for path, methods in served["paths"].items()}
    return served


@pytest.mark.parametrize("row", rows(ENDPOINTS), ids=lambda row: re.sub(r"\W+", "-", row[0]).strip("-"))
def test_endpoint(row: list[str]) -> None:
    (method, path), request, reply, statuses = row[0].split(), *(cell.split() for cell in row[1:])
    named = spec()["components"]["schemas"]
    served = spec()["paths"][path][method.lower()]
    taken = {
        f"?{each['name']}": f"?{each['name']}" + "*" * each["required"]
        for each in served.get("parameters", ())
        if each["in"] == "query"
    }
    if "requestBody" in served:
        taken |= fields(served["requestBody"]["content"]["application/json"]["schema"], named)
    given = served["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    # A key that the contract does not need is none that a caller must send.
    assert [taken.get(key.rstrip("*")) for key in request] == request
    assert {key for key in taken.values() if key.endswith("*") and "." not in key} <= set(request)
    assert set(reply) <= fields(given, named).keys()
    assert set(statuses) <= served["responses"].keys()


def model_fields(model: type[BaseModel]) -> dict[str, str]:
    schema = model.model_json_schema()
    return fields(schema, schema.get("$defs", {}))


@pytest.mark.parametrize("row", rows(TYPES), ids=lambda row: row[0])
def test_job_type(row: list[str]) -> None:
    name, priority, metadata, result = row[0], int(row[1]), row[2].split(), row[3].split()
    known = JOB_TYPES[name]
    taken = model_fields(known.metadata)
    assert known.priority == priority
    assert [taken.get(key.rstrip("*")) for key in metadata] == metadata
    assert {key for key in taken.values() if key.endswith("*") and "." not in key} <= set(metadata)
    assert set(result) <= model_fields(known.result).keys()


@pytest.mark.parametrize("row", rows(TYPES), ids=lambda row: row[0])
def test_a_job_needs_no_user_in_its_metadata(row: list[str]) -> None:
    """Every SMS queued by SQL failed once, as its metadata did not repeat what the row says."""
    assert "userId*" not in model_fields(JOB_TYPES[row[0]].metadata).values()


@pytest.mark.parametrize("row", rows(EVENTS), ids=lambda row: row[0])
def test_event(row: list[str]) -> None:
    assert list(model_fields(SENT[row[0]])) == row[1].split()


def test_no_event_is_left_out() -> None:
    assert {row[0] for row in rows(EVENTS)} == set(SENT)


def test_no_type_is_left_out() -> None:
    assert {row[0] for row in rows(TYPES)} == set(JOB_TYPES)
