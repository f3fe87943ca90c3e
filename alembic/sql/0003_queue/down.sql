drop view queue_jobs_stats;
drop trigger feed_insert on daily_briefs;
drop trigger feed_update on daily_briefs;
drop trigger feed_delete on daily_briefs;
drop function claim_job(uuid, text, text), claim_pending_jobs(text[], int), take_back_stalled_jobs(interval);
drop table queue_jobs, job_events, row_events, queue_counts, queue_counts_fold, queue_settings, queue_processes;
drop function
    add_queue_job(uuid, text, jsonb, int, timestamptz, text),
    enqueue_job(uuid, text, jsonb, int, timestamptz, text, int),
    enqueue_jobs(uuid[], text[], jsonb[], int[], timestamptz[], text[], int[]),
    make_queue_job_id(text, uuid, jsonb),
    due_jobs(queue_type[], int, boolean),
    promote_due_retries(queue_type[]),
    dispatch_jobs(text[], int, text, boolean),
    next_due_at(text[], timestamptz),
    undispatch_jobs(uuid[]),
    complete_queue_job(uuid, jsonb, bigint),
    complete_queue_jobs(uuid[], bigint[], jsonb[]),
    complete_queue_job(uuid, jsonb),
    current_fencing_token(uuid),
    retry_delay(int),
    fail_queue_job(uuid, text, boolean, bigint),
    fail_queue_job(uuid, text, boolean),
    release_queue_job(uuid, bigint, text),
    heartbeat_queue_job(uuid, bigint),
    report_job_progress(uuid, jsonb, bigint),
    reset_stalled_jobs(interval),
    reset_stalled_jobs(text),
    cancel_queue_job(uuid, text),
    cancel_brief_jobs_for_date(uuid, text, uuid),
    reschedule_queue_job(uuid, timestamptz, int),
    get_queue_stats(),
    fold_queue_counts(),
    feed_table(text),
    record_row_changes(),
    record_added_jobs(),
    record_changed_jobs(),
    record_deleted_jobs(),
    guard_queue_job_insert(),
    guard_queue_job_update(),
    guard_queue_job_delete(),
    guard_queue_jobs_truncate(),
    wake(text, text),
    queue_setting(text, text),
    effective_priority(int, timestamptz, double precision),
    is_terminal(queue_status),
    new_job_id();
drop type queue_status;
drop type queue_type;
drop sequence change_seq;
