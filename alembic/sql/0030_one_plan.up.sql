-- What runs for every job is planned once a connection, not each time: planning was most of a lone job's dispatch. A plan that is kept
-- must be right however the table has grown since: so it never reads the whole table, and the ids that a statement is given pass through
-- a `limit`, of which the planner expects one row: each is then found by its key.

drop function dispatch_jobs(text[], int, text, boolean);
-- As before; where a look finds fewer than it reaches there is no second one. Returns the job's `traceparent` as well, and
-- whether `more` jobs are due than these, or may be behind a limit.
create function dispatch_jobs(p_job_types text[], p_limit int, p_dispatcher text, p_claim boolean default false)
returns table (
    job_id uuid, job_type text, queue_job_id text, user_id uuid, metadata jsonb, attempt int, max_attempts int,
    fencing_token bigint, task_id text, traceparent text, more boolean
)
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    types queue_type[];
    limited boolean;
    reach int := least(p_limit, 1000000) * 2 + 32; -- more than asked for, as another session may hold the first ones at this moment
    due uuid[];
    sent int := 0;
    got int;
begin
    select coalesce(array_agg(distinct t::queue_type), '{}') into types from unnest(p_job_types) t
    where t <> all (array(select substr(s.key, strpos(s.key, '.') + 1) from queue_settings s
                          where s.value = 'true' and (s.key like 'external.%' or s.key like 'paused.%')));
    perform promote_due_retries(types);
    if p_limit <= 0 then
        return;
    end if;
    perform from queue_limits q where q.job_types && types order by q.name for update;
    limited := found;
    loop
        due := array(select d.job_id from due_jobs(types, reach, true) d order by d.turn, d.effective, d.due_at);
        exit when due = '{}';
        return query
        with chosen as materialized (
            select q.id, c.place, p_claim and q.attempts = 0 as claim
            from (select * from unnest(due) with ordinality as d (id, place) limit reach) c join queue_jobs q on q.id = c.id
            -- As text, so that no plan takes the index of all pending jobs for these few.
            where q.status::text = 'pending' and q.dispatched_at is null and q.scheduled_for <= now()
            order by c.place
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
                      q.fencing_token, q.task_id, q.traceparent, chosen.place
        ), spent as materialized (
            select spend_tokens(array_agg(m.job_type)) from marked m where limited
        )
        select m.id, m.job_type::text, m.queue_job_id, m.user_id, m.metadata, m.attempt, m.max_attempts, m.fencing_token, m.task_id,
               m.traceparent, limited or cardinality(due) > (select count(*) from marked)
        from marked m where not limited or (select count(*) from spent) = 1
        order by m.place;
        get diagnostics got = row_count;
        sent := sent + got;
        exit when sent >= p_limit or cardinality(due) < reach;
        reach := reach * 8; -- too few, though there are more: locks of others fill the reach
    end loop;
end
$$;

-- As before, with one look likewise.
create or replace function claim_pending_jobs(p_job_types text[], p_batch_size int default 5) returns setof queue_jobs
language plpgsql set search_path = public, pg_temp
as $$
declare
    types queue_type[];
    limited boolean;
    wanted int := least(coalesce(p_batch_size, 5), 1000000);
    reach int := wanted * 2 + 32; -- more than asked for, as another session may hold the first ones at this moment
    due uuid[];
    claimed_so_far int := 0;
    got int;
begin
    select coalesce(array_agg(distinct t::queue_type), '{}') into types from unnest(p_job_types) t
    where t <> all (array(select substr(s.key, 8) from queue_settings s where s.value = 'true' and s.key like 'paused.%'));
    perform promote_due_retries(types);
    if wanted <= 0 then
        return;
    end if;
    perform from queue_limits q where q.job_types && types order by q.name for update;
    limited := found;
    loop
        due := array(select d.job_id from due_jobs(types, reach, false) d order by d.turn, d.effective, d.due_at);
        exit when due = '{}';
        return query
        with chosen as materialized (
            select q.id, c.place from (select * from unnest(due) with ordinality as d (id, place) limit reach) c join queue_jobs q on q.id = c.id
            -- As text, so that no plan takes the index of all pending jobs for these few.
            where q.status::text = 'pending' and q.scheduled_for <= now()
            order by c.place
            limit wanted - claimed_so_far
            for update of q skip locked
        ), claimed as (
            update queue_jobs q
            set status = 'processing', fencing_token = q.fencing_token + 1, task_id = null,
                worker = 'sql:' || coalesce(nullif(current_setting('application_name'), ''), session_user)
            from chosen where q.id = chosen.id
            returning q as job, q.job_type, chosen.place
        ), spent as materialized (
            select spend_tokens(array_agg(c.job_type)) from claimed c where limited
        )
        select (c.job).* from claimed c where not limited or (select count(*) from spent) = 1 order by c.place;
        get diagnostics got = row_count;
        claimed_so_far := claimed_so_far + got;
        exit when claimed_so_far >= wanted or cardinality(due) < reach;
        reach := reach * 8; -- too few, though there are more: locks of others fill the reach
    end loop;
end
$$;

create or replace function promote_due_retries(p_job_types queue_type[]) returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    promoted int := 0;
begin
    -- An update of no row would run the triggers all the same.
    if exists (select from queue_jobs where status = 'retrying' and job_type = any(p_job_types) and scheduled_for <= now()) then
        update queue_jobs set status = 'pending'
        where id in (
            select id from queue_jobs
            where status = 'retrying' and job_type = any(p_job_types) and scheduled_for <= now()
            order by scheduled_for limit 1000
            for update skip locked
        );
        get diagnostics promoted = row_count;
    end if;
    return promoted;
end
$$;

create or replace function complete_queue_jobs(p_job_ids uuid[], p_fencing_tokens bigint[], p_results jsonb[]) returns setof uuid
language plpgsql set search_path = public, pg_temp
as $$
begin
    return query
    update queue_jobs q set status = 'completed', result = o.result, error_message = null
    from (
        select * from unnest(p_job_ids, p_fencing_tokens, p_results) as e (id, token, result) limit cardinality(p_job_ids)
    ) o
    where q.id = o.id and q.status::text = 'processing' and q.fencing_token = o.token
    returning q.id;
end
$$;

do $$
declare
    hot regprocedure;
begin
    foreach hot in array array['due_jobs(queue_type[], int, boolean)', 'queue_levels(queue_type[])', 'dispatch_jobs(text[], int, text, boolean)',
                               'claim_pending_jobs(text[], int)', 'complete_queue_jobs(uuid[], bigint[], jsonb[])']::regprocedure[] loop
        execute format('alter function %s set plan_cache_mode = force_generic_plan', hot);
        execute format('alter function %s set enable_seqscan = off', hot);
        -- Before version 18 a scan that cannot be avoided seems dear enough to compile the whole statement for it.
        execute format('alter function %s set jit = off', hot);
    end loop;
end
$$;

revoke execute on function dispatch_jobs(text[], int, text, boolean) from public, anon, authenticated;
grant execute on function dispatch_jobs(text[], int, text, boolean) to service_role;
