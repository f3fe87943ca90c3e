-- What people and schedules do to jobs from outside.

-- True when the job was live. A pending one never runs; a running one is told to stop and its result is discarded.
create function cancel_queue_job(p_job_id uuid, p_message text default 'cancelled') returns boolean
language plpgsql set search_path = public, pg_temp
as $$
declare
    changed boolean;
begin
    perform set_config('buildos.message', p_message, true);
    update queue_jobs set status = 'cancelled'
    where id = p_job_id and status in ('pending', 'processing', 'retrying');
    changed := found;
    perform set_config('buildos.message', '', true);
    return changed;
end
$$;

create function cancel_brief_jobs_for_date(p_user_id uuid, p_brief_date text, p_exclude_job_id uuid default null)
returns table (cancelled_count int, cancelled_job_ids text[])
language plpgsql set search_path = public, pg_temp
as $$
begin
    perform set_config('buildos.message', 'cancelled for ' || p_brief_date, true);
    with cancelled as (
        update queue_jobs set status = 'cancelled'
        where user_id = p_user_id and job_type = 'generate_daily_brief'
          and status in ('pending', 'processing', 'retrying')
          and metadata ->> 'briefDate' = p_brief_date
          and (p_exclude_job_id is null or id <> p_exclude_job_id)
        returning queue_job_id
    )
    select count(*)::int, coalesce(array_agg(queue_job_id order by queue_job_id), '{}')
    into cancelled_count, cancelled_job_ids from cancelled;
    perform set_config('buildos.message', '', true);
    return next;
end
$$;

-- Moves a waiting job to another time, and to another priority unless null. True when it was waiting. A retrying one keeps its
-- state: only the time at which it becomes pending moves.
create function reschedule_queue_job(p_job_id uuid, p_scheduled_for timestamptz, p_priority int default null) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
begin
    update queue_jobs
    set scheduled_for = p_scheduled_for, priority = coalesce(p_priority, priority),
        dispatched_at = null, dispatched_by = null
    where id = p_job_id and status in ('pending', 'retrying');
    return found;
end
$$;

-- Counts per type and state, exact, in about a millisecond at any size.
create function get_queue_stats() returns table (job_type text, status text, count bigint)
language sql stable set search_path = public, pg_temp
as $$
    with recent as (
        select e.* from job_events e, queue_counts_fold f where e.xid >= f.as_of
    ), change as (
        select c.job_type, c.status, c.count from queue_counts c
        union all
        select r.job_type, r."to", 1 from recent r where r."to" is not null
        union all
        select r.job_type, r."from", -1 from recent r where r."from" is not null
    )
    select change.job_type::text, change.status::text, sum(change.count)::bigint
    from change group by 1, 2 having sum(change.count) <> 0 order by 1, 2
$$;

create view queue_jobs_stats as select * from get_queue_stats();

-- Adds the history that nothing can precede any more to the counts. Any worker may call it at any time; one at a time does it.
create function fold_queue_counts() returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    since xid8;
    horizon xid8;
begin
    select as_of into since from queue_counts_fold for update skip locked;
    if not found then
        return;
    end if;
    horizon := pg_snapshot_xmin(pg_current_snapshot());
    if horizon <= since then
        return;
    end if;
    insert into queue_counts (job_type, status, count)
    select c.job_type, c.status, sum(c.count) from (
        select e.job_type, e."to" as status, 1 as count from job_events e
        where e.xid >= since and e.xid < horizon and e."to" is not null
        union all
        select e.job_type, e."from", -1 from job_events e
        where e.xid >= since and e.xid < horizon and e."from" is not null
    ) c
    group by 1, 2
    on conflict (job_type, status) do update set count = queue_counts.count + excluded.count;
    update queue_counts_fold set as_of = horizon;
end
$$;
