alter function due_jobs(queue_type[], int, boolean) reset plan_cache_mode;
alter function due_jobs(queue_type[], int, boolean) reset enable_seqscan;
alter function due_jobs(queue_type[], int, boolean) reset jit;
alter function queue_levels(queue_type[]) reset plan_cache_mode;
alter function queue_levels(queue_type[]) reset enable_seqscan;
alter function queue_levels(queue_type[]) reset jit;

drop function dispatch_jobs(text[], int, text, boolean);
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

create or replace function promote_due_retries(p_job_types queue_type[]) returns int
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

create or replace function complete_queue_jobs(p_job_ids uuid[], p_fencing_tokens bigint[], p_results jsonb[]) returns setof uuid
language sql volatile set search_path = public, pg_temp
as $$
    update queue_jobs q set status = 'completed', result = o.result, error_message = null
    from unnest(p_job_ids, p_fencing_tokens, p_results) as o (id, token, result)
    where q.id = o.id and q.status::text = 'processing' and q.fencing_token = o.token
    returning q.id
$$;

revoke execute on function dispatch_jobs(text[], int, text, boolean) from public, anon, authenticated;
grant execute on function dispatch_jobs(text[], int, text, boolean) to service_role;
