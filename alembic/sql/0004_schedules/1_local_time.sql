-- Local time: when does a schedule run next, exact in every zone. app/features/schedules/rules.py holds the same rules.
--
-- Functions with a BEGIN ATOMIC or RETURN body are bound to their objects when they are made: they need no search_path, and the
-- planner writes them into the query that calls them. (Not `immutable`, as they contain operators that are only stable: that
-- would keep them from being written in.)

-- The zones that have a name. Postgres takes far more for a zone (`UTC+3` is three hours WEST for it), Python takes these.
-- A table, as reading them from disk takes 10 ms; each tick brings it up to date.
create table time_zones (name text primary key);

create function refresh_time_zones() returns void
language sql volatile set search_path = public, pg_temp
as $$
    with current as materialized (select name from pg_timezone_names), gone as (
        delete from time_zones t where not exists (select from current c where c.name = t.name)
    )
    insert into time_zones (name) select name from current on conflict do nothing
$$;
select refresh_time_zones();

-- An unknown zone counts as UTC: its user gets his brief, and nobody else's waits.
create function time_zone_or_utc(p_timezone text) returns text
language sql stable set search_path = public, pg_temp
as $$ select coalesce((select name from time_zones where name = p_timezone), 'UTC') $$;

-- A local time with the offset that a zone has at some instant.
create function with_offset_of(p_local timestamp, p_zone text, p_at timestamptz) returns timestamptz
language sql stable parallel safe
return (p_local - ((p_at at time zone p_zone) - (p_at at time zone 'UTC'))) at time zone 'UTC';

-- The instant at which clocks in a zone show a local time. Skipped by a clock change: moved forward by the length of the gap,
-- as Postgres does by itself. Shown twice: the first time. Postgres takes the second, so where the offset is not that of the
-- day before, that one is tried as well: where it leads to the same local time, it leads there earlier. (No two changes of a
-- zone are within 48 hours.)
create function local_to_utc(p_local timestamp, p_zone text) returns timestamptz
language sql stable parallel safe
return case
    when ((p_local at time zone p_zone) - interval '24 hours') at time zone p_zone = p_local - interval '24 hours' then
        p_local at time zone p_zone
    when with_offset_of(p_local, p_zone, (p_local at time zone p_zone) - interval '24 hours') at time zone p_zone = p_local then
        with_offset_of(p_local, p_zone, (p_local at time zone p_zone) - interval '24 hours')
    else
        p_local at time zone p_zone
end;

-- The runs of a schedule after one instant and up to another, the second included. The date is the one the run is for: a run
-- that a clock change moves over midnight keeps its own. Two dates can meet in one instant where a zone skips a whole day
-- (Apia, 2011-12-30): the later one has it. (`offset 0` keeps the planner from computing each instant several times.)
create function brief_runs(
    p_frequency text, p_time_of_day time, p_day_of_week int, p_zone text, p_after timestamptz, p_until timestamptz
) returns table (brief_date date, run_at timestamptz)
language sql stable parallel safe
begin atomic
    select max(run.brief_date), run.run_at
    from (
        select day.brief_date, local_to_utc(day.brief_date + p_time_of_day, p_zone) as run_at
        from (
            select (p_after at time zone p_zone)::date - 1 + n as brief_date
            from generate_series(0, (p_until at time zone p_zone)::date - (p_after at time zone p_zone)::date + 2) n
            offset 0
        ) day
        where p_frequency <> 'weekly' or extract(dow from day.brief_date) = p_day_of_week
        offset 0
    ) run
    where run.run_at > p_after and run.run_at <= p_until
    group by run.run_at;
end;

create function next_brief_run(
    p_frequency text, p_time_of_day time, p_day_of_week int, p_timezone text, p_now timestamptz
) returns timestamptz
language sql stable set search_path = public, pg_temp
as $$
    -- A day or a week, and room for a skipped day.
    select min(run_at) from brief_runs(
        p_frequency, p_time_of_day, p_day_of_week, time_zone_or_utc(p_timezone), p_now,
        p_now + case when p_frequency = 'weekly' then interval '216 hours' else interval '72 hours' end
    )
$$;

-- The local dates that are not over at an instant and begin before another; with `p_from` only those that begin on or after it.
-- A skipped date never begins. Where midnight is skipped, the date begins with the first minute it has.
create function local_dates(p_zone text, p_now timestamptz, p_from timestamptz, p_before timestamptz)
returns table (local_date date, begins_at timestamptz)
language sql stable parallel safe
begin atomic
    select day.local_date, day.begins_at
    from (
        select d.local_date, local_to_utc(d.local_date::timestamp, p_zone) as begins_at
        from (
            select (p_now at time zone p_zone)::date + n as local_date
            from generate_series(0, (p_before at time zone p_zone)::date - (p_now at time zone p_zone)::date + 1) n
        ) d
    ) day
    where (p_from is null or day.begins_at >= p_from) and day.begins_at < p_before
      and (day.begins_at at time zone p_zone)::date = day.local_date;
end;

-- What a user who stays away gets after so many days: 0 the normal brief, 4, 10, 31, 62, 93… a re-engagement brief at that
-- step, null nothing. Ranges, so that a missed day loses no step.
create function engagement_step(p_days_away int) returns int
language sql immutable parallel safe
return case when p_days_away <= 2 then 0
            when p_days_away < 4 then null
            when p_days_away < 10 then 4
            when p_days_away < 31 then 10
            else p_days_away / 31 * 31 end;
