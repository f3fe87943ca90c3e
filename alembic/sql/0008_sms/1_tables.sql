-- Text messages: what is to be sent and what became of it, every copy handed to the provider, and their counts (CONTRACT 8.3, 9).

create table sms_messages (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    queue_job_id uuid,                              -- the job that sends it: the latest one
    phone_number text not null,
    message_content text not null,
    status text not null default 'pending' check (
        status in ('pending', 'sending', 'sent', 'delivered', 'undelivered', 'failed', 'skipped', 'cancelled')
    ),
    reason text,                                    -- why it was skipped or cancelled, or failed
    urgent boolean not null default false,          -- passes quiet hours
    scheduled_for timestamptz,
    calendar_event_id uuid,                         -- no reference: a message outlives its event
    event_starts_at timestamptz,                    -- set for a reminder, and for nothing else
    lead_minutes int,
    twilio_sid text,                                -- of the latest copy
    twilio_status text,
    error_code text,
    sent_at timestamptz,                            -- the first time
    delivered_at timestamptz,
    attempt_count int not null default 0,           -- copies the provider has taken
    max_attempts int not null default 3,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index sms_messages_queue_job_id_key on sms_messages (queue_job_id);
create unique index sms_messages_reminder_key on sms_messages (calendar_event_id, event_starts_at) where event_starts_at is not null;
create index sms_messages_user_id_idx on sms_messages (user_id, created_at desc);
create index sms_messages_waiting_idx on sms_messages (user_id) where status = 'pending' and event_starts_at is not null;
create index sms_messages_twilio_sid_idx on sms_messages (twilio_sid);

-- One row for every copy, written before it is handed over and after:
-- handing_over (it may have gone) → sent | failed (surely not gone) | unknown.
create table sms_delivery (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    message_id uuid not null references sms_messages on delete cascade,
    queue_job_id uuid,
    attempt int,                                    -- of the job
    transport text not null,                        -- twilio, none
    status text not null default 'handing_over' check (status in ('handing_over', 'sent', 'failed', 'unknown')),
    twilio_sid text,
    twilio_status text,
    error_code text,
    error text,
    handed_over_at timestamptz not null,            -- by the clock of the worker: the daily limit counts by it
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);
create index sms_delivery_message_id_idx on sms_delivery (message_id, created_at);
create index sms_delivery_user_id_idx on sms_delivery (user_id, handed_over_at);
create index sms_delivery_twilio_sid_idx on sms_delivery (twilio_sid);

-- The local dates whose reminders are planned: a change of an event or a preference plans them again.
create table sms_planned_days (
    user_id uuid not null references users on delete cascade,
    local_date date not null,
    job_id uuid not null,                           -- the job that planned it last
    planned_at timestamptz not null,
    primary key (user_id, local_date)
);

-- Messages per user and day (UTC): of their first copy, else of the time they were meant for.
create materialized view sms_metrics as
select (coalesce(m.sent_at, m.scheduled_for, m.created_at) at time zone 'UTC')::date as day,
       m.user_id,
       count(*) as messages,
       count(*) filter (where m.status in ('pending', 'sending')) as scheduled,
       count(*) filter (where m.sent_at is not null) as sent,
       count(*) filter (where m.status = 'delivered') as delivered,
       count(*) filter (where m.status in ('failed', 'undelivered')) as failed,
       count(*) filter (where m.status = 'skipped') as skipped,
       count(*) filter (where m.status = 'cancelled') as cancelled,
       coalesce(sum(m.attempt_count), 0) as copies,
       avg(extract(epoch from m.delivered_at - m.sent_at)) as seconds_to_delivery
from sms_messages m
group by 1, 2;
create unique index sms_metrics_key on sms_metrics (day, user_id);

-- As its owner, who alone may; readers are not held up.
create function refresh_sms_metrics() returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    refresh materialized view concurrently sms_metrics;
end
$$;
