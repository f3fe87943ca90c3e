-- A task of a whole day has a whole day in the calendar, at whatever time of day it begins; and the event says whose change was the last.
create or replace function task_event_follows() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    link task_calendar_events;
    zone text;
    begins timestamptz;
begin
    if coalesce(current_setting('buildos.calendar_sync', true), '') = 'on' then
        return case when tg_op = 'DELETE' then old else new end;
    end if;
    select * into link from task_calendar_events t where t.task_id = old.id and t.sync_status <> 'deleting';
    if not found then
        return case when tg_op = 'DELETE' then old else new end;
    end if;
    if tg_op = 'DELETE' or new.deleted_at is not null then
        delete from calendar_events where id = link.calendar_event_id;
        if link.connection_id is null then
            delete from task_calendar_events where id = link.id;
        else
            update task_calendar_events set sync_status = 'deleting', changed_at = clock_timestamp(), sync_source = 'app' where id = link.id;
        end if;
    else
        begins := coalesce(new.start_date, new.due_date);
        select time_zone_or_utc(u.timezone) into zone from users u where u.id = new.user_id;
        if new.all_day then
            begins := local_to_utc((begins at time zone zone)::date::timestamp, zone);
        end if;
        update calendar_events e
        set title = new.title, all_day = new.all_day, start_time = coalesce(begins, e.start_time), timezone = zone, sync_source = 'app',
            end_time = case when begins is null then e.end_time
                            when new.all_day then local_to_utc((begins at time zone zone)::date + interval '1 day', zone)
                            when e.all_day then begins + interval '30 minutes'
                            else begins + (e.end_time - e.start_time) end
        where e.id = link.calendar_event_id;
        update task_calendar_events
        set changed_at = clock_timestamp(), sync_source = 'app', sync_status = case when connection_id is null then 'local' else 'pending' end
        where id = link.id;
    end if;
    if link.connection_id is not null then
        perform queue_calendar_sync(link.connection_id);
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end
$$;
