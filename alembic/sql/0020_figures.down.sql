drop table queue_figures;
drop index emails_created_at_idx;
alter table queue_processes drop column draining;

-- Adds the history that nothing can precede any more to the counts, read once for all of them. Any worker may call it at any time;
-- one at a time does it.
create or replace function fold_queue_counts() returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    previous xid8;
    horizon xid8;
    bounds double precision[] := metric_bounds();
begin
    select as_of into previous from queue_counts_fold for update skip locked;
    if not found then
        return;
    end if;
    horizon := pg_snapshot_xmin(pg_current_snapshot());
    if horizon <= previous then
        return;
    end if;
    with event as (
        select e.job_type, e."from" as was, e."to" as became, e.message = 'stalled' as stalled,
               greatest(date_part('epoch', e.at - e.began_at), 0) as seconds
        from job_events e where e.xid >= previous and e.xid < horizon
    ), change as materialized (
        select job_type, was, became, stalled is true as stalled, width_bucket(seconds, bounds) as bucket, count(*) as count,
               sum(seconds) as seconds
        from event group by 1, 2, 3, 4, 5
    ), counted as (
        insert into queue_counts as q (job_type, status, count)
        select c.job_type, c.status, sum(c.count) from (
            select job_type, became as status, count from change where became is not null
            union all
            select job_type, was, -count from change where was is not null
        ) c
        group by 1, 2
        on conflict (job_type, status) do update set count = q.count + excluded.count
    )
    insert into metric_counts as m (metric, subject, outcome, bucket, count, seconds)
    select n.metric, n.job_type::text, n.outcome, n.bucket, sum(n.count), sum(n.seconds) from (
        select 'job_added' as metric, job_type, '' as outcome, 0 as bucket, count, 0 as seconds
        from change where was is null and became is not null
        union all
        select 'job_wait', job_type, '', bucket, count, seconds from change where became = 'processing' and bucket is not null
        union all
        select 'job_run', job_type,
               case when stalled then 'stalled' when became = 'pending' then 'handed_back' else became::text end, bucket, count, seconds
        from change where was = 'processing' and bucket is not null
    ) n
    group by 1, 2, 3, 4
    on conflict (metric, subject, outcome, bucket) do update set count = m.count + excluded.count, seconds = m.seconds + excluded.seconds;
    update queue_counts_fold set as_of = horizon;
end
$$;
