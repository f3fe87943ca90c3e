-- Takes from the buckets of the limits what has begun, one job a type's name.
create function spend_tokens(p_job_types queue_type[]) returns void
language sql volatile set search_path = public, pg_temp
as $$
    update queue_limits q
    set tokens = tokens_of(q) - (select count(*) from unnest(p_job_types) t where t = any(q.job_types)), filled_at = clock_timestamp()
    where q.per_minute is not null and q.job_types && p_job_types
$$;

-- As before, but by turns and within the limits. Who hands out jobs of a limited type does so alone.
create or replace function dispatch_jobs(p_job_types text[], p_limit int, p_dispatcher text, p_claim boolean default false)
returns table (
    job_id uuid, job_type text, queue_job_id text, user_id uuid, metadata jsonb, attempt int, max_attempts int,
    fencing_token bigint, task_id text
)
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    types queue_type[];
    limited boolean;
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
    perform from queue_limits q where q.job_types && types order by q.name for update;
    limited := found;
    loop
        return query
        with candidate as materialized (
            select * from due_jobs(types, reach, true)
        ), chosen as materialized (
            select q.id, c.turn, c.effective, c.due_at, p_claim and q.attempts = 0 as claim
            from candidate c join queue_jobs q on q.id = c.job_id
            -- As text, so that no plan takes the index of all pending jobs for these few.
            where q.status::text = 'pending' and q.dispatched_at is null and q.scheduled_for <= now()
            order by c.turn, c.effective, c.due_at
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
                      q.fencing_token, q.task_id, chosen.turn, chosen.effective, chosen.due_at
        ), spent as materialized (
            select spend_tokens(array_agg(m.job_type)) from marked m where limited
        )
        select m.id, m.job_type::text, m.queue_job_id, m.user_id, m.metadata, m.attempt, m.max_attempts, m.fencing_token, m.task_id
        from marked m where not limited or (select count(*) from spent) = 1
        order by m.turn, m.effective, m.due_at;
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

create or replace function claim_pending_jobs(p_job_types text[], p_batch_size int default 5) returns setof queue_jobs
language plpgsql set search_path = public, pg_temp
as $$
declare
    types queue_type[];
    limited boolean;
    wanted int := least(coalesce(p_batch_size, 5), 1000000);
    reach int := wanted * 2 + 32; -- more than asked for, as another session may hold the first ones at this moment
    claimed_so_far int := 0;
    got int;
begin
    select coalesce(array_agg(distinct t::queue_type), '{}') into types from unnest(p_job_types) t
    where queue_setting('paused.' || t, 'false') <> 'true';
    perform promote_due_retries(types);
    if wanted <= 0 then
        return;
    end if;
    perform from queue_limits q where q.job_types && types order by q.name for update;
    limited := found;
    loop
        return query
        with candidate as materialized (
            select * from due_jobs(types, reach, false)
        ), chosen as materialized (
            select q.id, c.turn, c.effective, c.due_at from candidate c join queue_jobs q on q.id = c.job_id
            -- As text, so that no plan takes the index of all pending jobs for these few.
            where q.status::text = 'pending' and q.scheduled_for <= now()
            order by c.turn, c.effective, c.due_at
            limit wanted - claimed_so_far
            for update of q skip locked
        ), claimed as (
            update queue_jobs q
            set status = 'processing', fencing_token = q.fencing_token + 1, task_id = null,
                worker = 'sql:' || coalesce(nullif(current_setting('application_name'), ''), session_user)
            from chosen where q.id = chosen.id
            returning q.*
        ), spent as materialized (
            select spend_tokens(array_agg(c.job_type)) from claimed c where limited
        )
        select claimed.* from claimed join chosen using (id) where not limited or (select count(*) from spent) = 1
        order by chosen.turn, chosen.effective, chosen.due_at;
        get diagnostics got = row_count;
        claimed_so_far := claimed_so_far + got;
        exit when claimed_so_far >= wanted;

        -- Too few, though there are more: locks of others fill the reach. Look behind them.
        perform from due_jobs(types, reach, false) offset reach - 1;
        exit when not found;
        reach := reach * 8;
    end loop;
end
$$;

-- When the next job of these types becomes due, or a bucket that is empty has its next token; null: neither. Until then a dispatcher
-- may sleep. In lanes there is only what is due.
create or replace function next_due_at(p_job_types text[], p_after timestamptz default now()) returns timestamptz
language sql stable set search_path = public, pg_temp
as $$
    select least(
        (select min(d.scheduled_for) from queue_levels(p_job_types::queue_type[]) l cross join lateral (
            select q.scheduled_for from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = l.lane
              and q.scheduled_for > p_after
            order by q.scheduled_for limit 1
        ) d where l.lane = 0),
        (select min(q.scheduled_for) from queue_jobs q
         where q.status = 'retrying' and q.job_type = any(p_job_types::queue_type[]) and q.scheduled_for > p_after),
        (select min(b.full_at) from (
            select q.job_types, q.filled_at + make_interval(secs => (1 - q.tokens) * 60 / q.per_minute) as full_at
            from queue_limits q where q.job_types && p_job_types::queue_type[] and q.per_minute is not null
        ) b where b.full_at > p_after and exists (
            select from queue_jobs q
            where q.status = 'pending' and q.job_type = any(b.job_types) and q.scheduled_for <= b.full_at and q.dispatched_at is null
        ))
    )
$$;

-- As before; a job that moves leaves its lane, which holds only what is due.
create or replace function reschedule_queue_job(p_job_id uuid, p_scheduled_for timestamptz, p_priority int default null) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
begin
    update queue_jobs
    set scheduled_for = p_scheduled_for, priority = coalesce(p_priority, priority), lane = 0,
        dispatched_at = null, dispatched_by = null
    where id = p_job_id and status in ('pending', 'retrying');
    return found;
end
$$;
