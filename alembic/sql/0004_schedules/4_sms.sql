-- The tick of event reminders at midnight UTC: one `schedule_daily_sms` for each user and local date.

create function wants_event_sms(p user_sms_preferences) returns boolean
language sql immutable parallel safe
return p.event_reminders_enabled and p.phone_verified and not p.opted_out;

-- Queues the local dates that are not over and begin before an instant, of these users or (null) of all; with `p_from` only
-- those that begin on or after it. Returns the jobs added.
create function queue_daily_sms(p_users uuid[], p_from timestamptz, p_before timestamptz, p_now timestamptz) returns int
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
    queued int;
begin
    with zone as materialized (
        select timezone, time_zone_or_utc(timezone) as name
        from (
            select distinct u.timezone from user_sms_preferences p join users u on u.id = p.user_id
            where wants_event_sms(p) and (p_users is null or p.user_id = any(p_users))
        ) t
    ), day as materialized (
        select z.timezone, z.name as zone, d.local_date, greatest(d.begins_at, p_now) as start_at
        from zone z cross join lateral local_dates(z.name, p_now, p_from, p_before) d
    ), wanted as materialized (
        select u.id as user_id, d.start_at,
               'schedule_daily_sms-' || u.id || '-' || to_char(d.local_date, 'YYYY-MM-DD') as key,
               jsonb_build_object(
                   'userId', u.id, 'date', d.local_date, 'timezone', d.zone,
                   'leadTimeMinutes', p.event_reminder_lead_time_minutes, 'scheduled', true
               ) as metadata
        from day d
        join users u on u.timezone = d.timezone
        join user_sms_preferences p on p.user_id = u.id
        where wants_event_sms(p) and (p_users is null or p.user_id = any(p_users))
        for key share of u skip locked
    ), added as (
        insert into queue_jobs (queue_job_id, user_id, job_type, metadata, priority, scheduled_for, dedup_key, dedup_lock)
        select make_queue_job_id('schedule_daily_sms', w.user_id, w.metadata), w.user_id, 'schedule_daily_sms', w.metadata,
               5, w.start_at, w.key, w.key
        from wanted w
        on conflict (dedup_lock) do nothing
        returning user_id, metadata ->> 'timezone' as zone
    ), noted as (
        insert into activity_log (user_id, activity, details)
        select distinct u.id, 'unknown_time_zone', jsonb_build_object('timezone', u.timezone, 'used', 'UTC')
        from added a join users u on u.id = a.user_id
        where u.timezone <> a.zone
    )
    select count(*) into queued from added;
    return queued;
end
$$;

-- Covers what begins before the next tick, at the next midnight UTC. A beat whose clock is up to five minutes ahead of the
-- database's ticks "before" midnight: that is the tick of the day that begins.
create function check_and_schedule_daily_sms(p_now timestamptz default now()) returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    moment timestamptz := coalesce(p_now, now());
    until timestamptz := (date_trunc('day', (moment + interval '5 minutes') at time zone 'UTC') + interval '1 day')
                         at time zone 'UTC';
    since timestamptz := begin_tick('check_and_schedule_daily_sms', moment);
    queued int := 0;
begin
    if since is null or since < until then
        queued := queue_daily_sms(null, since, until, moment);
    end if;
    perform end_tick('check_and_schedule_daily_sms', moment, until, queued);
    perform apply_schedule_changes();
    return queued;
end
$$;
