-- A crowd makes room for others with jobs of whatever type, as they wait for the same slots. Each set of types has its own moment of the
-- last look, or workers of one queue would keep those of another from looking. The share is what the setting is without a worker.
create or replace function part_crowds(p_job_types text[], p_crowd int, p_reach int, p_pause interval) returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    most_lanes constant int := 64; -- of a type: each costs every dispatch a look
    looked constant text := 'CROWDS_PARTED.' || md5((select string_agg(distinct t, ',' order by t) from unnest(p_job_types) t));
    moved int;
begin
    if not pg_try_advisory_xact_lock(hashtext('part_crowds'), hashtext(looked))
        or exists (select from queue_settings where key = looked and updated_at > clock_timestamp() - p_pause) then
        return 0;
    end if;
    with level as materialized (
        select * from queue_levels(p_job_types::queue_type[])
    ), head as materialized (
        select d.id, d.user_id, l.job_type, l.priority from level l cross join lateral (
            select q.id, q.user_id from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = 0
              and q.scheduled_for <= now() and q.dispatched_at is null
            order by q.scheduled_for limit p_reach
        ) d where l.lane = 0
    ), seen as materialized (
        select h.job_type, h.user_id, count(*) as jobs, sum(count(*)) over (partition by h.job_type, h.priority) as of_all, own.at_once_per_user,
               exists (select from level l where l.job_type = h.job_type and l.lane = lane_of(h.user_id)) as apart
        from head h left join queue_limits own on own.name = h.job_type::text
        group by h.job_type, h.priority, h.user_id, own.at_once_per_user
    ), crowd as materialized (
        select distinct s.job_type, s.user_id from (
            select *, row_number() over (partition by job_type, apart order by jobs desc) as place from seen where user_id is not null
        ) s
        where s.apart
            or (s.jobs > p_crowd and s.jobs > 0.1 * s.of_all or s.jobs > s.at_once_per_user and s.jobs > 0.02 * s.of_all)
               and s.place <= most_lanes - (select count(distinct l.lane) from level l where l.job_type = s.job_type and l.lane > 0)
    ), alone as materialized (
        -- Nobody else is to be seen, with jobs of whatever type: there is nobody to wait for, and nothing to move.
        select c.job_type, c.user_id from crowd c
        where not exists (select from level l where l.job_type = c.job_type and l.lane > 0)
          and not exists (select from head h where h.user_id is distinct from c.user_id)
          and not exists (
            select from level l cross join lateral (
                select q.user_id from queue_jobs q
                where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = 0
                  and q.scheduled_for <= now()
                order by q.scheduled_for desc limit 200
            ) newest where l.lane = 0 and newest.user_id is distinct from c.user_id
        )
    ), chosen as materialized (
        select q.id from head h join crowd c using (job_type, user_id) join queue_jobs q on q.id = h.id
        where (h.job_type, h.user_id) not in (select job_type, user_id from alone) and q.status::text = 'pending' and q.lane = 0 and q.dispatched_at is null
        limit 5000
        for update of q skip locked
    )
    update queue_jobs q set lane = lane_of(q.user_id) from chosen where q.id = chosen.id;
    get diagnostics moved = row_count;
    if moved = 0 then
        insert into queue_settings (key, value, updated_at) values (looked, '', clock_timestamp())
        on conflict (key) do update set updated_at = excluded.updated_at;
    end if;
    return moved;
end
$$;

delete from queue_settings where key = 'CROWDS_PARTED';
update queue_settings set value = '1' where key = 'QUEUE_CROWD_SHARE' and value = '4';
