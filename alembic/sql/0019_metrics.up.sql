-- What Prometheus reads. Kept by the fold of the history, which every change of state is in already: no job pays for it.

-- When what this change ended had begun: the waiting (due, or added if that was later), or the run. Null for other changes.
alter table job_events add column began_at timestamptz;

-- What failed lately, for alerts, however much went well meanwhile.
create index job_events_failed_idx on job_events (job_type, at)
    where "from" = 'processing' and ("to" in ('failed', 'retrying') or "to" = 'pending' and message = 'stalled');

-- Upper bounds of the histograms' buckets, in seconds; what lasts longer falls into one more.
create function metric_bounds() returns double precision[]
language sql immutable parallel safe set search_path = public, pg_temp
as $$ select array[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]::double precision[] $$;

-- They only ever grow.
create table metric_counts (
    metric text not null,                           -- job_added, job_wait, job_run, claim_refused, adapter_call
    subject text not null,                          -- a job type, or an adapter
    outcome text not null default '',
    bucket smallint not null,                       -- how many of metric_bounds() the seconds have passed
    count bigint not null,
    seconds double precision not null,
    primary key (metric, subject, outcome, bucket)
) with (fillfactor = 50);

alter table metric_counts enable row level security;
create policy "Service role full access" on metric_counts for all to service_role using (true) with check (true);
revoke all on metric_counts from public, anon, authenticated;
grant select, insert, update, delete on metric_counts to service_role;

-- What processes saw and no change of a job tells: one item a time, with the seconds it took.
create function record_metrics(p_metrics text[], p_subjects text[], p_outcomes text[], p_seconds double precision[]) returns void
language sql volatile set search_path = public, pg_temp
as $$
    insert into metric_counts as m (metric, subject, outcome, bucket, count, seconds)
    select i.metric, i.subject, i.outcome, width_bucket(i.seconds, metric_bounds()), count(*), sum(i.seconds)
    from unnest(p_metrics, p_subjects, p_outcomes, p_seconds) as i (metric, subject, outcome, seconds)
    group by 1, 2, 3, 4 order by 1, 2, 3, 4 -- one order for everybody: two that write at once cannot lock each other up
    on conflict (metric, subject, outcome, bucket) do update set count = m.count + excluded.count, seconds = m.seconds + excluded.seconds
$$;

-- Nothing is known of the two tables when this is planned, and the plan is kept: made for one row, a nested loop would compare each
-- of a thousand rows with each.
create or replace function record_changed_jobs() returns trigger
language plpgsql security definer set search_path = public, pg_temp set enable_nestloop = off
as $$
declare
    due boolean;
    stopped boolean;
    seen boolean;
begin
    with change as materialized (
        select id, n.user_id, n.job_type, o.status as was, n.status, n.updated_at <> o.updated_at as visible,
               n.dispatched_at is null as undispatched,
               case when 'processing' in (o.status, n.status) then o.attempts + 1 else n.attempts end as attempt,
               case when 'processing' in (o.status, n.status) then n.worker end as worker,
               case when n.status in ('failed', 'retrying') then n.error_message end as error_message,
               case when n.status = 'processing' then greatest(n.scheduled_for, n.created_at)
                    when o.status = 'processing' then o.started_at end as began_at
        from after_change n join before_change o using (id)
    ), history as (
        insert into job_events (job_id, user_id, job_type, "from", "to", attempt, worker, message, began_at)
        select id, user_id, job_type, was, status, attempt, worker,
               coalesce(nullif(current_setting('buildos.message', true), ''), error_message),
               began_at
        from change where was <> status
        returning 1
    ), feed as (
        insert into row_events (user_id, table_name, row_id, op)
        select user_id, 'queue_jobs', id, 'UPDATE' from change
        where was = status and visible and user_id is not null
        returning 1
    )
    select bool_or(status = 'pending' and undispatched or status = 'retrying'), bool_or(status = 'cancelled' and was = 'processing'),
           exists (select from history) or exists (select from feed)
    into due, stopped, seen
    from change;
    if seen then
        if due then
            perform wake('queue_jobs', 'due');
        end if;
        if stopped then
            perform wake('queue_jobs', 'cancelled');
        end if;
        perform wake('row_events', '');
    end if;
    return null;
end
$$;

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

do $$
declare
    ours text;
begin
    for ours in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = any(array['metric_bounds', 'record_metrics'])
    loop
        execute format('revoke execute on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
