"""GET /metrics: what Prometheus reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.db.meters import Meter
from app.web.app import create_app

ROW = re.compile(r"\| `(buildos_\w+)`(?: \*process\*)? \| (\w+) \|([^|]*)\| (.+) \|")


@pytest.fixture
def busy(database):
    """A little of everything."""
    with database.engine.begin() as conn:
        conn.execute(text("select add_queue_job(null, 'other', '{}', 10, '2026-11-21T11:59:00Z') from generate_series(1, 5)"))
        conn.execute(text("select add_queue_job(null, 'cleanup_old_data', '{}', 10, '2026-11-21T11:58:00Z')"))
        done, failed, *_ = conn.execute(text("select id from claim_pending_jobs(array['other'], 3)")).scalars()
        conn.execute(text("select complete_queue_job(:id)"), {"id": done})
        conn.execute(text("select fail_queue_job(:id, 'x', true)"), {"id": failed})
        conn.execute(text("insert into queue_settings (key, value) values ('paused.send_sms', 'true')"))
    meter = Meter(database.engine, gather=3600)
    meter.see("adapter_call", "llm", "ok", 0.3)
    meter.see("adapter_call", "llm", "error", 3.0)
    meter.see("claim_refused", "other")
    meter.flush()


def samples(answer):
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text) for sample in family.samples
    }  # fmt: skip


def test_what_there_is_is_told(http, parts, busy):
    found = samples(http.get("/metrics"))
    assert found["buildos_jobs", "other", "pending"] == 2 and found["buildos_jobs", "other", "processing"] == 1
    assert found["buildos_jobs_added_total", "other"] == 5
    assert found["buildos_job_wait_seconds_count", "other"] == 3
    assert found["buildos_job_wait_seconds_bucket", "+Inf", "other"] == 3
    assert found["buildos_job_run_seconds_count", "completed", "other"] == found["buildos_job_retries_total", "other"] == 1
    assert found["buildos_job_failures_total", "other"] == 1 and found["buildos_job_stalls_total", "other"] == 0
    assert found["buildos_claims_refused_total", "other"] == 1
    assert found["buildos_dispatch_lag_seconds", "cleanup_old_data"] == 120  # at noon
    assert found["buildos_due_jobs", "upkeep"] == 3 and found["buildos_worker_slots", "upkeep"] == 0
    assert found["buildos_adapter_call_seconds_sum", "error", "llm"] == 3.0
    assert found["buildos_adapter_call_seconds_bucket", "0.5", "llm", "ok"] == 1
    assert found["buildos_processes", "worker"] == 0 and found["buildos_alert", "no_worker"] == 1
    assert found["buildos_paused", "send_sms"] == 1
    assert found["buildos_connections", "database"] >= 1 and found["buildos_connections", "realtime"] == 0
    with parts.engine.connect() as conn:
        most, reserved = (int(conn.execute(text(f"show {name}_connections")).scalar_one()) for name in ("max", "superuser_reserved"))
    assert found["buildos_connections", "database_limit"] == most - reserved


def test_a_second_api_process_tells_the_same(http, parts, busy):
    here, there = (
        {name: value for name, value in samples(api.get("/metrics")).items() if name[0].startswith("buildos_job")}
        for api in (http, create_app(parts).test_client())
    )
    assert here == there != {}


def test_buckets_only_grow_and_end_in_the_count(http, busy):
    for family in text_string_to_metric_families(http.get("/metrics").text):
        if family.type == "histogram":
            rising: dict[tuple, list[float]] = {}
            for sample in family.samples:
                key = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
                if sample.name.endswith(("_bucket", "_count")):
                    rising.setdefault(key, []).append(sample.value)
            for values in rising.values():
                assert values == sorted(values) and values[-1] == values[-2], family.name


def test_requests_are_timed_by_their_route(http):
    http.get("/jobs/no-such-job")
    http.get("/no/such/path")
    http.open("/health", method="BREW")
    found = samples(http.get("/metrics"))
    assert found["buildos_http_request_seconds_count", "/jobs/<job_id>", "4xx", "GET"] == 1
    assert found["buildos_http_request_seconds_count", "4xx", "GET", "none"] == 1
    assert found["buildos_http_request_seconds_count", "4xx", "none", "other"] == 1


def test_the_page_names_each_metric_as_it_is(http, busy, root: Path):
    http.get("/health")
    told = {}
    for family in text_string_to_metric_families(http.get("/metrics").text):
        if family.name.startswith("buildos_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            told[name] = (family.type, labels, family.documentation)
    page = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)), about)
        for name, kind, labels, about in ROW.findall((root / "docs/metrics.md").read_text())
    }
    assert page == told
