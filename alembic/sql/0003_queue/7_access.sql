-- Who may do what (CONTRACT 3): users read their own rows, the service role does the rest, nobody else anything.

alter table queue_jobs enable row level security;
create policy "Users see own jobs" on queue_jobs for select to authenticated using (auth.uid() = user_id);
create policy "Service role full access" on queue_jobs for all to service_role using (true) with check (true);

alter table job_events enable row level security;
create policy "Users see own job events" on job_events for select to authenticated using (auth.uid() = user_id);
create policy "Service role full access" on job_events for all to service_role using (true) with check (true);

alter table row_events enable row level security;
create policy "Users see own row events" on row_events for select to authenticated using (auth.uid() = user_id);
create policy "Service role full access" on row_events for all to service_role using (true) with check (true);

-- Of the queue itself, not of any user: no policy for users.
do $$
declare
    internal text;
begin
    foreach internal in array array['queue_counts', 'queue_counts_fold', 'queue_settings', 'queue_processes'] loop
        execute format('alter table %I enable row level security', internal);
        execute format('create policy "Service role full access" on %I for all to service_role using (true) with check (true)', internal);
    end loop;
end
$$;

-- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
revoke all on queue_jobs, job_events, row_events, queue_counts, queue_counts_fold, queue_settings, queue_processes,
    queue_jobs_stats from public, anon, authenticated;
revoke all on sequence change_seq from public, anon, authenticated;
grant select on queue_jobs, job_events, row_events to authenticated;
grant select, insert, update, delete on queue_jobs, job_events, row_events, queue_counts, queue_counts_fold, queue_settings,
    queue_processes to service_role;
grant select on queue_jobs_stats to service_role;
grant usage on sequence change_seq to service_role;

-- The functions of this schema that are ours: not for PUBLIC.
do $$
declare
    ours text;
begin
    for ours in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and not exists (
            select from pg_depend d where d.objid = p.oid and d.deptype = 'e'
        ) and p.proname = any(array[
            'add_queue_job', 'enqueue_job', 'enqueue_jobs', 'make_queue_job_id', 'new_job_id', 'due_jobs', 'promote_due_retries',
            'dispatch_jobs', 'next_due_at', 'undispatch_jobs', 'claim_job', 'claim_pending_jobs', 'complete_queue_job',
            'complete_queue_jobs',
            'fail_queue_job', 'retry_delay', 'release_queue_job', 'heartbeat_queue_job', 'report_job_progress',
            'reset_stalled_jobs', 'take_back_stalled_jobs', 'cancel_queue_job', 'cancel_brief_jobs_for_date',
            'reschedule_queue_job', 'get_queue_stats', 'fold_queue_counts', 'feed_table', 'wake', 'queue_setting', 'effective_priority', 'is_terminal',
            'current_fencing_token', 'guard_queue_job_insert', 'guard_queue_job_update', 'guard_queue_job_delete',
            'guard_queue_jobs_truncate', 'record_added_jobs', 'record_changed_jobs', 'record_deleted_jobs', 'record_row_changes'
        ])
    loop
        execute format('revoke execute on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
