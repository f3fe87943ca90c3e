-- One way in: whoever adds a job, over HTTP, SQL, a schedule or from another job, ends here (CONTRACT 3).

create function make_queue_job_id(p_job_type text, p_user_id uuid, p_metadata jsonb) returns text
language sql volatile parallel safe
as $$
    select case when p_job_type = 'generate_daily_brief' and p_metadata ->> 'briefDate' is not null
                then 'brief-' || coalesce(p_user_id::text, 'system') || '-' || left(p_metadata ->> 'briefDate', 40)
                else p_job_type || '-' || coalesce(p_user_id::text, 'system') end
           || '-' || (extract(epoch from clock_timestamp()) * 1000)::bigint
           || '-' || substr(encode(uuid_send(gen_random_uuid()), 'hex'), 1, 10)
$$;

-- Adds a job, or finds the one that holds the idempotency key, and says which.
create function enqueue_job(
    p_user_id uuid, p_job_type text, p_metadata jsonb, p_priority int default 10,
    p_scheduled_for timestamptz default now(), p_dedup_key text default null, p_max_attempts int default 3
) returns table (job_id uuid, job_name text, due_at timestamptz, deduplicated boolean)
language plpgsql set search_path = public, pg_temp
as $$
declare
    details jsonb := coalesce(p_metadata, '{}');
begin
    if jsonb_typeof(details) <> 'object' then
        raise exception 'metadata must be a JSON object' using errcode = 'invalid_parameter_value';
    end if;
    if not exists (select from pg_enum where enumtypid = 'queue_type'::regtype and enumlabel = p_job_type) then
        raise exception 'unknown job type %', coalesce(p_job_type, 'null') using errcode = 'invalid_parameter_value';
    end if;

    for attempt in 1..20 loop
        insert into queue_jobs as q (queue_job_id, user_id, job_type, metadata, priority, scheduled_for, dedup_key, dedup_lock, max_attempts)
        values (make_queue_job_id(p_job_type, p_user_id, details), p_user_id, p_job_type::queue_type, details,
                coalesce(p_priority, 10), coalesce(p_scheduled_for, now()), p_dedup_key, p_dedup_key, coalesce(p_max_attempts, 3))
        on conflict (dedup_lock) do nothing
        returning q.id, q.queue_job_id, q.scheduled_for into job_id, job_name, due_at;
        if found then
            deduplicated := false;
            return next;
            return;
        end if;

        select q.id, q.queue_job_id, q.scheduled_for into job_id, job_name, due_at
        from queue_jobs q where q.dedup_lock = p_dedup_key;
        if found then
            deduplicated := true;
            return next;
            return;
        end if;
        -- The holder failed or was cancelled between the two statements: the key is free again.
    end loop;
    -- Only a transaction that does not see what others commit gets here: it must start again.
    raise exception 'idempotency key % is being changed by another transaction', p_dedup_key
        using errcode = 'serialization_failure';
end
$$;

create function add_queue_job(
    p_user_id uuid, p_job_type text, p_metadata jsonb, p_priority int default 10,
    p_scheduled_for timestamptz default now(), p_dedup_key text default null
) returns uuid
language sql volatile set search_path = public, pg_temp
as $$
    select job_id from enqueue_job(p_user_id, p_job_type, p_metadata, p_priority, p_scheduled_for, p_dedup_key)
$$;

-- Many at once, in one statement, in the caller's order; `ordinal` counts from 1. An item whose idempotency key is held, by an
-- older job or by one before it in the list, finds that job. `job_id` is null for the rare item whose holder let go meanwhile: add
-- that one singly.
create function enqueue_jobs(
    p_user_ids uuid[], p_job_types text[], p_metadata jsonb[], p_priorities int[], p_scheduled_for timestamptz[],
    p_dedup_keys text[], p_max_attempts int[]
) returns table (ordinal bigint, job_id uuid, job_name text, due_at timestamptz, deduplicated boolean)
language sql volatile set search_path = public, pg_temp
as $$
    with item as materialized (
        select new_job_id() as id, make_queue_job_id(i.job_type, i.user_id, i.metadata) as name, i.*
        from unnest(p_user_ids, p_job_types, p_metadata, p_priorities, p_scheduled_for, p_dedup_keys, p_max_attempts)
            with ordinality as i (user_id, job_type, metadata, priority, scheduled_for, dedup_key, max_attempts, ordinal)
    ), added as (
        insert into queue_jobs (id, queue_job_id, user_id, job_type, metadata, priority, scheduled_for, dedup_key, dedup_lock, max_attempts)
        select id, name, user_id, job_type::queue_type, metadata, priority, coalesce(scheduled_for, now()), dedup_key, dedup_key, max_attempts
        from item order by ordinal
        on conflict (dedup_lock) do nothing
        returning id, queue_job_id, scheduled_for, dedup_lock
    )
    select i.ordinal, coalesce(a.id, twin.id, older.id), coalesce(a.queue_job_id, twin.queue_job_id, older.queue_job_id),
           coalesce(a.scheduled_for, twin.scheduled_for, older.scheduled_for), a.id is null
    from item i
    left join added a on a.id = i.id
    left join added twin on a.id is null and twin.dedup_lock = i.dedup_key
    left join queue_jobs older on a.id is null and older.dedup_lock = i.dedup_key
    order by i.ordinal
$$;
