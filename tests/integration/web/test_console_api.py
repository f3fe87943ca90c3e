"""What the operators' pages ask for: figures, failures, what waits, everybody's jobs, workers, mail (docs/console.md)."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from werkzeug.serving import make_server

from app.client import Client
from app.queue import listing
from app.queue.many import JobFilter
from app.web.figures import FailuresReply, FiguresReply, WaitingReply
from app.web.job_list import AllJobsReply, RelatedJobsReply
from app.web.mail import MailReply, MailsReply
from app.web.workers import WorkersReply
from tests.support.jobs import sql_client


@pytest.fixture
def sql(database):
    with sql_client(database) as client:
        yield client


@pytest.fixture
def now(parts, sql):
    """The app's clock follows the database's."""
    parts.clock.time = sql.value("select clock_timestamp()") + timedelta(seconds=1)
    return parts.clock.time


def names(answer):
    return [job["queue_job_id"] for job in answer.json["jobs"]]


def test_figures(http, sql, now):
    for status in ("completed", "failed"):
        sql.in_state(status)
    sql.run("select fold_queue_counts()")
    for name, step, spans in (("hour", 60, 60), ("day", 600, 144), ("week", 3600, 168)):
        reply = FiguresReply(**http.get(f"/queue/figures?range={name}").json)
        assert (reply.step, len(reply.figures)) == (step, spans)
        assert sum(figure.added for figure in reply.figures) == 2 and sum(figure.failed for figure in reply.figures) == 1
    assert sum(figure["added"] for figure in http.get("/queue/figures?type=send_sms").json["figures"]) == 0
    assert http.get("/queue/figures?range=year").status_code == http.get("/queue/figures?type=x").status_code == 400


def test_an_answer_that_did_not_change_is_not_sent_again(http, sql, now):
    first = http.get("/jobs")
    assert first.headers["Cache-Control"] == "private, no-cache" and first.headers["Vary"] == "Authorization"
    again = http.get("/jobs", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    sql.add()
    assert http.get("/jobs", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_failures_are_grouped_by_what_they_said(http, sql, now):
    for number in range(3):
        job = sql.claimed()["id"]
        sql.run("select fail_queue_job(%s, %s, false)", job, f"Twilio said 4{number}9 for message 7f{number}a1b2c-0000-4000-8000-00000000000{number}: too fast")
    retried = sql.claimed(job_type="send_sms", user=sql.user(), metadata={"phone_number": "+14155552671", "message": "m"})["id"]
    sql.run("select fail_queue_job(%s, 'too fast', true)", retried)
    reply = FailuresReply(**http.get("/queue/failures").json)
    first, second = reply.failures
    assert (first.job_type, first.pattern, first.failed, first.retried) == ("other", "Twilio said … for message …: too fast", 3, 0)
    assert (first.text, first.last_job) == ("Twilio said", str(job)) and "429" in first.last_message
    assert (second.job_type, second.failed, second.retried) == ("send_sms", 0, 1)
    assert len(names(http.get("/jobs", query_string={"status": "failed", "type": "other", "text": first.text}))) == 3
    assert http.get("/queue/failures?hours=0").status_code == http.get("/queue/failures?hours=x").status_code == 400


def test_failures_of_long_ago_are_not_shown(http, sql, parts, now):
    sql.in_state("failed")
    parts.clock.time = now + timedelta(hours=3)
    assert http.get("/queue/failures?hours=2").json["failures"] == [] != http.get("/queue/failures?hours=4").json["failures"]


def test_what_has_waited_the_longest(http, sql, now):
    old, newer = sql.add(), sql.add(priority=1)
    sql.due_since(old, 500)
    sql.due_since(newer, 100)
    sql.add("cleanup_old_data", scheduled_for=now + timedelta(days=1))
    (waiting,) = WaitingReply(**http.get("/queue/waiting").json).waiting
    assert waiting.job_id == sql.job(old)["queue_job_id"] and waiting.scheduled_for == sql.job(old)["scheduled_for"]
    http.post("/queue/pause", json={"jobType": "other"})
    assert http.get("/queue/waiting").json["waiting"] == []


def test_everybodys_jobs_page_by_page(http, sql):
    ids = [str(sql.job(sql.add())["queue_job_id"]) for _ in range(5)]
    found, cursor = [], None
    for _ in range(3):
        answer = http.get("/jobs", query_string={"limit": 2, **({"cursor": cursor} if cursor else {})})
        assert AllJobsReply(**answer.json).searchedTo is None
        found.append(names(answer))
        cursor = answer.json["nextCursor"]
    assert found == [ids[:2:-1], ids[2:0:-1], ids[:1]] and cursor is None
    assert http.get("/jobs?cursor=x").status_code == http.get("/jobs?limit=101").status_code == 400


@pytest.mark.parametrize("status", ["pending", "processing", "completed", "failed", "cancelled", "retrying"])
def test_jobs_by_state_type_user_text_and_time(http, sql, now, status):
    user = sql.user()
    wanted = sql.in_state(status, job_type="sync_calendar", user=user, metadata={"calendarId": "Käse-7"})
    for other in ("completed", "failed", "pending"):
        sql.in_state(other)
    name = sql.job(wanted)["queue_job_id"]
    tomorrow, yesterday = ((now + timedelta(days=days)).isoformat().replace("+00:00", "Z") for days in (1, -1))
    filters = {"status": status, "type": "sync_calendar", "userId": str(user), "text": "käse", "after": yesterday, "before": tomorrow}
    assert names(http.get("/jobs", query_string=filters)) == [name]
    for key in ("type", "userId", "text"):
        assert names(http.get("/jobs", query_string={key: filters[key]})) == [name], key
        assert names(http.get("/jobs", query_string={key: filters[key], "status": "retrying" if status != "retrying" else "failed"})) == []
    assert name in names(http.get("/jobs", query_string={"status": status}))
    assert names(http.get("/jobs", query_string={**filters, "before": yesterday})) == names(http.get("/jobs", query_string={**filters, "after": tomorrow})) == []


def test_a_search_ends_and_says_how_far_it_went(database, sql):
    wanted = sql.in_state("failed", metadata={"message": "there"})
    for _ in range(5):
        sql.add()
    with database.engine.connect() as conn:
        seen, cursor = [], None
        for _ in range(4):
            page = listing.list_jobs(conn, JobFilter(text="there"), limit=5, cursor=cursor, most=2)
            seen.append((len(page.jobs), page.searched_to is not None))
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [(0, True), (0, True), (1, True), (0, False)] and cursor is None
        # What has an index of its own is found at once, whatever lies before it.
        assert [job.id for job in listing.list_jobs(conn, JobFilter(status="failed"), limit=5, most=2).jobs] == [wanted]


def test_the_archive_is_a_list_of_its_own(http, database, sql):
    ada = sql.user()
    old = [sql.in_state(status, user=ada if n % 2 else None) for n, status in enumerate(["completed", "failed", "cancelled", "failed"])]
    archived = [sql.job(job)["queue_job_id"] for job in reversed(old)]
    # As in life they ended in different months.
    sql.run("select archive_jobs('{completed,failed,cancelled}', clock_timestamp() + interval '1 hour', %s, 9)", UUID(int=0))
    sql.run("select add_archive_month(clock_timestamp() - interval '40 days')")
    sql.run("update queue_jobs_archive set processed_at = processed_at - interval '40 days' where id = any(%s)", old[1:3])
    here = sql.job(sql.in_state("failed"))["queue_job_id"]
    assert names(http.get("/jobs")) == names(http.get("/jobs?archived=false")) == [here]
    first = http.get("/jobs?archived=true&limit=3").json
    second = http.get("/jobs", query_string={"archived": "true", "cursor": first["nextCursor"]}).json
    assert [job["queue_job_id"] for job in [*first["jobs"], *second["jobs"]]] == archived and second["nextCursor"] is None
    assert names(http.get(f"/jobs?archived=true&status=failed&userId={ada}")) == archived[::2]
    assert names(http.get("/jobs?archived=true&status=pending")) == []
    assert http.get(f"/jobs/{archived[0]}").json["id"] == str(old[-1])
    assert http.get("/jobs?archived=1").json["error"] == "archived: expects true or false"
    with database.engine.connect() as conn:
        page = listing.list_jobs(conn, JobFilter(status="completed"), limit=5, most=2, archived=True)
        assert page.jobs == [] and page.searched_to is not None and page.next_cursor == str(old[2])


def test_a_user_nobody_is(http):
    for nobody in ("x", "00000000-0000-4000-8000-000000000000"):
        assert http.get(f"/jobs?userId={nobody}").json == {"error": "User not found", "code": "not_found"}


def test_related_jobs(http, sql):
    user, other = sql.user(), sql.user("bob@example.com")
    first = sql.in_state("failed", user=user, metadata={"correlationId": "c1", "briefId": "b1"})
    follow = sql.add("sync_calendar", user=user, metadata={"calendarId": "x", "correlationId": "c1"})
    child = sql.add(user=user, metadata={"correlationId": str(first)})
    mail = sql.add(user=user, metadata={"briefId": "b1"})
    retry = http.post(f"/jobs/{first}/retry").json["jobId"]
    sql.add(user=other, metadata={"correlationId": "c1"})
    sql.add(user=user, metadata={"correlationId": "c2"})
    answer = http.get(f"/jobs/{first}/related")
    assert [job.id for job in RelatedJobsReply(**answer.json).jobs][:3] == [str(follow), str(child), str(mail)]
    assert names(answer)[3:] == [retry]
    assert str(first) in [job["id"] for job in http.get(f"/jobs/{retry}/related").json["jobs"]]
    assert http.get(f"/jobs/{sql.add()}/related").json == {"jobs": []}


def test_workers_and_draining_one(http, sql):
    for name, kind in (("celery@here/1", "worker"), ("beat/1", "beat")):
        sql.run("insert into queue_processes (name, kind, host, pid, queues, concurrency) values (%s, %s, 'here', 1, '{email}', 2)", name, kind)
    sql.run("update queue_jobs set worker = 'celery@here/1' where id = %s", sql.in_state("processing"))
    beat, worker = WorkersReply(**http.get("/workers").json).processes
    assert (beat.kind, worker.name, worker.running, worker.queues, worker.draining) == ("beat", "celery@here/1", 1, ["email"], False)
    assert http.post("/workers/drain", json={"worker": worker.name}).json == {"success": True, "worker": worker.name, "draining": True}
    assert [each["draining"] for each in http.get("/workers").json["processes"]] == [False, True]
    assert http.post("/workers/resume", json={"worker": worker.name}).json["draining"] is False
    for nobody in ("celery@gone", "beat/1"):
        assert http.post("/workers/drain", json={"worker": nobody}).json == {"error": "Worker not found", "code": "not_found"}


def test_mail_with_its_marks(http, sql):
    user = sql.user()
    for number in range(3):
        mail = sql.value(
            "insert into emails (user_id, subject, status, sent_at, created_at, text_content) values (%s, %s, 'sent', now(), now() + make_interval(secs => %s), 'Hello') returning id",
            user, f"Brief {number}", number,
        )  # fmt: skip
    sql.run("insert into email_recipients (user_id, email_id, recipient_email, status, open_count, opened_at) values (%s, %s, 'ada@example.com', 'sent', 2, now())", user, mail)
    sql.run("insert into email_logs (user_id, email_id, transport, status) values (%s, %s, 'outbox', 'sent')", user, mail)
    sql.run("insert into email_tracking_events (user_id, email_id, event_type) values (%s, %s, 'opened')", user, mail)
    page = MailsReply(**http.get("/mail?limit=2").json)
    assert [each.subject for each in page.mails] == ["Brief 2", "Brief 1"]
    latest = page.mails[0]
    assert (latest.recipients, latest.open_count, latest.transport, page.mails[1].open_count) == (["ada@example.com"], 2, "outbox", None)
    assert [each["subject"] for each in http.get("/mail", query_string={"cursor": page.nextCursor}).json["mails"]] == ["Brief 0"]
    whole = MailReply(**http.get(f"/mail/{mail}").json)
    assert (whole.text, [mark.event_type for mark in whole.marks], [each.status for each in whole.tries]) == ("Hello", ["opened"], ["sent"])
    assert http.get("/mail/x").json["error"] == "Mail not found" and http.get("/mail?cursor=x").status_code == 400


def test_each_method_of_the_client_does_what_it_says(app, sql, now):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        client = Client(f"http://127.0.0.1:{server.server_port}")
        user = sql.user()
        failed = sql.in_state("failed", user=user, metadata={"correlationId": "c"})
        waiting = sql.add(user=user, metadata={"correlationId": "c"})
        sql.run("insert into queue_processes (name, kind, host, pid) values ('celery@here/1', 'worker', 'here', 1)")
        mail = sql.value("insert into emails (user_id, subject) values (%s, 'Hello') returning id", user)
        sql.run("select fold_queue_counts()")
        assert client.access().operator and [found.id for found in client.find_users("ada")] == [str(user)]
        assert [job.id for job in client.jobs(status="failed", after=now - timedelta(hours=1)).jobs] == [str(failed)]
        assert client.jobs(archived=True).jobs == []
        assert [job.id for job in client.related_jobs(str(failed))] == [str(waiting)]
        assert sum(figure.added for figure in client.figures("day", job_type="other").figures) == 2
        assert [group.last_job for group in client.failures(1)] == [str(failed)]
        assert [job.job_type for job in client.waiting()] == ["other"]
        assert client.drain_worker("celery@here/1") and client.workers()[0].draining
        assert not client.resume_worker("celery@here/1")
        assert [each.subject for each in client.mails().mails] == ["Hello"] == [client.mail(str(mail)).subject]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
