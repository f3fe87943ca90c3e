create or replace function due_jobs(p_job_types queue_type[], p_limit int, p_undispatched boolean)
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

create or replace function part_crowds(p_job_types text[], p_crowd int, p_reach int, p_pause interval) returns int
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
