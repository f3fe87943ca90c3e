delete from schedule_runs where name in ('schedule_recurring_tasks', 'schedule_cleanup');
drop index tasks_to_repeat_idx;
alter table tasks drop column recurrence_start, drop column recurrence_settled_at;
drop index job_events_gone_idx;
drop function
    prune_history(timestamptz, int),
    archive_jobs(queue_status[], timestamptz, uuid, int),
    ended_jobs(queue_status[], timestamptz, uuid, int),
    job_id_at(timestamptz),
    drop_archive_months(timestamptz),
    add_archive_month(timestamptz);
-- Archived jobs cannot come back: the state machine lets no row begin as ended.
drop table queue_jobs_archive;
