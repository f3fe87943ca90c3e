"""GET /metrics: what Prometheus reads."""

from __future__ import annotations

from sqlalchemy import text


def test_jobs_processes_and_alerts_are_there(http, database):
    with database.engine.begin() as conn:
        conn.execute(text("select add_queue_job(null, 'other', '{}') from generate_series(1, 3)"))
        conn.execute(text("select claim_pending_jobs(array['other'], 1)"))
    answer = http.get("/metrics")
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'buildos_jobs{job_type="other",status="pending"} 2' in lines
    assert 'buildos_jobs{job_type="other",status="processing"} 1' in lines
    assert 'buildos_processes{kind="worker"} 0' in lines
    assert any(line.startswith('buildos_alert{name="no_worker"}') for line in lines)
    assert [line for line in lines if line.startswith("# TYPE")] == [
        "# TYPE buildos_jobs gauge", "# TYPE buildos_processes gauge", "# TYPE buildos_alert gauge",
        "# TYPE buildos_paused gauge", "# TYPE buildos_connections gauge",
    ]  # fmt: skip
    assert 'buildos_connections{kind="realtime"} 0' in lines
    (database_line,) = [line for line in lines if line.startswith('buildos_connections{kind="database"}')]
    assert int(database_line.split()[1]) >= 1
