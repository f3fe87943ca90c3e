-- When a reminder is sent, and how it follows its event and its user. app/features/sms/rules.py holds the same rules.

-- Quiet hours: the start included, the end not; over midnight where the start is the later one; equal or missing means none.
create function is_quiet(p_local time, p_from time, p_until time) returns boolean
language sql immutable parallel safe
return case when p_from is null or p_until is null or p_from = p_until then false
            when p_from < p_until then p_local >= p_from and p_local < p_until
            else p_local >= p_from or p_local < p_until end;

-- The first instant after another at which clocks show the end of quiet hours; in an hour that is shown twice it can be the
-- second, which is the one Postgres takes.
create function quiet_hours_end_at(p_at timestamptz, p_until time, p_zone text) returns timestamptz
language sql stable parallel safe
return (
    select case when local_to_utc(e.shown, p_zone) > p_at then local_to_utc(e.shown, p_zone) else e.shown at time zone p_zone end
    from (
        select (p_at at time zone p_zone)::date
               + case when (p_at at time zone p_zone)::time < p_until then 0 else 1 end + p_until as shown
    ) e
);

-- When the reminder of an event is sent: the lead time before it, not before a given instant, after quiet hours where they end
-- before the event. Null: not at all.
create function sms_reminder_at(
    p_start timestamptz, p_lead_minutes int, p_quiet_from time, p_quiet_until time, p_zone text, p_not_before timestamptz
) returns timestamptz
language sql stable parallel safe
return (
    select case when r.at > p_start then null
                when not is_quiet((r.at at time zone p_zone)::time, p_quiet_from, p_quiet_until) then r.at
                when quiet_hours_end_at(r.at, p_quiet_until, p_zone) < p_start then quiet_hours_end_at(r.at, p_quiet_until, p_zone)
           end
    from (select greatest(p_start - p_lead_minutes * interval '1 minute', p_not_before) as at) r
);

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

-- The triggers write as the owner: whoever may change an event or a preference changes what it leads to.
-- Of the events only those that lie in or after a planned day: anybody may import ten years of them.
create function users_with_planned_events(p_users uuid[], p_starts timestamptz[]) returns uuid[]
language sql stable set search_path = public, pg_temp
as $$
    select array_agg(distinct d.user_id)
    from unnest(p_users, p_starts) c (user_id, start_time)
    join sms_planned_days d on d.user_id = c.user_id
        -- Zones are up to 14 hours from UTC, lead times up to a day.
        and (c.start_time at time zone 'UTC')::date between d.local_date - 1 and d.local_date + 2
$$;

create function sms_events_added() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    touched uuid[];
begin
    select users_with_planned_events(array_agg(n.user_id), array_agg(n.start_time)) into touched
    from after_change n where not n.all_day and n.status <> 'cancelled';
    if touched is not null then
        perform follow_reminders(touched);
    end if;
    return null;
end
$$;

create function sms_events_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    touched uuid[];
begin
    select users_with_planned_events(array_agg(c.user_id), array_agg(c.start_time)) into touched
    from after_change n join before_change o using (id)
    cross join lateral (values (n.user_id, n.start_time), (o.user_id, o.start_time)) c (user_id, start_time)
    where (n.user_id, n.start_time, n.all_day, n.status = 'cancelled', n.title, n.location)
          is distinct from (o.user_id, o.start_time, o.all_day, o.status = 'cancelled', o.title, o.location);
    if touched is not null then
        perform follow_reminders(touched);
    end if;
    return null;
end
$$;

create function sms_events_deleted() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    touched uuid[];
begin
    -- A user who is deleted takes all of it along.
    select users_with_planned_events(array_agg(o.user_id), array_agg(o.start_time)) into touched
    from before_change o join users u on u.id = o.user_id;
    if touched is not null then
        perform follow_reminders(touched);
    end if;
    return null;
end
$$;

create function sms_wishes_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    touched uuid[];
begin
    if tg_op = 'UPDATE' then
        -- A new lead time holds for all that waits; another one may have come with a job that somebody queued by hand.
        update sms_messages m set lead_minutes = n.event_reminder_lead_time_minutes
        from after_change n join before_change o using (id)
        where n.event_reminder_lead_time_minutes <> o.event_reminder_lead_time_minutes
          and m.user_id = n.user_id and m.status = 'pending' and m.event_starts_at is not null;

        select array_agg(distinct c.user_id) into touched
        from after_change n join before_change o using (id) cross join lateral (values (n.user_id), (o.user_id)) c (user_id)
        where (n.user_id, wants_event_sms(n), n.event_reminder_lead_time_minutes, n.quiet_hours_start, n.quiet_hours_end, n.phone_number)
              is distinct from
              (o.user_id, wants_event_sms(o), o.event_reminder_lead_time_minutes, o.quiet_hours_start, o.quiet_hours_end, o.phone_number);
    else
        select array_agg(o.user_id) into touched from before_change o join users u on u.id = o.user_id;
    end if;
    if touched is not null then
        perform follow_reminders(touched);
    end if;
    return null;
end
$$;

create function sms_user_moved() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform follow_reminders(array[new.id]);
    return null;
end
$$;

create trigger sms_insert after insert on calendar_events
    referencing new table as after_change for each statement execute function sms_events_added();
create trigger sms_update after update on calendar_events
    referencing old table as before_change new table as after_change for each statement execute function sms_events_changed();
create trigger sms_delete after delete on calendar_events
    referencing old table as before_change for each statement execute function sms_events_deleted();

-- Named to come after the triggers of the schedules.
create trigger sms_update after update on user_sms_preferences
    referencing old table as before_change new table as after_change for each statement execute function sms_wishes_changed();
create trigger sms_delete after delete on user_sms_preferences
    referencing old table as before_change for each statement execute function sms_wishes_changed();
create trigger sms_move after update of timezone on users
    for each row when (new.timezone is distinct from old.timezone) execute function sms_user_moved();
