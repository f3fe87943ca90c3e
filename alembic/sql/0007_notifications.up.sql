-- Notifications: who wants which, the browsers that take pushes, and what became of every one (CONTRACT 8.4, 9).

create table user_notification_preferences (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null unique references users on delete cascade,
    push_enabled boolean not null default true,
    email_enabled boolean not null default true,
    in_app_enabled boolean not null default true,
    sms_enabled boolean not null default true,
    do_not_disturb boolean not null default false,  -- until it is switched off
    quiet_hours_start time,                         -- local; start included, end not, may wrap over midnight
    quiet_hours_end time,
    -- {event type: [channels]}: the only channels for that type, and those on which the system tells of it by itself
    event_channels jsonb not null default '{}' check (jsonb_typeof(event_channels) = 'object'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table push_subscriptions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    endpoint text not null unique,                  -- of the browser's push service; who knows it and the keys may push
    p256dh text not null,                           -- the browser's public key, base64url
    auth text not null,                             -- its secret, base64url
    user_agent text,
    expires_at timestamptz,                         -- as the browser said
    last_sent_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index push_subscriptions_user_id_idx on push_subscriptions (user_id, updated_at);

-- One row a job. `failed` with a reason is also how it stands until it is known to have gone: whatever kills a run leaves the truth.
create table notification_deliveries (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    queue_job_id uuid not null unique,
    origin_id uuid not null,                        -- the delivery that a manual retry goes on with; its own id otherwise
    channel text,                                   -- as asked for; null: the job named none that there is
    sent_by text,                                   -- the channel that carried it: in-app where every push failed
    event_type text,
    correlation_id text,
    status text not null default 'failed' check (status in ('sent', 'failed', 'skipped')),
    reason text,
    attempts int not null default 0,                -- runs that worked on it
    sent_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);
create index notification_deliveries_user_id_idx on notification_deliveries (user_id, created_at desc);
create index notification_deliveries_correlation_id_idx on notification_deliveries (correlation_id);

-- One row for each subscription a delivery is meant for, written before it is pushed and after:
-- started → handing_over (from here on it may have gone) → sent | gone | refused | deferred (these three: surely not) | unknown.
create table notification_pushes (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    origin_id uuid not null,
    subscription_id uuid not null,                  -- a subscription may be gone by now
    status text not null default 'started'
        check (status in ('started', 'handing_over', 'sent', 'gone', 'refused', 'deferred', 'unknown')),
    attempts int not null default 1,
    error text,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    unique (origin_id, subscription_id)
);
create index notification_pushes_user_id_idx on notification_pushes (user_id);

-- What a user sees in the app.
create table notifications (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    origin_id uuid unique,                          -- the delivery that made it; it is shown once
    event_type text not null,
    title text not null,
    body text not null default '',
    url text,
    payload jsonb not null default '{}',
    correlation_id text not null,
    read_at timestamptz,
    created_at timestamptz not null default clock_timestamp()
);
create index notifications_user_id_idx on notifications (user_id, created_at desc, id desc);

do $$
declare
    owned text;
begin
    foreach owned in array array[
        'user_notification_preferences', 'push_subscriptions', 'notification_deliveries', 'notification_pushes', 'notifications'
    ] loop
        execute format('alter table %I enable row level security', owned);
        execute format('create policy "Users see own %s" on %I for select to authenticated using (auth.uid() = user_id)', replace(owned, '_', ' '), owned);
        execute format('create policy "Service role full access" on %I for all to service_role using (true) with check (true)', owned);
        -- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
        execute format('revoke all on %I from public, anon, authenticated', owned);
        execute format('grant select on %I to authenticated', owned);
        execute format('grant select, insert, update, delete on %I to service_role', owned);
    end loop;

    foreach owned in array array[
        'user_notification_preferences', 'push_subscriptions', 'notification_deliveries', 'notification_pushes'
    ] loop
        execute format('create trigger touch_updated_at before update on %I for each row execute function touch_updated_at()', owned);
    end loop;
end
$$;
