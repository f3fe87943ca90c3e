-- What the schedules remember: how far they got, and who was written to while away.

create table schedule_runs (
    name text primary key,                  -- the Celery task
    last_success timestamptz,               -- instant of the last tick that succeeded
    covered_until timestamptz,              -- end of its window: the next one begins here
    last_queued int,                        -- jobs it added
    last_error text,                        -- of a tick after that, if it failed
    last_error_at timestamptz
);
insert into schedule_runs (name) values ('check_and_schedule_briefs'), ('check_and_schedule_daily_sms');

-- The last step of re-engagement a user got. Counted from a visit: a new visit starts again.
create table brief_engagement (
    user_id uuid primary key references users on delete cascade,
    away_since timestamptz not null,
    step int not null,
    job_id uuid not null                    -- a step whose job failed or was cancelled counts as missed
);

-- Users whose schedule changed while a tick of it was running: nobody waits for a tick, and no change falls between two.
create table schedule_changes (
    id bigint generated always as identity primary key,
    name text not null,
    user_id uuid not null references users on delete cascade
);

-- Finds a user's briefs around an instant, however long his history is.
create index idx_queue_jobs_user_briefs on queue_jobs (user_id, scheduled_for) where job_type = 'generate_daily_brief';

-- Starts a tick and says where its window begins: at the end of the last one that succeeded, at most 24 hours back; null when
-- there is no such end, because it is the very first tick or one for an instant before the last. Ticks of one schedule run
-- one after the other: a second beat waits here, and then finds the window closed.
create function begin_tick(p_name text, p_now timestamptz) returns timestamptz
language plpgsql set search_path = public, pg_temp
as $$
declare
    state schedule_runs;
begin
    select * into strict state from schedule_runs where name = p_name for update;
    perform refresh_time_zones();
    if state.last_success is null or p_now < state.last_success then
        return null;
    end if;
    if state.covered_until < p_now - interval '24 hours' then
        insert into activity_log (activity, details) values ('schedule_window_dropped', jsonb_build_object(
            'schedule', p_name, 'from', iso_utc(state.covered_until), 'to', iso_utc(p_now - interval '24 hours')
        ));
    end if;
    return greatest(state.covered_until, p_now - interval '24 hours');
end
$$;

create function end_tick(p_name text, p_now timestamptz, p_covered_until timestamptz, p_queued int) returns void
language sql volatile set search_path = public, pg_temp
as $$
    update schedule_runs
    set last_success = p_now, covered_until = greatest(covered_until, p_covered_until), last_queued = p_queued,
        last_error = null, last_error_at = null
    where name = p_name and (last_success is null or p_now >= last_success)
$$;

-- Whether a change may be worked on now: the schedule as it stands, which no tick changes until the transaction ends. Null while
-- a tick is running: then the users are noted for `apply_schedule_changes`.
create function hold_schedule(p_name text, p_users uuid[]) returns schedule_runs
language plpgsql set search_path = public, pg_temp
as $$
declare
    state schedule_runs;
begin
    select * into state from schedule_runs where name = p_name for share skip locked;
    if not found then
        insert into schedule_changes (name, user_id) select p_name, u.id from users u where u.id = any(p_users);
    end if;
    return state;
end
$$;

-- Up to where changes must be queued at once, as the tick that covers it is over; null when that is still to come. A tick for
-- an instant in the future covers nothing now.
create function covered_until(p_state schedule_runs, p_now timestamptz) returns timestamptz
language sql immutable parallel safe
return case when p_state.last_success <= p_now and p_state.covered_until > p_now then p_state.covered_until end;

create function iso_utc(p_at timestamptz) returns text
language sql immutable parallel safe
return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
