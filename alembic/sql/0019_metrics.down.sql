-- Adds the history that nothing can precede any more to the counts. Any worker may call it at any time; one at a time does it.
create or replace function fold_queue_counts() returns void
language plpgsql set search_path = public, pg_temp
as $$
declare
    since xid8;
    horizon xid8;
begin
    select as_of into since from queue_counts_fold for update skip locked;
    if not found then
        return;
    end if;
    horizon := pg_snapshot_xmin(pg_current_snapshot());
    if horizon <= since then
        return;
    end if;
    insert into queue_counts (job_type, status, count)
    select c.job_type, c.status, sum(c.count) from (
        select e.job_type, e."to" as status, 1 as count from job_events e
        where e.xid >= since and e.xid < horizon and e."to" is not null
        union all
        select e.job_type, e."from", -1 from job_events e
        where e.xid >= since and e.xid < horizon and e."from" is not null
    ) c
    group by 1, 2
    on conflict (job_type, status) do update set count = queue_counts.count + excluded.count;
    update queue_counts_fold set as_of = horizon;
end
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
               case when n.status in ('failed', 'retrying') then n.error_message end as error_message
        from after_change n join before_change o using (id)
    ), history as (
        insert into job_events (job_id, user_id, job_type, "from", "to", attempt, worker, message)
        select id, user_id, job_type, was, status, attempt, worker,
               coalesce(nullif(current_setting('buildos.message', true), ''), error_message)
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

drop function record_metrics(text[], text[], text[], double precision[]);
drop table metric_counts;
drop function metric_bounds();
drop index job_events_failed_idx;
alter table job_events drop column began_at;
