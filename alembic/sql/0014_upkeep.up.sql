-- Upkeep: ended jobs move to an archive by month, finished recurring tasks get their next instance (CONTRACT 8.9).

-- A job that ended long ago, with its history. A part of its own for each month in which jobs ended, in UTC.
create table queue_jobs_archive (
    id uuid not null,
    queue_job_id text not null,
    user_id uuid references users on delete cascade,
    job_type queue_type not null,
    status queue_status not null check (status in ('completed', 'failed', 'cancelled')), -- nothing live is ever archived
    scheduled_for timestamptz not null,
    metadata jsonb not null,
    result jsonb,
    attempts int not null,
    max_attempts int not null,
    priority int not null,
    error_message text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    started_at timestamptz,
    processed_at timestamptz not null,
    completed_at timestamptz,
    dedup_key text,
    history jsonb not null default '[]',            -- [{from, to, at, attempt, worker, message}], oldest first
    archived_at timestamptz not null default clock_timestamp(),
    primary key (id, processed_at)
) partition by range (processed_at);
create index queue_jobs_archive_name_idx on queue_jobs_archive (queue_job_id);
create index queue_jobs_archive_user_idx on queue_jobs_archive (user_id, created_at desc, id desc);

alter table queue_jobs_archive enable row level security;
create policy "Users see own archived jobs" on queue_jobs_archive for select to authenticated using (auth.uid() = user_id);
create policy "Service role full access" on queue_jobs_archive for all to service_role using (true) with check (true);
-- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
revoke all on queue_jobs_archive from public, anon, authenticated;
grant select on queue_jobs_archive to authenticated;
grant select, insert, update, delete on queue_jobs_archive to service_role;

-- The part of the archive for the month of an instant. True when it was made. It is made beside the archive and then attached, so
-- that nobody who reads has to wait; and it is nobody's to read by itself, as policies of the archive do not hold there.
create function add_archive_month(p_at timestamptz) returns boolean
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '5s'
as $$
declare
    month timestamp := date_trunc('month', p_at at time zone 'UTC');
    part text := 'queue_jobs_archive_' || to_char(month, 'YYYY_MM');
begin
    if to_regclass('public.' || part) is not null then
        return false;
    end if;
    lock table queue_jobs_archive in share update exclusive mode; -- one at a time; who waited sees what the other has made
    if to_regclass('public.' || part) is not null then
        return false;
    end if;
    execute format('create table public.%I (like public.queue_jobs_archive including all)', part);
    execute format('alter table public.%I enable row level security', part);
    execute format('revoke all on public.%I from public, anon, authenticated', part);
    execute format('alter table public.queue_jobs_archive attach partition public.%I for values from (%L) to (%L)',
                   part, month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
    return true;
end
$$;

-- Drops the months that were over before an instant, and returns their names.
create function drop_archive_months(p_before timestamptz) returns setof text
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '5s'
as $$
declare
    part text;
begin
    for part in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.queue_jobs_archive'::regclass and c.relname ~ '^queue_jobs_archive_\d{4}_\d{2}$'
          and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= p_before
        order by 1
    loop
        execute format('drop table public.%I', part);
        return next part;
    end loop;
end
$$;

-- The least id that a job added at that instant could have.
create function job_id_at(p_at timestamptz) returns uuid
language sql stable parallel safe
as $$ select (lpad(to_hex(greatest(0, (extract(epoch from p_at) * 1000)::bigint)), 12, '0') || repeat('0', 20))::uuid $$;

-- The jobs in these states that ended before an instant, in the order of their ids. Ids grow with time, so the oldest come first and
-- the young ones are not looked at; a client's own ids, which do not, lie behind all of ours.
create function ended_jobs(p_statuses queue_status[], p_ended_before timestamptz, p_after uuid, p_limit int) returns setof uuid
language plpgsql stable rows 500 set search_path = public, pg_temp
as $$
declare
    too_young uuid := job_id_at(p_ended_before);
    foreign_ones uuid := greatest(p_after, job_id_at(clock_timestamp() + interval '1 day'));
    found_here int;
begin
    return query
    select q.id from queue_jobs q
    where q.id > p_after and q.id < too_young
      and q.status::text = any(p_statuses::text[]) and q.processed_at < p_ended_before
    order by q.id limit p_limit;
    get diagnostics found_here = row_count;
    return query
    select q.id from queue_jobs q
    where q.id > foreign_ones and q.id <= 'ffffffff-ffff-ffff-ffff-ffffffffffff'
      and q.status::text = any(p_statuses::text[]) and q.processed_at < p_ended_before
    order by q.id limit p_limit - found_here;
end
$$;

-- Moves up to `p_limit` of them to the archive and returns their ids; one that somebody holds is left for the next time. Their history
-- goes along as a copy: browsers that were away are still told of it, and `prune_history` removes it later.
create function archive_jobs(p_statuses queue_status[], p_ended_before timestamptz, p_after uuid, p_limit int) returns setof uuid
language plpgsql set search_path = public, pg_temp
as $$
declare
    chosen uuid[];
    month timestamptz;
begin
    select coalesce(array_agg(l.id), '{}') into chosen from (
        select q.id from queue_jobs q
        where q.id = any(array(select e from ended_jobs(p_statuses, p_ended_before, p_after, p_limit) e)) and is_terminal(q.status)
        order by q.id for update skip locked
    ) l;
    for month in
        select distinct date_trunc('month', q.processed_at at time zone 'UTC') at time zone 'UTC' from queue_jobs q where q.id = any(chosen)
    loop
        perform add_archive_month(month);
    end loop;
    insert into queue_jobs_archive (
        id, queue_job_id, user_id, job_type, status, scheduled_for, metadata, result, attempts, max_attempts, priority, error_message,
        created_at, updated_at, started_at, processed_at, completed_at, dedup_key, history
    )
    select q.id, q.queue_job_id, q.user_id, q.job_type, q.status, q.scheduled_for, q.metadata, q.result, q.attempts, q.max_attempts,
           q.priority, q.error_message, q.created_at, q.updated_at, q.started_at, q.processed_at, q.completed_at, q.dedup_key,
           coalesce((
               select jsonb_agg(jsonb_build_object(
                   'from', e."from", 'to', e."to", 'at', to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'attempt', e.attempt, 'worker', e.worker, 'message', e.message
               ) order by e.id) from job_events e where e.job_id = q.id
           ), '[]')
    from queue_jobs q where q.id = any(chosen);
    delete from queue_jobs q where q.id = any(chosen);
    return query select unnest(chosen);
end
$$;

-- Removes the history of jobs that were archived or deleted before an instant, and at least 25 hours ago: until then a browser that
-- was away may be told of it. Of what is not in the folded counts yet, nothing goes. Returns how many jobs; at most `p_limit`.
create index job_events_gone_idx on job_events (at) where "to" is null;
create function prune_history(p_gone_before timestamptz, p_limit int) returns int
language plpgsql set search_path = public, pg_temp
as $$
declare
    folded xid8 := (select as_of from queue_counts_fold);
    gone uuid;
    pruned int := 0;
begin
    -- One by one, each by its index: a plan for many may walk through all of the history.
    for gone in
        select e.job_id from job_events e
        where e."to" is null and e.at < least(p_gone_before, clock_timestamp() - interval '25 hours') and e.xid < folded
        order by e.at limit p_limit
    loop
        if not exists (select from job_events e where e.job_id = gone and e.xid >= folded) then
            delete from job_events e where e.job_id = gone;
            pruned := pruned + 1;
        end if;
    end loop;
    return pruned;
end
$$;

do $$
begin
    for ahead in 0..2 loop
        perform add_archive_month(now() + make_interval(months => ahead));
    end loop;
end
$$;

-- Recurring tasks. A finished one gets its next instance once, whatever happens to it afterwards.
alter table tasks
    add column recurrence_start timestamp,          -- local time at which its series began; null: it is the first
    add column recurrence_settled_at timestamptz;   -- when its next instance was made, or there was found to be none
create index tasks_to_repeat_idx on tasks (id)
    where recurrence is not null and status = 'done' and deleted_at is null and recurrence_settled_at is null;

insert into schedule_runs (name) values ('schedule_recurring_tasks'), ('schedule_cleanup');

do $$
declare
    ours text;
begin
    for ours in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = any(array[
            'add_archive_month', 'drop_archive_months', 'job_id_at', 'ended_jobs', 'archive_jobs', 'prune_history'
        ])
    loop
        execute format('revoke execute on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
