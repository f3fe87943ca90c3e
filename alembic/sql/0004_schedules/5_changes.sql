-- A preference or a time zone that changes takes effect at once, on the queued job too.

-- Jobs of the schedules that wait, for their users: not those a person asked for, nor brought forward, nor retries by hand.
create function waiting_scheduled_jobs(p_job_type queue_type, p_priority int, p_users uuid[]) returns setof queue_jobs
language sql volatile set search_path = public, pg_temp
as $$
    select q.* from queue_jobs q
    where q.user_id = any(p_users) and q.job_type = p_job_type and q.status in ('pending', 'retrying')
      and q.priority = p_priority and q.metadata @> '{"scheduled": true}' and not q.metadata ? 'retriedFrom'
    order by q.id
    for update
$$;

-- Moves a waiting job: its message, if one is on the way, is void. One that has run before keeps the time of its next try.
create function move_scheduled_job(p_job_id uuid, p_scheduled_for timestamptz, p_metadata jsonb) returns void
language sql volatile set search_path = public, pg_temp
as $$
    update queue_jobs
    set scheduled_for = p_scheduled_for, metadata = metadata || p_metadata, dispatched_at = null, dispatched_by = null
    where id = p_job_id and status = 'pending' and attempts = 0
$$;

-- Brings the queued briefs of these users in line with their preferences. A job stays on its own date where the new time is
-- still to come, or where the job is due or has run already; otherwise it is cancelled, and the tick of its new date adds it
-- again. What the new preferences ask for in the hour that the last tick has covered is queued here.
create function reschedule_briefs(p_users uuid[], p_now timestamptz default clock_timestamp()) returns void
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
    state schedule_runs := hold_schedule('check_and_schedule_briefs', p_users);
    horizon timestamptz := covered_until(state, p_now);
begin
    if state.name is null then
        return;
    end if;

    perform case when w.run_at is null then cancel_queue_job(w.id, 'the schedule changed')::text
                 else move_scheduled_job(w.id, w.run_at - interval '2 minutes', jsonb_build_object(
                     'timezone', w.zone, 'notificationScheduledFor', iso_utc(w.run_at)))::text end
    from (
        select q.id, z.zone, r.run_at
        from waiting_scheduled_jobs('generate_daily_brief', 10, p_users) q
        join users u on u.id = q.user_id
        cross join lateral (select time_zone_or_utc(u.timezone) as zone) z
        left join user_brief_preferences p on p.user_id = q.user_id and p.is_active
        left join lateral (
            select run_at
            from brief_runs(p.frequency, p.time_of_day, p.day_of_week, z.zone,
                            local_to_utc((q.metadata ->> 'briefDate')::timestamp, z.zone) - interval '1 microsecond',
                            local_to_utc((q.metadata ->> 'briefDate')::timestamp, z.zone) + interval '50 hours')
            where brief_date = (q.metadata ->> 'briefDate')::date and (run_at > p_now or q.scheduled_for <= p_now or q.attempts > 0)
        ) r on p.user_id is not null
    ) w;

    if horizon is not null then
        perform queue_briefs(p_users, p_now, least(horizon, p_now + interval '1 hour'), p_now);
    end if;
end
$$;

-- Likewise the day's job of event reminders: it follows the zone, the lead time and the switches.
create function reschedule_daily_sms(p_users uuid[], p_now timestamptz default clock_timestamp()) returns void
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
    state schedule_runs := hold_schedule('check_and_schedule_daily_sms', p_users);
    horizon timestamptz := covered_until(state, p_now);
begin
    if state.name is null then
        return;
    end if;

    perform case when w.begins_at is null then cancel_queue_job(w.id, 'the schedule changed')::text
                 else move_scheduled_job(w.id, greatest(w.begins_at, w.created_at), jsonb_build_object(
                     'timezone', w.zone, 'leadTimeMinutes', w.lead_time))::text end
    from (
        select q.id, q.created_at, z.zone, p.event_reminder_lead_time_minutes as lead_time, d.begins_at
        from waiting_scheduled_jobs('schedule_daily_sms', 5, p_users) q
        join users u on u.id = q.user_id
        cross join lateral (select time_zone_or_utc(u.timezone) as zone) z
        left join user_sms_preferences p on p.user_id = q.user_id and wants_event_sms(p)
        left join lateral (
            select begins_at
            from local_dates(z.zone, least(p_now, q.scheduled_for), null, p_now + interval '75 hours')
            where local_date = (q.metadata ->> 'date')::date
        ) d on p.user_id is not null
    ) w;

    if horizon is not null then
        perform queue_daily_sms(p_users, null, least(horizon, p_now + interval '25 hours'), p_now);
    end if;
end
$$;

-- Works on what was noted while a tick was running: at the end of that tick, or with the next message of Beat. Returns how many
-- changes there were.
create function apply_schedule_changes() returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    briefs uuid[];
    reminders uuid[];
begin
    with taken as (
        delete from schedule_changes
        where id in (select id from schedule_changes order by id for update skip locked)
        returning name, user_id
    )
    select array_agg(distinct user_id) filter (where name = 'check_and_schedule_briefs'),
           array_agg(distinct user_id) filter (where name = 'check_and_schedule_daily_sms')
    into briefs, reminders from taken;
    if briefs is not null then
        perform reschedule_briefs(briefs);
    end if;
    if reminders is not null then
        perform reschedule_daily_sms(reminders);
    end if;
    return coalesce(cardinality(briefs), 0) + coalesce(cardinality(reminders), 0);
end
$$;

-- The triggers write as the owner: whoever may change a preference changes what it leads to.
create function brief_preferences_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    users_changed uuid[];
begin
    if tg_op = 'INSERT' then
        select array_agg(n.user_id) into users_changed from after_change n where n.is_active;
    elsif tg_op = 'UPDATE' then
        select array_agg(distinct c.user_id) into users_changed
        from after_change n join before_change o using (id) cross join lateral (values (n.user_id), (o.user_id)) c (user_id)
        where (n.user_id, n.is_active, n.frequency, n.time_of_day, n.day_of_week)
              is distinct from (o.user_id, o.is_active, o.frequency, o.time_of_day, o.day_of_week);
    else
        -- A user who is deleted takes his jobs along.
        select array_agg(o.user_id) into users_changed from before_change o join users u on u.id = o.user_id;
    end if;
    if users_changed is not null then
        perform reschedule_briefs(users_changed);
    end if;
    return null;
end
$$;

create function sms_preferences_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    users_changed uuid[];
begin
    if tg_op = 'INSERT' then
        select array_agg(n.user_id) into users_changed from after_change n where wants_event_sms(n);
    elsif tg_op = 'UPDATE' then
        select array_agg(distinct c.user_id) into users_changed
        from after_change n join before_change o using (id) cross join lateral (values (n.user_id), (o.user_id)) c (user_id)
        where (n.user_id, wants_event_sms(n), n.event_reminder_lead_time_minutes)
              is distinct from (o.user_id, wants_event_sms(o), o.event_reminder_lead_time_minutes);
    else
        select array_agg(o.user_id) into users_changed from before_change o join users u on u.id = o.user_id;
    end if;
    if users_changed is not null then
        perform reschedule_daily_sms(users_changed);
    end if;
    return null;
end
$$;

create function user_moved() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform reschedule_briefs(array[new.id]);
    perform reschedule_daily_sms(array[new.id]);
    return null;
end
$$;

create trigger schedule_insert after insert on user_brief_preferences
    referencing new table as after_change for each statement execute function brief_preferences_changed();
create trigger schedule_update after update on user_brief_preferences
    referencing old table as before_change new table as after_change
    for each statement execute function brief_preferences_changed();
create trigger schedule_delete after delete on user_brief_preferences
    referencing old table as before_change for each statement execute function brief_preferences_changed();

create trigger schedule_insert after insert on user_sms_preferences
    referencing new table as after_change for each statement execute function sms_preferences_changed();
create trigger schedule_update after update on user_sms_preferences
    referencing old table as before_change new table as after_change
    for each statement execute function sms_preferences_changed();
create trigger schedule_delete after delete on user_sms_preferences
    referencing old table as before_change for each statement execute function sms_preferences_changed();

-- For each row, as a visit must cost nothing here: `users` changes with every one.
create trigger schedule_move after update of timezone on users
    for each row when (new.timezone is distinct from old.timezone) execute function user_moved();
