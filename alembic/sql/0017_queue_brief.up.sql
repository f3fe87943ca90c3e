-- The same as before, with its plan kept for the session.
create or replace function time_zone_or_utc(p_timezone text) returns text
language plpgsql stable set search_path = public, pg_temp
as $$ begin return coalesce((select name from time_zones where name = p_timezone), 'UTC'); end $$;

create index idx_queue_jobs_user_brief_dates on queue_jobs (user_id, (metadata ->> 'briefDate')) where job_type = 'generate_daily_brief';

-- Among a user's many completed jobs, the few that were not.
create index idx_queue_jobs_user_unfinished on queue_jobs (user_id, created_at desc, id desc) where status in ('failed', 'cancelled');

-- What `POST /queue/brief` means (CONTRACT 5), in one statement that is its own transaction: queue a brief, or find the job that
-- makes it already. No row comes back for a user who does not exist.
--
-- It may be repeated with the same arguments when its answer was lost: the key finds the job that the first time added.
create function queue_brief_job(
    p_user_id uuid,
    p_now timestamptz,
    p_key_suffix text,                          -- tells one regeneration of a date from another
    p_scheduled_for timestamptz default null,   -- not before this time; now
    p_brief_date date default null,             -- the local date of that time
    p_timezone text default null,               -- the user's own
    p_force_immediate boolean default false,    -- due now and first, also where it waits for later
    p_force_regenerate boolean default false,   -- cancel the live ones of that date and add a new one
    p_options jsonb default '{}',               -- of the brief; they become a part of the metadata
    p_max_attempts int default 3
) returns table (job_id uuid, job_name text, due_at timestamptz, brief_date text, deduplicated boolean)
language plpgsql set search_path = public, pg_temp
as $$
declare
    zone text;
    first_at timestamptz := case when p_force_immediate then p_now else coalesce(p_scheduled_for, p_now) end;
    key text;
begin
    select time_zone_or_utc(coalesce(p_timezone, u.timezone)) into zone from users u where u.id = p_user_id;
    if not found then
        return;
    end if;
    brief_date := to_char(coalesce(p_brief_date, (coalesce(p_scheduled_for, p_now) at time zone zone)::date), 'YYYY-MM-DD');
    key := 'brief-' || p_user_id || '-' || brief_date;
    -- Of many at once, one adds the job and the others find it: each statement from here on sees what those before committed.
    perform pg_advisory_xact_lock(hashtextextended(key, 0));

    if p_force_regenerate then
        key := key || '-' || p_key_suffix;
        perform cancel_brief_jobs_for_date(p_user_id, brief_date, (select q.id from queue_jobs q where q.dedup_lock = key));
    else
        -- Whichever key it holds: a job that regenerates, or that a retry made, is the job of that date too.
        select q.id, q.queue_job_id, q.scheduled_for into job_id, job_name, due_at
        from queue_jobs q
        where q.user_id = p_user_id and q.job_type = 'generate_daily_brief' and q.metadata ->> 'briefDate' = brief_date
          and q.status not in ('failed', 'cancelled')
        order by q.status = 'completed', q.created_at desc limit 1;
    end if;

    if job_id is null then
        select e.job_id, e.job_name, e.due_at, e.deduplicated into job_id, job_name, due_at, deduplicated
        from enqueue_job(
            p_user_id, 'generate_daily_brief',
            jsonb_build_object('briefDate', brief_date, 'timezone', zone)
                || case when p_force_regenerate then '{"forceRegenerate": true}'::jsonb else '{}' end || p_options,
            case when first_at <= p_now then 1 else 10 end, first_at, key, p_max_attempts
        ) e;
    else
        deduplicated := true;
    end if;
    if deduplicated and p_force_immediate then
        if reschedule_queue_job(job_id, least(due_at, p_now), 1) then
            due_at := least(due_at, p_now);
        end if;
    end if;
    return next;
end
$$;

do $$
declare
    ours text;
begin
    for ours in select p.oid::regprocedure from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname = 'queue_brief_job' loop
        execute format('revoke execute on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
