-- Turns among users, and limits (docs/decisions/0120): who has a crowd of due jobs waits behind the others with all but a few of them, and
-- no more of what is limited begins than may.

-- The indexes that the version before this has made take the place of the old ones.
drop index idx_queue_jobs_scheduled, idx_queue_jobs_processing;
alter index idx_queue_jobs_scheduled_by_lane rename to idx_queue_jobs_scheduled;
alter index idx_queue_jobs_processing_by_user rename to idx_queue_jobs_processing;

-- One row a limit, named like a job type, or like the provider that several types use. A type is in its own and in one provider's at most.
create table queue_limits (
    name text primary key,
    job_types queue_type[] not null check (cardinality(job_types) > 0),
    at_once int check (at_once >= 0),               -- jobs of these types that may be running, of everybody
    at_once_per_user int check (at_once_per_user >= 0), -- and of one user; for a limit of a single type
    per_minute double precision check (per_minute > 0), -- jobs of these types that may begin
    burst double precision not null default 1 check (burst >= 1), -- that may begin at once after a quiet time
    tokens double precision not null default 1,     -- jobs that might have begun at `filled_at`
    filled_at timestamptz not null default clock_timestamp(),
    check (at_once_per_user is null or cardinality(job_types) = 1 and name = job_types[1]::text)
);
alter table queue_limits enable row level security;
create policy "Service role full access" on queue_limits for all to service_role using (true) with check (true);
revoke all on queue_limits from public, anon, authenticated;
grant select, insert, update, delete on queue_limits to service_role;

-- Every (priority, lane) of these types in which a job waits: one look at the index each.
create function queue_levels(p_job_types queue_type[]) returns table (job_type queue_type, priority int, lane int)
language plpgsql stable rows 20 set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with recursive level as (
        select t.job_type, f.priority, f.lane from unnest(p_job_types) as t (job_type) cross join lateral (
            select q.priority, q.lane from queue_jobs q where q.status = 'pending' and q.job_type = t.job_type
            order by q.priority, q.lane limit 1
        ) f
        union all
        select l.job_type, f.priority, f.lane from level l cross join lateral (
            select q.priority, q.lane from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and (q.priority, q.lane) > (l.priority, l.lane)
            order by q.priority, q.lane limit 1
        ) f
    )
    select level.job_type, level.priority, level.lane from level;
end
$$;

-- How many jobs of these types run, or are on their way to a worker without a claim.
create function running_jobs(p_job_types queue_type[]) returns int
language sql stable set search_path = public, pg_temp
as $$
    select (select count(*)::int from queue_jobs where status = 'processing' and job_type = any(p_job_types))
         + (select count(*)::int from queue_jobs where status = 'pending' and dispatched_at is not null and job_type = any(p_job_types))
$$;

create function running_jobs_of(p_job_type queue_type, p_user_id uuid) returns int
language sql stable set search_path = public, pg_temp
as $$
    select (select count(*)::int from queue_jobs where status = 'processing' and job_type = p_job_type and user_id = p_user_id)
         + (select count(*)::int from queue_jobs
            where status = 'pending' and dispatched_at is not null and job_type = p_job_type and user_id = p_user_id)
$$;

-- What a limit has in its bucket now: it fills evenly, up to `burst`.
create function tokens_of(p_limit queue_limits) returns double precision
language sql stable set search_path = public, pg_temp
as $$
    select least(p_limit.burst, p_limit.tokens
                 + greatest(0, extract(epoch from clock_timestamp() - p_limit.filled_at)) * p_limit.per_minute / 60)
$$;

-- The jobs that may begin, in their order: by turn, then effective priority, then time. The turn is 0, and the order thereby the exact
-- one, for all but the jobs of a user who has a lane: `QUEUE_CROWD_SHARE` of those, the running ones included, are like everybody's;
-- the others come when nothing else waits, of each such user as many as of the others.
-- A computed priority has no index: so one look per level, each of which is in order of time, and thereby of effective priority too.
drop function due_jobs(queue_type[], int, boolean);
create function due_jobs(p_job_types queue_type[], p_limit int, p_undispatched boolean)
returns table (job_id uuid, turn int, effective int, due_at timestamptz)
language plpgsql stable rows 50 set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    types queue_type[];
    priorities int[];
    lanes int[];
    apart int;
    limited boolean;
    aging double precision := queue_setting('QUEUE_PRIORITY_AGING', '300');
    share int;
    reach int := p_limit; -- rows of a level that are looked at
    lane_reach int;
begin
    select array_agg(l.job_type), array_agg(l.priority), array_agg(l.lane), count(*) filter (where l.lane > 0)
    into types, priorities, lanes, apart from queue_levels(p_job_types) l;
    limited := exists (select from queue_limits l where l.job_types && types);
    if apart = 0 and not limited then
        return query
        select d.id, 0, effective_priority(l.priority, d.scheduled_for, aging), d.scheduled_for
        from unnest(types, priorities) as l (job_type, priority) cross join lateral (
            select q.id, q.scheduled_for from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = 0
              and q.scheduled_for <= now() and (not p_undispatched or q.dispatched_at is null)
            order by q.scheduled_for
            limit reach
        ) d
        order by 3, 4
        limit p_limit;
        return;
    end if;

    share := queue_setting('QUEUE_CROWD_SHARE', '4');
    if limited then
        reach := greatest(reach, 500); -- behind some whose user has enough running, others wait
    end if;
    lane_reach := least(reach, greatest(8, 4 * reach / greatest(apart, 1)));
    return query
    with head as materialized (
        select d.id, d.user_id, l.job_type, l.lane, effective_priority(l.priority, d.scheduled_for, aging) as effective, d.scheduled_for
        from unnest(types, priorities, lanes) as l (job_type, priority, lane) cross join lateral (
            select q.id, q.user_id, q.scheduled_for from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = l.lane
              and q.scheduled_for <= now() and (not p_undispatched or q.dispatched_at is null)
            order by q.scheduled_for
            limit case when l.lane = 0 then reach else lane_reach end
        ) d
    ), watched as materialized (
        select h.job_type, h.user_id, bool_or(h.lane > 0) as crowd, running_jobs_of(h.job_type, h.user_id) as running, per.most
        from head h left join lateral (
            select min(q.at_once_per_user) as most from queue_limits q where q.name = h.job_type::text
        ) per on true
        where h.user_id is not null group by h.job_type, h.user_id, per.most having bool_or(h.lane > 0) or per.most is not null
    ), placed as (
        select h.*, case when w.crowd then greatest(0, w.running + h.nth - share) else 0 end::int as turn,
               w.most is null or w.running + h.nth <= w.most as allowed
        from (select *, row_number() over (partition by job_type, user_id order by effective, scheduled_for) as nth from head) h
        left join watched w using (job_type, user_id)
    ), room as materialized (
        select q.name, q.job_types, q.name = any(q.job_types::text[]) as own,
               least(q.at_once - running_jobs(q.job_types), case when q.per_minute is not null then floor(tokens_of(q)) end) as free
        from queue_limits q where q.job_types && types
    ), of_type as (
        select p.* from (select *, row_number() over (partition by job_type order by turn, effective, scheduled_for) as nth_of_type
                         from placed where allowed) p
        left join room r on r.own and p.job_type = any(r.job_types)
        where r.free is null or p.nth_of_type <= r.free
    ), of_provider as (
        select p.* from (select o.*, r.free, row_number() over (partition by r.name order by turn, effective, scheduled_for) as nth_of_provider
                         from of_type o left join room r on not r.own and o.job_type = any(r.job_types)) p
        where p.free is null or p.nth_of_provider <= p.free
    )
    select p.id, p.turn, p.effective, p.scheduled_for from of_provider p order by 2, 3, 4 limit p_limit;
end
$$;

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

create function lane_of(p_user_id uuid) returns int
language sql immutable parallel safe
as $$ select 1 + (hashtextextended(p_user_id::text, 0) & 1073741823)::int $$;

-- Gives lanes to users with a crowd of due jobs of one type, more than `p_crowd` (or than may run at once) among the first `p_reach` of a
-- priority, where somebody else waits too: among those, or among the newest. Moves up to 5000 jobs and returns how many. One session at a time, and
-- while there is nothing to move, not more often than every `p_pause`: any worker may call it at any time.
create function part_crowds(p_job_types text[], p_crowd int, p_reach int, p_pause interval) returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    moved int;
begin
    perform from queue_settings where key = 'CROWDS_PARTED' and updated_at <= clock_timestamp() - p_pause for update skip locked;
    if not found then
        return 0;
    end if;
    with level as materialized (
        select * from queue_levels(p_job_types::queue_type[])
    ), head as materialized (
        select d.id, d.user_id, l.job_type from level l cross join lateral (
            select q.id, q.user_id from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = 0
              and q.scheduled_for <= now() and q.dispatched_at is null
            order by q.scheduled_for limit p_reach
        ) d where l.lane = 0
    ), crowd as (
        select h.job_type, h.user_id from head h
        left join queue_limits own on own.name = h.job_type::text
        where h.user_id is not null
        group by h.job_type, h.user_id, own.at_once_per_user
        having count(*) > least(p_crowd, own.at_once_per_user)
            or exists (select from level l where l.job_type = h.job_type and l.lane = lane_of(h.user_id))
    ), alone as (
        -- Nobody else is to be seen: there is nobody to wait for, and nothing to move.
        select c.job_type from crowd c
        where not exists (select from level l where l.job_type = c.job_type and l.lane > 0)
          and not exists (select from head h where h.job_type = c.job_type and h.user_id is distinct from c.user_id)
          and not exists (
            select from level l cross join lateral (
                select q.user_id from queue_jobs q
                where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = 0
                  and q.scheduled_for <= now()
                order by q.scheduled_for desc limit 200
            ) newest where l.job_type = c.job_type and l.lane = 0 and newest.user_id is distinct from c.user_id
        )
    )
    update queue_jobs q set lane = lane_of(q.user_id)
    where q.id in (
        select q.id from head h join crowd c using (job_type, user_id) join queue_jobs q on q.id = h.id
        where h.job_type not in (select job_type from alone) and q.status::text = 'pending' and q.lane = 0 and q.dispatched_at is null
        limit 5000
        for update of q skip locked
    );
    get diagnostics moved = row_count;
    if moved = 0 then
        update queue_settings set updated_at = clock_timestamp() where key = 'CROWDS_PARTED';
    end if;
    return moved;
end
$$;

insert into queue_settings (key, value) values ('QUEUE_CROWD_SHARE', '4'), ('CROWDS_PARTED', '') on conflict do nothing;

do $$
declare
    ours text;
begin
    for ours in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = any(array[
            'queue_levels', 'running_jobs', 'running_jobs_of', 'tokens_of', 'due_jobs', 'spend_tokens', 'lane_of', 'part_crowds'
        ])
    loop
        execute format('revoke execute on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
