-- Which jobs are due, in the order that holds everywhere: effective priority, then time (CONTRACT 3).

-- A due job rises by one priority for every QUEUE_PRIORITY_AGING seconds it has waited, never past 1.
create function effective_priority(p_priority int, p_scheduled_for timestamptz, p_aging double precision) returns int
language sql stable parallel safe
as $$
    select greatest(1, p_priority - least(floor(extract(epoch from now() - p_scheduled_for) / p_aging), 1000000000)::int)
$$;

-- The first due jobs of each type and priority, merged. A computed priority has no index: so one look per level, each of
-- which is in order of time, and thereby of effective priority too.
create function due_jobs(p_job_types queue_type[], p_limit int, p_undispatched boolean)
returns table (job_id uuid, effective int, due_at timestamptz)
language sql stable rows 50 set search_path = public, pg_temp
as $$
    with recursive level as (
        select t as job_type,
               (select min(q.priority) from queue_jobs q where q.status = 'pending' and q.job_type = t) as priority
        from unnest(p_job_types) t
        union all
        select l.job_type,
               (select min(q.priority) from queue_jobs q
                where q.status = 'pending' and q.job_type = l.job_type and q.priority > l.priority)
        from level l where l.priority is not null
    ),
    aging as materialized (select queue_setting('QUEUE_PRIORITY_AGING', '300')::double precision as seconds)
    select d.id, effective_priority(l.priority, d.scheduled_for, aging.seconds), d.scheduled_for
    from level l
    cross join aging
    cross join lateral (
        select q.id, q.scheduled_for from queue_jobs q
        where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority
          and q.scheduled_for <= now() and (not p_undispatched or q.dispatched_at is null)
        order by q.scheduled_for
        limit p_limit
    ) d
    where l.priority is not null
    order by 2, 3
    limit p_limit
$$;

create function promote_due_retries(p_job_types queue_type[]) returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    promoted int;
begin
    update queue_jobs set status = 'pending'
    where id in (
        select id from queue_jobs
        where status = 'retrying' and job_type = any(p_job_types) and scheduled_for <= now()
        order by scheduled_for limit 1000
        for update skip locked
    );
    get diagnostics promoted = row_count;
    return promoted;
end
$$;

-- Hands the next due jobs to a worker and returns them, the most urgent first. With `p_claim` a job that never failed is claimed
-- in the same statement (`task_id` says for which Celery task). Any other is only marked as dispatched and claimed when its run
-- begins: a job that once took its worker down must not be charged, or charge others, for waiting beside them. The mark is a
-- note, not a lease: losing it costs a second message, which the claim refuses.
create function dispatch_jobs(p_job_types text[], p_limit int, p_dispatcher text, p_claim boolean default false)
returns table (
    job_id uuid, job_type text, queue_job_id text, user_id uuid, metadata jsonb, attempt int, max_attempts int,
    fencing_token bigint, task_id text
)
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    types queue_type[];
    reach int := least(p_limit, 1000000) * 2 + 32; -- more than asked for, as another session may hold the first ones at this moment
    sent int := 0;
    got int;
begin
    select coalesce(array_agg(distinct t::queue_type), '{}') into types from unnest(p_job_types) t
    where queue_setting('external.' || t, 'false') <> 'true' and queue_setting('paused.' || t, 'false') <> 'true';
    perform promote_due_retries(types);
    if p_limit <= 0 then
        return;
    end if;
    loop
        return query
        with candidate as materialized (
            select * from due_jobs(types, reach, true)
        ), chosen as materialized (
            select q.id, c.effective, c.due_at, p_claim and q.attempts = 0 as claim
            from candidate c join queue_jobs q on q.id = c.job_id
            -- As text, so that no plan takes the index of all pending jobs for these few.
            where q.status::text = 'pending' and q.dispatched_at is null and q.scheduled_for <= now()
            order by c.effective, c.due_at
            limit p_limit - sent
            for update of q skip locked
        ), marked as (
            update queue_jobs q
            set dispatched_at = clock_timestamp(), dispatched_by = p_dispatcher,
                status = case when chosen.claim then 'processing' else q.status end,
                fencing_token = case when chosen.claim then q.fencing_token + 1 else q.fencing_token end,
                task_id = case when chosen.claim then gen_random_uuid()::text end,
                worker = case when chosen.claim then p_dispatcher else q.worker end
            from chosen where q.id = chosen.id
            returning q.id, q.job_type, q.queue_job_id, q.user_id, q.metadata, q.attempts + 1 as attempt, q.max_attempts,
                      q.fencing_token, q.task_id, chosen.effective, chosen.due_at
        )
        select m.id, m.job_type::text, m.queue_job_id, m.user_id, m.metadata, m.attempt, m.max_attempts, m.fencing_token, m.task_id
        from marked m order by m.effective, m.due_at;
        get diagnostics got = row_count;
        sent := sent + got;
        exit when sent >= p_limit;

        -- Too few, though there are more: locks of others fill the reach. Look behind them.
        perform from due_jobs(types, reach, true) offset reach - 1;
        exit when not found;
        reach := reach * 8;
    end loop;
end
$$;

-- When the next job of these types becomes due, or null: until then a dispatcher may sleep.
create function next_due_at(p_job_types text[], p_after timestamptz default now()) returns timestamptz
language sql stable set search_path = public, pg_temp
as $$
    with recursive level as (
        select t::queue_type as job_type,
               (select min(q.priority) from queue_jobs q where q.status = 'pending' and q.job_type = t::queue_type) as priority
        from unnest(p_job_types) t
        union all
        select l.job_type,
               (select min(q.priority) from queue_jobs q
                where q.status = 'pending' and q.job_type = l.job_type and q.priority > l.priority)
        from level l where l.priority is not null
    )
    select least(
        (select min(d.scheduled_for) from level l cross join lateral (
            select q.scheduled_for from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.scheduled_for > p_after
            order by q.scheduled_for limit 1
        ) d where l.priority is not null),
        (select min(q.scheduled_for) from queue_jobs q
         where q.status = 'retrying' and q.job_type = any(p_job_types::queue_type[]) and q.scheduled_for > p_after)
    )
$$;

-- Takes the dispatch marks back: the messages are lost, or may be. Returns how many jobs will be dispatched again.
create function undispatch_jobs(p_job_ids uuid[]) returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    undone int;
begin
    update queue_jobs set dispatched_at = null, dispatched_by = null
    where id = any(p_job_ids) and status = 'pending' and dispatched_at is not null;
    get diagnostics undone = row_count;
    if undone > 0 then
        perform wake('queue_jobs', 'due');
    end if;
    return undone;
end
$$;
