-- Claim, heartbeat, outcome. Everything a run writes names the fencing token of its claim; a run that lost its job writes nothing.

-- A worker's message asks for one job. Empty when the job is not to be run: taken, cancelled, moved to later, or paused.
create function claim_job(p_job_id uuid, p_task_id text, p_worker text) returns setof queue_jobs
language sql volatile set search_path = public, pg_temp
as $$
    update queue_jobs set status = 'processing', fencing_token = fencing_token + 1, task_id = p_task_id, worker = p_worker
    where id = p_job_id and status = 'pending' and scheduled_for <= clock_timestamp()
      and queue_setting('paused.' || job_type, 'false') <> 'true'
    returning *
$$;

create function claim_pending_jobs(p_job_types text[], p_batch_size int default 5) returns setof queue_jobs
language plpgsql set search_path = public, pg_temp
as $$
declare
    types queue_type[];
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
    loop
        return query
        with candidate as materialized (
            select * from due_jobs(types, reach, false)
        ), chosen as materialized (
            select q.id, c.effective, c.due_at from candidate c join queue_jobs q on q.id = c.job_id
            -- As text, so that no plan takes the index of all pending jobs for these few.
            where q.status::text = 'pending' and q.scheduled_for <= now()
            order by c.effective, c.due_at
            limit wanted - claimed_so_far
            for update of q skip locked
        ), claimed as (
            update queue_jobs q
            set status = 'processing', fencing_token = q.fencing_token + 1, task_id = null,
                worker = 'sql:' || coalesce(nullif(current_setting('application_name'), ''), session_user)
            from chosen where q.id = chosen.id
            returning q.*
        )
        select claimed.* from claimed join chosen using (id) order by chosen.effective, chosen.due_at;
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

-- The outcome of a run. With a token: true when it was written. Without: for the documented callers, whoever holds the job.
create function current_fencing_token(p_job_id uuid) returns bigint
language sql volatile set search_path = public, pg_temp
as $$ select fencing_token from queue_jobs where id = p_job_id and status = 'processing' for update $$;

create function complete_queue_job(p_job_id uuid, p_result jsonb, p_fencing_token bigint) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
begin
    update queue_jobs set status = 'completed', result = p_result, error_message = null
    where id = p_job_id and status = 'processing' and fencing_token = p_fencing_token;
    return found;
end
$$;

-- The same for many runs at once; returns those that were written.
create function complete_queue_jobs(p_job_ids uuid[], p_fencing_tokens bigint[], p_results jsonb[]) returns setof uuid
language sql volatile set search_path = public, pg_temp
as $$
    update queue_jobs q set status = 'completed', result = o.result, error_message = null
    from unnest(p_job_ids, p_fencing_tokens, p_results) as o (id, token, result)
    where q.id = o.id and q.status::text = 'processing' and q.fencing_token = o.token
    returning q.id
$$;

create function complete_queue_job(p_job_id uuid, p_result jsonb default null) returns void
language plpgsql set search_path = public, pg_temp
as $$
begin
    if not complete_queue_job(p_job_id, p_result, current_fencing_token(p_job_id)) then
        raise notice 'job % is not processing: nothing changed', p_job_id;
    end if;
end
$$;

-- The wait before a retry: base x 2^attempts, with up to 10 % on top so that many do not return at once.
create function retry_delay(p_attempts int) returns interval
language sql volatile set search_path = public, pg_temp
as $$
    select make_interval(secs => queue_setting('RETRY_BACKOFF_BASE', '60')::double precision
                                 * power(2, least(p_attempts, 20)) * (1 + random() * 0.1))
$$;

create function fail_queue_job(p_job_id uuid, p_error_message text, p_retry boolean, p_fencing_token bigint) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
begin
    update queue_jobs
    set status = case when p_retry and attempts + 1 < max_attempts then 'retrying' else 'failed' end::queue_status,
        scheduled_for = case when p_retry and attempts + 1 < max_attempts
                             then clock_timestamp() + retry_delay(attempts + 1) else scheduled_for end,
        attempts = attempts + 1,
        error_message = p_error_message
    where id = p_job_id and status = 'processing' and fencing_token = p_fencing_token;
    return found;
end
$$;

create function fail_queue_job(p_job_id uuid, p_error_message text, p_retry boolean default false) returns void
language plpgsql set search_path = public, pg_temp
as $$
begin
    if not fail_queue_job(p_job_id, p_error_message, coalesce(p_retry, false), current_fencing_token(p_job_id)) then
        raise notice 'job % is not processing: nothing changed', p_job_id;
    end if;
end
$$;

-- A draining worker hands a job back: it is not charged an attempt.
create function release_queue_job(p_job_id uuid, p_fencing_token bigint, p_message text) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
declare
    changed boolean;
begin
    perform set_config('buildos.message', p_message, true);
    update queue_jobs set status = 'pending'
    where id = p_job_id and status = 'processing' and fencing_token = p_fencing_token;
    changed := found;
    perform set_config('buildos.message', '', true);
    return changed;
end
$$;

create function heartbeat_queue_job(p_job_id uuid, p_fencing_token bigint) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
begin
    update queue_jobs set heartbeat_at = clock_timestamp()
    where id = p_job_id and status = 'processing' and fencing_token = p_fencing_token;
    return found;
end
$$;

create function report_job_progress(p_job_id uuid, p_progress jsonb, p_fencing_token bigint) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
begin
    update queue_jobs
    set metadata = jsonb_set(metadata, '{generation_progress}', p_progress), heartbeat_at = clock_timestamp()
    where id = p_job_id and status = 'processing' and fencing_token = p_fencing_token;
    return found;
end
$$;

-- Jobs whose run gave no sign of life for the timeout: back to pending, counted as an attempt; the last one ends failed.
-- Returns the rows as they are then.
create function take_back_stalled_jobs(p_stall_timeout interval) returns setof queue_jobs
language plpgsql set search_path = public, pg_temp
as $$
begin
    perform set_config('buildos.message', 'stalled', true);
    return query
    update queue_jobs
    set status = case when attempts + 1 < max_attempts then 'pending' else 'failed' end::queue_status,
        attempts = attempts + 1,
        error_message = 'stalled'
    where id in (
        select id from queue_jobs
        where status = 'processing' and coalesce(heartbeat_at, started_at) < clock_timestamp() - p_stall_timeout
        for update skip locked
    )
    returning *;
    perform set_config('buildos.message', '', true);
end
$$;

create function reset_stalled_jobs(p_stall_timeout interval default '15 minutes') returns int
language sql volatile set search_path = public, pg_temp
as $$ select count(*)::int from take_back_stalled_jobs(p_stall_timeout) $$;

create function reset_stalled_jobs(p_stall_timeout text) returns int
language sql volatile set search_path = public, pg_temp
as $$ select reset_stalled_jobs(p_stall_timeout::interval) $$;
