drop function follow_reminders, follow_waiting_reminders, plan_days_again;

-- Brings the waiting reminders of these users in line with their events and preferences, and has the planned days that are not
-- over planned again: for new events, and for the words.
-- Whoever plans, moves or sends a user's messages holds the row of his preferences. A job that somebody else holds is starting
-- at this moment: it asks the same questions itself when it has got the row.
create function follow_reminders(p_users uuid[], p_now timestamptz default clock_timestamp()) returns void
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
    r record;
begin
    perform 1 from user_sms_preferences where user_id = any(p_users) order by user_id for update;

    for r in
        with waiting as materialized (
            select m.id, m.user_id, m.calendar_event_id, m.event_starts_at, m.lead_minutes, q.id as job_id, q.scheduled_for
            from sms_messages m join queue_jobs q on q.id = m.queue_job_id
            where m.user_id = any(p_users) and m.status = 'pending' and m.event_starts_at is not null
              and m.attempt_count = 0 -- a further copy of one that was not delivered keeps its time
              and q.status in ('pending', 'retrying')
            order by q.id
            for update of q skip locked
        )
        select w.*, e.start_time, e.title, t.at,
               case when p.user_id is null then 'reminders are switched off'
                    when e.id is null then 'the event was deleted'
                    when e.status = 'cancelled' then 'the event was cancelled'
                    when e.all_day then 'the event lasts all day'
                    when exists (
                        select from sms_messages o
                        where o.calendar_event_id = e.id and o.event_starts_at = e.start_time and o.id <> w.id
                    ) then 'there is a reminder for that time'
               end as cancelled,
               case when e.start_time < p_now then 'the event has begun' else 'quiet hours' end as skipped
        from waiting w
        join users u on u.id = w.user_id
        left join user_sms_preferences p on p.user_id = w.user_id and wants_event_sms(p)
        left join calendar_events e on e.id = w.calendar_event_id and e.user_id = w.user_id
        cross join lateral (
            select sms_reminder_at(e.start_time, w.lead_minutes, p.quiet_hours_start, p.quiet_hours_end,
                                   time_zone_or_utc(u.timezone), p_now) as at
        ) t
    loop
        if r.cancelled is not null or r.at is null then
            perform cancel_queue_job(r.job_id, coalesce(r.cancelled, r.skipped));
            update sms_messages
            set status = case when r.cancelled is null then 'skipped' else 'cancelled' end, reason = coalesce(r.cancelled, r.skipped),
                event_starts_at = case when r.cancelled is null then r.start_time else event_starts_at end
            where id = r.id;
        elsif r.start_time <> r.event_starts_at or r.at <> r.scheduled_for and greatest(r.at, r.scheduled_for) > p_now then
            perform move_scheduled_job(r.job_id, r.at, jsonb_build_object('eventName', r.title));
            update sms_messages set scheduled_for = r.at, event_starts_at = r.start_time where id = r.id;
        end if;
    end loop;

    -- Once, until that job has planned: its successor then has a key of its own.
    insert into queue_jobs (queue_job_id, user_id, job_type, metadata, priority, scheduled_for, dedup_key, dedup_lock)
    select make_queue_job_id('schedule_daily_sms', d.user_id, '{}'), d.user_id, 'schedule_daily_sms',
           jsonb_build_object('userId', d.user_id, 'date', d.local_date, 'timezone', d.zone,
                              'leadTimeMinutes', d.lead, 'scheduled', true), 5, p_now, d.key, d.key
    from (
        select s.user_id, s.local_date, time_zone_or_utc(u.timezone) as zone, p.event_reminder_lead_time_minutes as lead,
               'schedule_daily_sms-' || s.user_id || '-' || to_char(s.local_date, 'YYYY-MM-DD') || '-after-' || s.job_id as key
        from sms_planned_days s
        join users u on u.id = s.user_id
        join user_sms_preferences p on p.user_id = s.user_id
        where s.user_id = any(p_users) and wants_event_sms(p)
          and s.local_date >= (p_now at time zone time_zone_or_utc(u.timezone))::date
    ) d
    on conflict (dedup_lock) do nothing;
end
$$;

revoke execute on function follow_reminders(uuid[], timestamptz) from public, anon, authenticated;
grant execute on function follow_reminders(uuid[], timestamptz) to service_role;
