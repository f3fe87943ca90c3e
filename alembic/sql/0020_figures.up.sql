-- What an operator looks at: how much was done and how long it took, over time; the latest mail; which worker drains.

-- Jobs by type and span of time: one of 60, 600 or 3600 seconds that begins at `at`. Written by the fold of the counts, which reads the
-- history anyway. `measure` is what happened to the jobs, or for `wait` and `run` how long they waited when due and ran: `bucket` is
-- how many of metric_bounds() that has passed.
create table queue_figures (
    span int not null check (span in (60, 600, 3600)),
    at timestamptz not null,
    job_type queue_type not null,
    measure text not null check (measure in ('added', 'completed', 'failed', 'retrying', 'cancelled', 'wait', 'run')),
    bucket smallint not null,
    count bigint not null,
    primary key (span, at, job_type, measure, bucket)
) with (fillfactor = 70);
alter table queue_figures enable row level security;
create policy "Service role full access" on queue_figures for all to service_role using (true) with check (true);
revoke all on queue_figures from public, anon, authenticated;
grant select, insert, update, delete on queue_figures to service_role;

create index emails_created_at_idx on emails (created_at desc, id desc);

-- A worker that drains finishes what it has and takes nothing more. Its name is that of one life: a new one starts afresh.
alter table queue_processes add column draining boolean not null default false;

-- Adds the history that nothing can precede any more to the counts and the figures, read once for all of them. Any worker may call it at any time;
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
        select date_bin('1 minute', e.at, '2000-01-01Z') as minute, e.job_type, e."from" as was, e."to" as became,
               e.message = 'stalled' as stalled,
               greatest(date_part('epoch', e.at - e.began_at), 0) as seconds
        from job_events e where e.xid >= previous and e.xid < horizon
    ), change as materialized (
        select minute, job_type, was, became, stalled is true as stalled, width_bucket(seconds, bounds) as bucket, count(*) as count,
               sum(seconds) as seconds
        from event group by 1, 2, 3, 4, 5, 6
    ), counted as (
        insert into queue_counts as q (job_type, status, count)
        select c.job_type, c.status, sum(c.count) from (
            select job_type, became as status, count from change where became is not null
            union all
            select job_type, was, -count from change where was is not null
        ) c
        group by 1, 2
        on conflict (job_type, status) do update set count = q.count + excluded.count
    ), figures as (
        insert into queue_figures as f (span, at, job_type, measure, bucket, count)
        select s.span, date_bin(make_interval(secs => s.span), n.minute, '2000-01-01Z'), n.job_type, n.measure, n.bucket, sum(n.count) from (
            select minute, job_type, 'added' as measure, 0 as bucket, count from change where was is null and became is not null
            union all
            select minute, job_type, became::text, 0, count from change where became in ('completed', 'failed', 'retrying', 'cancelled')
            union all
            select minute, job_type, 'wait', bucket, count from change where became = 'processing' and bucket is not null
            union all
            select minute, job_type, 'run', bucket, count from change
            where was = 'processing' and became in ('completed', 'failed') and bucket is not null
        ) n, unnest(array[60, 600, 3600]) s (span)
        group by 1, 2, 3, 4, 5
        on conflict (span, at, job_type, measure, bucket) do update set count = f.count + excluded.count
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
    delete from queue_figures where span = 60 and at < clock_timestamp() - interval '3 hours';
    delete from queue_figures where span = 600 and at < clock_timestamp() - interval '2 days';
    delete from queue_figures where span = 3600 and at < clock_timestamp() - interval '31 days';
end
$$;
