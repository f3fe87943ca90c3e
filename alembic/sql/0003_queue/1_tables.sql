-- The queue. `queue_jobs` is the truth about every job; whatever else exists about a job can be lost and made again.

create type queue_type as enum (
    'generate_daily_brief', 'generate_brief_email', 'generate_phases', 'onboarding_analysis', 'send_sms',
    'schedule_daily_sms', 'send_notification', 'send_notification_email', 'process_brain_dump', 'send_email',
    'sync_calendar', 'update_recurring_tasks', 'cleanup_old_data', 'other'
);

create type queue_status as enum ('pending', 'processing', 'completed', 'failed', 'cancelled', 'retrying');

-- Ids that grow with time, so that millions of finished rows do not slow the insert of a new one (the layout of UUIDv7).
create function new_job_id() returns uuid
language sql volatile parallel safe
as $$
    select encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                    from 1 for 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;

create table queue_jobs (
    id uuid primary key default new_job_id(),
    queue_job_id text not null unique,              -- what the HTTP API calls jobId
    user_id uuid references users on delete cascade, -- null only for upkeep jobs
    job_type queue_type not null,
    status queue_status not null default 'pending',
    scheduled_for timestamptz not null default now() -- never dispatched before this instant; a time that every client can read
        check (scheduled_for >= '0001-01-02Z' and scheduled_for < '9999-12-31Z'),
    metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    result jsonb,
    attempts int not null default 0 check (attempts >= 0),        -- failed attempts so far
    max_attempts int not null default 3 check (max_attempts >= 1),
    priority int not null default 10 check (priority >= 1),       -- 1 = highest
    error_message text,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),    -- last change a user can see
    started_at timestamptz,
    processed_at timestamptz,
    completed_at timestamptz,
    dedup_key text,                                 -- the idempotency key the job was added with
    dedup_lock text unique,                         -- the same while the job holds it: until it fails or is cancelled
    fencing_token bigint not null default 0,        -- grows with every claim; a write that names an older one does nothing
    task_id text,                                   -- the Celery task that claimed it
    worker text,                                    -- who claimed it
    heartbeat_at timestamptz,                       -- last sign of life of the run
    dispatched_at timestamptz,                      -- when its message was sent; null: no message is on the way
    dispatched_by text
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

create index idx_queue_jobs_user_status on queue_jobs (user_id, created_at desc, id desc);
create index idx_queue_jobs_scheduled on queue_jobs (job_type, priority, scheduled_for) where status = 'pending';
create index idx_queue_jobs_retrying on queue_jobs (job_type, scheduled_for) where status = 'retrying';
create index idx_queue_jobs_processing on queue_jobs (started_at) where status = 'processing';

-- One sequence numbers every change that browsers hear of. Numbers are taken before they are committed: a reader orders by
-- (xid, id) and stops at the snapshot's horizon, below which nothing can appear any more.
create sequence change_seq;

-- The history: one row for every change of state, written by a trigger, whoever made the change.
create table job_events (
    xid xid8 not null default pg_current_xact_id(),
    id bigint not null default nextval('change_seq'),
    job_id uuid not null,
    user_id uuid,
    job_type queue_type not null,
    "from" queue_status,                            -- null: the job was added
    "to" queue_status,                              -- null: the row was deleted or archived
    at timestamptz not null default clock_timestamp(),
    attempt int not null,                           -- number of the run, from 1; 0 before the first
    worker text,
    message text,
    primary key (xid, id)
);
create index job_events_job_id_idx on job_events (job_id, id);
create index job_events_at_idx on job_events using brin (at) with (pages_per_range = 16, autosummarize = on); -- the last minutes, for alerts

-- What browsers hear of besides changes of state: rows that changed (the reader loads them), and named events with their payload.
create table row_events (
    xid xid8 not null default pg_current_xact_id(),
    id bigint not null default nextval('change_seq'),
    user_id uuid not null,
    table_name text,
    row_id uuid,
    op text check (op in ('INSERT', 'UPDATE', 'DELETE')),
    event text,
    payload jsonb,
    event_key text unique,                          -- makes a named event happen once
    at timestamptz not null default clock_timestamp(),
    primary key (xid, id),
    check ((event is null) <> (table_name is null))
);

-- Counts per type and state. Exact at any moment: the folded counts plus the history since `as_of`.
create table queue_counts (
    job_type queue_type not null,
    status queue_status not null,
    count bigint not null,
    primary key (job_type, status)
);
create table queue_counts_fold (
    only_row boolean primary key default true check (only_row),
    as_of xid8 not null                             -- history of transactions before this one is in queue_counts
);
insert into queue_counts_fold (as_of) values ('0');

-- Settings that hold for every client, through any pooler. `external.<job_type>` = 'true' leaves a type to workers outside
-- Celery, `paused.<job_type>` = 'true' holds it back.
create table queue_settings (
    key text primary key,
    value text not null,
    updated_at timestamptz not null default now(),
    check (case when key in ('RETRY_BACKOFF_BASE', 'QUEUE_PRIORITY_AGING') then value::double precision > 0 else true end)
);
insert into queue_settings (key, value) values
    ('RETRY_BACKOFF_BASE', '60'),                   -- seconds
    ('QUEUE_PRIORITY_AGING', '300'),                -- seconds
    ('QUEUE_NOTIFY', 'true'),
    ('ENGAGEMENT_BACKOFF_ENABLED', 'false');

-- Workers and beats that are alive.
create table queue_processes (
    name text primary key,                          -- celery@host, beat@host-pid
    kind text not null check (kind in ('worker', 'beat')),
    host text not null,
    pid int not null,
    queues text[] not null default '{}',
    concurrency int,
    started_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    last_poll_at timestamptz
);
