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
    if exists (select from queue_limits l where l.at_once_per_user is not null and l.job_types && types) then
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
