drop trigger days_move_along on users;
drop function tasks_move_along();

create or replace function begin_tick(p_name text, p_now timestamptz) returns timestamptz
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
