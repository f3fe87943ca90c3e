alter table brief_engagement enable row level security;
create policy "Users see own engagement" on brief_engagement for select to authenticated using (auth.uid() = user_id);
create policy "Service role full access" on brief_engagement for all to service_role using (true) with check (true);
alter table schedule_changes enable row level security;
create policy "Users see own schedule changes" on schedule_changes for select to authenticated using (auth.uid() = user_id);
create policy "Service role full access" on schedule_changes for all to service_role using (true) with check (true);

alter table schedule_runs enable row level security;
create policy "Service role full access" on schedule_runs for all to service_role using (true) with check (true);
alter table time_zones enable row level security;
create policy "Service role full access" on time_zones for all to service_role using (true) with check (true);

-- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
revoke all on brief_engagement, schedule_changes, schedule_runs, time_zones from public, anon, authenticated;
revoke all on sequence schedule_changes_id_seq from public, anon, authenticated;
grant select on brief_engagement, schedule_changes to authenticated;
grant select, insert, update, delete on brief_engagement, schedule_changes, schedule_runs, time_zones to service_role;

do $$
declare
    ours text;
begin
    for ours in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = any(array[
            'refresh_time_zones', 'time_zone_or_utc', 'with_offset_of', 'local_to_utc', 'brief_runs', 'next_brief_run',
            'local_dates', 'engagement_step', 'begin_tick', 'end_tick', 'hold_schedule', 'covered_until', 'iso_utc', 'queue_briefs',
            'check_and_schedule_briefs', 'wants_event_sms', 'queue_daily_sms', 'check_and_schedule_daily_sms',
            'apply_schedule_changes', 'waiting_scheduled_jobs', 'move_scheduled_job', 'reschedule_briefs', 'reschedule_daily_sms',
            'brief_preferences_changed', 'sms_preferences_changed', 'user_moved'
        ])
    loop
        execute format('revoke execute on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
