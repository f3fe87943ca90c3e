-- A day stays the day it is when its user moves: the dates of whole-day tasks are midnights in the user's zone, so they move along.
-- `start_date` beside a due date may have a time of day: then it is an instant, and stays one.
create function tasks_move_along() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    was text := time_zone_or_utc(old.timezone);
    becomes text := time_zone_or_utc(new.timezone);
begin
    update tasks t
    set due_date = local_to_utc((t.due_date at time zone was)::date::timestamp, becomes),
        start_date = case
            when t.due_date is null or t.start_date = local_to_utc((t.start_date at time zone was)::date::timestamp, was)
            then local_to_utc((t.start_date at time zone was)::date::timestamp, becomes)
            else t.start_date end
    where t.user_id = new.id and t.all_day and was <> becomes;
    return null;
end
$$;
create trigger days_move_along after update of timezone on users
    for each row when (new.timezone is distinct from old.timezone) execute function tasks_move_along();
revoke execute on function tasks_move_along() from public, anon, authenticated;
grant execute on function tasks_move_along() to service_role;

-- As before, and it takes no instant that never comes: an infinite one would be remembered as the last, and no missed tick be caught up again.
create or replace function begin_tick(p_name text, p_now timestamptz) returns timestamptz
language plpgsql set search_path = public, pg_temp
as $$
declare
    state schedule_runs;
begin
    if not isfinite(p_now) then
        raise exception 'a schedule runs at an instant, not at %', p_now using errcode = 'invalid_parameter_value';
    end if;
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
