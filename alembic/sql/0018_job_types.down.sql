create or replace function guard_queue_job_insert() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if new.status <> 'pending' then
        raise exception 'a job starts as pending, not %', new.status using errcode = 'check_violation';
    end if;
    if new.user_id is null and new.job_type not in ('update_recurring_tasks', 'cleanup_old_data', 'other') then
        raise exception 'a % job needs a user', new.job_type using errcode = 'not_null_violation';
    end if;
    -- A plain insert needs no name of its own.
    new.queue_job_id := coalesce(new.queue_job_id, make_queue_job_id(new.job_type::text, new.user_id, new.metadata));
    return new;
end
$$;

create or replace function add_queue_job(
    p_user_id uuid, p_job_type text, p_metadata jsonb, p_priority int default 10,
    p_scheduled_for timestamptz default now(), p_dedup_key text default null
) returns uuid
language sql volatile set search_path = public, pg_temp
as $$
    select job_id from enqueue_job(p_user_id, p_job_type, p_metadata, p_priority, p_scheduled_for, p_dedup_key)
$$;

-- The enum keeps the values that were added: rows have them.
drop function register_job_type(text, text, text, int, boolean);
drop table job_types;
