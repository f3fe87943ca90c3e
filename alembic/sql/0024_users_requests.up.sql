-- Requests of users look as `authenticated` and change things as `authenticated_writer`, which may do what a request does to the
-- user's own rows and nothing to anybody else's (CONTRACT 10). It is a role of its own because `authenticated` is also what a browser
-- gets that talks to Supabase directly: there a user reads, and changes nothing behind the API's back.

do $$
declare
    wanted text;
begin
    if to_regrole('authenticated_writer') is null then
        begin
            create role authenticated_writer nologin;
        exception when duplicate_object or unique_violation then
            null; -- roles belong to the whole server: another database's migration was faster
        end;
    end if;
    if not pg_has_role('authenticated_writer', 'authenticated', 'usage') then
        grant authenticated to authenticated_writer;
    end if;
    -- The API takes these roles on: whoever migrates may. Another login is granted them by hand.
    if not (select rolsuper from pg_roles where rolname = current_user) then
        foreach wanted in array array['authenticated', 'authenticated_writer'] loop
            begin
                execute format('grant %I to %I', wanted, current_user);
            exception when insufficient_privilege then
                raise warning '% is not granted to %: requests with a user''s token need it', wanted, current_user;
            end;
        end loop;
    end if;
end
$$;

do $$
declare
    owned text;
    ours text;
begin
    foreach owned in array array[
        'projects', 'tasks', 'task_dependencies', 'notes', 'calendar_series', 'calendar_events', 'task_calendar_events', 'brain_dumps',
        'push_subscriptions', 'notifications', 'user_brief_preferences', 'user_sms_preferences', 'user_notification_preferences', 'queue_jobs'
    ] loop
        execute format('create policy "Users change own %s" on %I for all to authenticated_writer using (auth.uid() = user_id) with check (auth.uid() = user_id)',
                       replace(owned, '_', ' '), owned);
    end loop;
    create policy "Users change own profile" on users for update to authenticated_writer using (auth.uid() = id) with check (auth.uid() = id);

    -- What requests call of the functions of the queue. They run with the caller's rights, so the policies hold inside.
    for ours in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = any(array[
            'make_queue_job_id', 'new_job_id', 'enqueue_job', 'enqueue_jobs', 'is_terminal', 'cancel_queue_job',
            'cancel_brief_jobs_for_date', 'reschedule_queue_job', 'queue_brief_job', 'time_zone_or_utc'
        ])
    loop
        execute format('grant execute on function %s to authenticated_writer', ours);
    end loop;
end
$$;

grant insert, update, delete on projects, tasks, task_dependencies, notes, calendar_series, calendar_events, task_calendar_events
    to authenticated_writer;
grant delete on push_subscriptions to authenticated_writer;
grant insert, update on brain_dumps, user_brief_preferences, user_sms_preferences, user_notification_preferences, queue_jobs
    to authenticated_writer;
grant update (read_at) on notifications to authenticated_writer;
grant update (timezone) on users to authenticated_writer;

-- What time zones and types of job there are is no secret: a brief's local date needs the ones, the guard of new jobs the others.
create policy "Users see time zones" on time_zones for select to authenticated_writer using (true);
create policy "Users see job types" on job_types for select to authenticated_writer using (true);
grant select on time_zones, job_types to authenticated_writer;
