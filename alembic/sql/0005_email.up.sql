-- Emails: who gets them, the links in them, every try to send one, and what became of it (CONTRACT 8.2, 9).

alter table emails
    add column queue_job_id uuid unique,            -- the job whose mail this is, where the job made the row itself
    add column delivery_id text unique,             -- idempotency key of a mail that was handed to us over the webhook
    add column message_id text;                     -- the same in every try, so that receiving systems know a second copy

create table email_recipients (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    email_id uuid not null references emails on delete cascade,
    recipient_email text not null,
    status text not null default 'pending' check (status in ('pending', 'sent', 'failed')),
    error text,
    sent_at timestamptz,
    opened_at timestamptz,                          -- the first time
    open_count int not null default 0,
    clicked_at timestamptz,                         -- the first time
    click_count int not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (email_id, recipient_email)
);
create index email_recipients_user_id_idx on email_recipients (user_id);

-- Where the links of an email may lead. Rows are only added: an earlier copy may have arrived after all.
create table email_links (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    email_id uuid not null references emails on delete cascade,
    url text not null,
    created_at timestamptz not null default now()
);
create unique index email_links_url_key on email_links (email_id, md5(url));
create index email_links_user_id_idx on email_links (user_id);

-- One row a try, written before the mail leaves and after:
-- started → handing_over (from here on it may have gone) → sent | failed (surely not gone) | unknown.
create table email_logs (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    email_id uuid not null references emails on delete cascade,
    queue_job_id uuid,
    attempt int,                                    -- of the job
    transport text not null,                        -- smtp, webhook, outbox
    status text not null default 'started' check (status in ('started', 'handing_over', 'sent', 'failed', 'unknown')),
    message_id text,
    error text,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);
create index email_logs_email_id_idx on email_logs (email_id, created_at);
create index email_logs_user_id_idx on email_logs (user_id);

create table email_tracking_events (
    id bigint generated always as identity primary key,
    user_id uuid not null references users on delete cascade,
    email_id uuid not null references emails on delete cascade,
    recipient_id uuid references email_recipients on delete cascade,
    event_type text not null check (event_type in ('opened', 'clicked')),
    event_data jsonb not null default '{}',
    clicked_url text,
    ip_address text,
    user_agent text,
    created_at timestamptz not null default now()
);
create index email_tracking_events_email_id_idx on email_tracking_events (email_id, created_at);
create index email_tracking_events_user_id_idx on email_tracking_events (user_id);

-- Signatures of webhook calls that were used: each works once.
create table webhook_signatures (
    signature text primary key,
    used_at timestamptz not null
);
create index webhook_signatures_used_at_idx on webhook_signatures (used_at);

do $$
declare
    owned text;
begin
    foreach owned in array array['email_recipients', 'email_links', 'email_logs', 'email_tracking_events'] loop
        execute format('alter table %I enable row level security', owned);
        execute format('create policy "Users see own %s" on %I for select to authenticated using (auth.uid() = user_id)', replace(owned, '_', ' '), owned);
        execute format('create policy "Service role full access" on %I for all to service_role using (true) with check (true)', owned);
        -- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
        execute format('revoke all on %I from public, anon, authenticated', owned);
        execute format('grant select on %I to authenticated', owned);
        execute format('grant select, insert, update, delete on %I to service_role', owned);
    end loop;

    foreach owned in array array['email_recipients', 'email_logs'] loop
        execute format('create trigger touch_updated_at before update on %I for each row execute function touch_updated_at()', owned);
    end loop;
end
$$;

alter table webhook_signatures enable row level security;
create policy "Service role full access" on webhook_signatures for all to service_role using (true) with check (true);
revoke all on webhook_signatures from public, anon, authenticated;
grant select, insert, update, delete on webhook_signatures to service_role;
revoke all on sequence email_tracking_events_id_seq from public, anon, authenticated;
grant usage on sequence email_tracking_events_id_seq to service_role;
