-- What must hold of the queue at any moment, on a live system too (DESIGN 2). One query an invariant: each row it returns is
-- a violation, as (id, what is wrong). All run in one read-only snapshot, so that a change and its history are seen together.
-- `:stalled_seconds` is QUEUE_STALLED_TIMEOUT, `:dead_seconds` the silence after which a process counts as dead.

-- name: terminal rows have their times, live rows have none
select id, format('%s, processed_at %s, completed_at %s', status, processed_at, completed_at) from queue_jobs
where (status in ('completed', 'failed', 'cancelled')) <> (processed_at is not null)
   or (status = 'completed') <> (completed_at is not null)

-- name: a terminal job ended once, a live one never
select q.id, format('%s, ended %s times', q.status, count(e.id)) from queue_jobs q
left join job_events e on e.job_id = q.id and e."to" in ('completed', 'failed', 'cancelled')
group by q.id having count(e.id) <> (q.status in ('completed', 'failed', 'cancelled'))::int

-- name: the history is a path of the state machine
select job_id, format('%s to %s after %s', coalesce("from"::text, 'nothing'), coalesce("to"::text, 'nothing'), coalesce(before::text, 'nothing'))
from (select job_id, "from", "to", lag("to") over (partition by job_id order by id) as before,
             row_number() over (partition by job_id order by id) as step from job_events) history
where case when step = 1 then "from" is not null or "to" is distinct from 'pending'
           else "from" is distinct from before or not coalesce(
               "from" = 'pending' and "to" in ('processing', 'cancelled')
               or "from" = 'processing' and "to" in ('completed', 'failed', 'retrying', 'pending', 'cancelled')
               or "from" = 'retrying' and "to" in ('pending', 'cancelled')
               or "from" in ('completed', 'failed', 'cancelled') and "to" is null, false) end

-- name: the history ends where the row is
select q.id, format('row %s, history %s', q.status, coalesce(last."to"::text, 'nothing')) from queue_jobs q
left join lateral (select "to" from job_events e where e.job_id = q.id order by id desc limit 1) last on true
where last."to" is distinct from q.status

-- name: nothing live was deleted or archived
select job_id, format('was %s', "from") from job_events
where "to" is null and "from" in ('pending', 'processing', 'retrying')

-- name: an archived job has left the queue
select a.id, format('%s since %s, and archived at %s', q.status, q.updated_at, a.archived_at) from queue_jobs_archive a join queue_jobs q using (id)

-- name: attempts are the failures and stalls of the history, at most max_attempts
select q.id, format('attempts %s of %s, history %s', q.attempts, q.max_attempts, count(e.id)) from queue_jobs q
left join job_events e on e.job_id = q.id and (e."to" in ('failed', 'retrying') or e."to" = 'pending' and e.message = 'stalled')
group by q.id having q.attempts <> count(e.id) or q.attempts > q.max_attempts

-- name: the fencing token is the number of claims
select q.id, format('token %s, claims %s', q.fencing_token, count(e.id)) from queue_jobs q
left join job_events e on e.job_id = q.id and e."to" = 'processing'
group by q.id having q.fencing_token <> count(e.id)

-- name: a failed job says why
select id, 'no error_message' from queue_jobs where status in ('failed', 'retrying') and coalesce(error_message, '') = ''

-- name: a running job has a holder and gives signs of life
select id, format('held by %s, last sign of life %s', coalesce(worker, 'nobody'), heartbeat_at) from queue_jobs
where status = 'processing'
  and (worker is null or started_at is null or heartbeat_at is null
       or heartbeat_at < clock_timestamp() - make_interval(secs => 2 * :stalled_seconds))

-- name: a waiting job is not started, and marked as sent only while pending
select id, format('%s, started_at %s, dispatched_at %s', status, started_at, dispatched_at) from queue_jobs
where status in ('pending', 'retrying') and started_at is not null
   or status = 'retrying' and dispatched_at is not null
   or (dispatched_at is null) <> (dispatched_by is null)

-- name: no message is waited for that nobody alive has sent
select q.id, format('sent by %s at %s', q.dispatched_by, q.dispatched_at) from queue_jobs q
where q.status = 'pending' and q.dispatched_at < clock_timestamp() - make_interval(secs => 2 * :dead_seconds + 5)
  and exists (select from queue_processes p
              where p.kind = 'worker' and p.heartbeat_at > clock_timestamp() - make_interval(secs => :dead_seconds))
  and not exists (select from queue_processes p where p.name = q.dispatched_by
                  and p.heartbeat_at > clock_timestamp() - make_interval(secs => 2 * :dead_seconds))

-- name: an idempotency key is held by one job, and by none that failed or was cancelled
select id, format('%s, key %s, held %s', status, dedup_key, dedup_lock) from queue_jobs
where dedup_lock is distinct from case when status in ('failed', 'cancelled') then null else dedup_key end
union all
select min(id::text)::uuid, format('%s jobs hold %s', count(*), dedup_lock) from queue_jobs
where dedup_lock is not null group by dedup_lock having count(*) > 1

-- name: the counts are the counts
select coalesce(s.job_type, r.job_type), format('%s: counted %s, there are %s', coalesce(s.status, r.status), s.count, r.count)
from get_queue_stats() s
full join (select job_type::text, status::text, count(*) from queue_jobs group by 1, 2) r using (job_type, status)
where s.count is distinct from r.count

-- name: history and feed name the job's own user
select e.job_id, format('event %s is of user %s, the job of %s', e.id, e.user_id, q.user_id)
from job_events e join queue_jobs q on q.id = e.job_id where e.user_id is distinct from q.user_id
union all
select e.row_id, format('event %s is of user %s, the job of %s', e.id, e.user_id, q.user_id)
from row_events e join queue_jobs q on q.id = e.row_id where e.table_name = 'queue_jobs' and e.user_id is distinct from q.user_id

-- name: the guards of the table are in place
select wanted, 'trigger missing or disabled' from unnest(array['guard_insert', 'guard_update', 'guard_delete', 'guard_truncate',
    'record_added', 'record_changed', 'record_deleted']) wanted
where not exists (select from pg_trigger t where t.tgrelid = 'queue_jobs'::regclass and t.tgname = wanted and t.tgenabled in ('O', 'A'))

-- name: every table of users is closed to other users
select c.oid::regclass::text, 'row-level security is off' from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity
