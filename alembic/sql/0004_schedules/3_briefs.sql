-- The hourly tick of briefs: one statement, however many users.

-- Queues the runs after one instant and up to another, of these users or (null) of all. Returns the jobs added.
--
-- Users share their schedules: the local times are computed once for each combination of zone, time, frequency and day that
-- occurs, and joined back. Most combinations need no more than a comparison: while a zone's clocks run steadily, a run can
-- only be due when its time of day is one that they show in the window.
-- A plan of its own for every call: for one user it looks him up, for all it hashes. No two of the lists are joined on what
-- the planner takes for a single row: that would grow with the square of the users.
create function queue_briefs(p_users uuid[], p_after timestamptz, p_until timestamptz, p_now timestamptz) returns int
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
    backoff boolean := queue_setting('ENGAGEMENT_BACKOFF_ENABLED', 'false') = 'true';
    queued int;
begin
    with reader as materialized (
        select p.user_id, u.timezone, p.time_of_day, case when p.frequency = 'weekly' then p.day_of_week else -1 end as day
        from user_brief_preferences p join users u on u.id = p.user_id
        where p.is_active and (p_users is null or p.user_id = any(p_users))
    ), kind as materialized (
        select distinct timezone, time_of_day, day from reader
    ), zone as materialized (
        select n.timezone, n.zone, p_after at time zone n.zone as shows_from, p_until at time zone n.zone as shows_until,
               (p_after at time zone n.zone) - interval '25 hours' = (p_after - interval '25 hours') at time zone n.zone
                   and (p_until at time zone n.zone) - (p_after at time zone n.zone) = p_until - p_after as steady
        from (select timezone, time_zone_or_utc(timezone) as zone from (select distinct timezone from kind) k offset 0) n
    ), due_kind as materialized (
        select k.timezone, k.time_of_day, k.day, z.zone, r.brief_date, r.run_at
        from kind k join zone z using (timezone)
        cross join lateral brief_runs(
            case when k.day < 0 then 'daily' else 'weekly' end, k.time_of_day, k.day, z.zone, p_after, p_until
        ) r
        where not z.steady or p_until - p_after >= interval '24 hours'
           or (z.shows_from::date + k.time_of_day > z.shows_from and z.shows_from::date + k.time_of_day <= z.shows_until)
           or (z.shows_until::date + k.time_of_day > z.shows_from and z.shows_until::date + k.time_of_day <= z.shows_until)
    ), due as materialized (
        -- A user who is being deleted at this moment is left out, as his job would fail the whole tick.
        select u.id as user_id, d.zone, d.brief_date, d.run_at,
               d.run_at - interval '2 minutes' as planned_at,
               greatest(d.run_at - interval '2 minutes', p_now) as start_at, -- a start already past becomes now
               coalesce(u.last_visit, u.created_at) as away_since,
               greatest(0, d.brief_date - (coalesce(u.last_visit, u.created_at) at time zone d.zone)::date) as days_away
        from due_kind d
        join reader r using (timezone, time_of_day, day)
        join users u on u.id = r.user_id
        for key share of u skip locked
    ), ranked as (
        select due.*, case when backoff then engagement_step(days_away) else 0 end as step,
               lead(start_at) over (partition by user_id order by run_at) as next_start_at
        from due
    ), wanted as (
        select r.*, jsonb_build_object(
                   'briefDate', r.brief_date, 'timezone', r.zone, 'notificationScheduledFor', iso_utc(r.run_at),
                   'options', jsonb_build_object('isReengagement', r.step > 0, 'daysSinceLastLogin', r.days_away),
                   'scheduled', true
               ) as metadata
        from ranked r
        where r.step is not null
          -- Of several runs that a long outage left over, none within 30 minutes of the next, and one re-engagement alone.
          and (r.next_start_at is null or (r.step = 0 and r.next_start_at - r.start_at > interval '30 minutes'))
          and (r.step = 0 or not exists (
              select from brief_engagement e
              where e.user_id = r.user_id and e.away_since = r.away_since and e.step >= r.step and not exists (
                  select from queue_jobs q where q.id = e.job_id and q.status in ('failed', 'cancelled')
              )
          ))
          and not exists (
              select from queue_jobs q
              where q.user_id = r.user_id and q.job_type = 'generate_daily_brief' and q.status not in ('failed', 'cancelled')
                and q.scheduled_for between r.planned_at - interval '30 minutes' and r.start_at + interval '30 minutes'
                and (q.scheduled_for <= r.planned_at + interval '30 minutes'
                     or q.scheduled_for >= r.start_at - interval '30 minutes')
          )
    ), added as (
        insert into queue_jobs (queue_job_id, user_id, job_type, metadata, priority, scheduled_for, dedup_key, dedup_lock)
        select make_queue_job_id('generate_daily_brief', w.user_id, w.metadata), w.user_id, 'generate_daily_brief', w.metadata,
               10, w.start_at, key, key
        from wanted w cross join lateral (
            select 'brief-' || w.user_id || '-' || to_char(w.brief_date, 'YYYY-MM-DD') as key
        ) k
        on conflict (dedup_lock) do nothing
        returning id, user_id, metadata
    ), engaged as (
        insert into brief_engagement (user_id, away_since, step, job_id)
        select u.id, coalesce(u.last_visit, u.created_at),
               engagement_step((a.metadata #>> '{options,daysSinceLastLogin}')::int), a.id
        from added a join users u on u.id = a.user_id
        where a.metadata @> '{"options": {"isReengagement": true}}'
        on conflict (user_id) do update
        set away_since = excluded.away_since, step = excluded.step, job_id = excluded.job_id
    ), noted as (
        insert into activity_log (user_id, activity, details)
        select u.id, 'unknown_time_zone', jsonb_build_object('timezone', u.timezone, 'used', 'UTC')
        from added a join users u on u.id = a.user_id
        where u.timezone <> a.metadata ->> 'timezone'
    )
    select count(*) into queued from added;
    return queued;
end
$$;

create function check_and_schedule_briefs(p_now timestamptz default now()) returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    moment timestamptz := coalesce(p_now, now());
    until timestamptz := moment + interval '1 hour';
    since timestamptz := coalesce(begin_tick('check_and_schedule_briefs', moment), moment);
    queued int := 0;
begin
    if since < until then
        queued := queue_briefs(null, since, until, moment);
    end if;
    perform end_tick('check_and_schedule_briefs', moment, until, queued);
    perform apply_schedule_changes();
    return queued;
end
$$;
