-- Types of job that come from outside (app/jobs.py), one row each. Ours are not in it: the code has them, and the enum from the start.
create table job_types (
    name text primary key check (name ~ '^[a-z][a-z0-9_]{2,47}$'),
    label text not null,                            -- what people read
    queue text not null,
    max_attempts int not null check (max_attempts >= 1),
    needs_user boolean not null,
    registered_at timestamptz not null default now()
);
alter table job_types enable row level security;
create policy "Service role full access" on job_types for all to service_role using (true) with check (true);
revoke all on job_types from public, anon, authenticated;
grant select, insert, update, delete on job_types to service_role;

-- Makes a type of job known to the database, or changes what is known of it. It may be used from the commit on, and stays: an enum
-- loses no value, and its jobs keep their type. Of the schema's owner, as nobody else may add to the enum.
create function register_job_type(
    p_name text, p_label text default null, p_queue text default 'upkeep', p_max_attempts int default 3, p_needs_user boolean default true
) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if p_name = any(array[
        'generate_daily_brief', 'generate_brief_email', 'generate_phases', 'onboarding_analysis', 'send_sms', 'schedule_daily_sms',
        'send_notification', 'send_notification_email', 'process_brain_dump', 'send_email', 'sync_calendar', 'update_recurring_tasks',
        'cleanup_old_data', 'other'
    ]) then
        raise exception 'job type % is one of ours', p_name using errcode = 'invalid_parameter_value';
    end if;
    insert into job_types (name, label, queue, max_attempts, needs_user)
    values (p_name, coalesce(p_label, p_name), p_queue, p_max_attempts, p_needs_user)
    on conflict (name) do update set label = excluded.label, queue = excluded.queue, max_attempts = excluded.max_attempts,
                                     needs_user = excluded.needs_user;
    -- Whoever registers the same name at this moment waits at the row above, and then finds the value.
    if not exists (select from pg_enum where enumtypid = 'queue_type'::regtype and enumlabel = p_name) then
        execute format('alter type queue_type add value if not exists %L', p_name);
    end if;
end
$$;

-- A type from outside says itself whether its jobs need a user. Ours are asked first: they pay nothing for the question.
create or replace function guard_queue_job_insert() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if new.status <> 'pending' then
        raise exception 'a job starts as pending, not %', new.status using errcode = 'check_violation';
    end if;
    if new.user_id is null and new.job_type::text not in ('update_recurring_tasks', 'cleanup_old_data', 'other')
        and not exists (select from job_types where name = new.job_type::text and not needs_user) then
        raise exception 'a % job needs a user', new.job_type using errcode = 'not_null_violation';
    end if;
    -- A plain insert needs no name of its own.
    new.queue_job_id := coalesce(new.queue_job_id, make_queue_job_id(new.job_type::text, new.user_id, new.metadata));
    return new;
end
$$;

-- From SQL a job of a type from outside is run as often as its type says; ours three times.
create or replace function add_queue_job(
    p_user_id uuid, p_job_type text, p_metadata jsonb, p_priority int default 10,
    p_scheduled_for timestamptz default now(), p_dedup_key text default null
) returns uuid
language sql volatile set search_path = public, pg_temp
as $$
    select job_id from enqueue_job(p_user_id, p_job_type, p_metadata, p_priority, p_scheduled_for, p_dedup_key,
                                   (select max_attempts from job_types where name = p_job_type))
$$;

revoke execute on function register_job_type(text, text, text, int, boolean) from public, anon, authenticated;
grant execute on function register_job_type(text, text, text, int, boolean) to service_role;
