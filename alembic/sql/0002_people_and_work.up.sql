-- People, their work and what is made for them: the tables a daily brief reads and writes (CONTRACT 9).

create table users (
    id uuid primary key default gen_random_uuid(),
    email text not null,
    name text,
    timezone text not null default 'UTC',       -- IANA name; the one source of truth for local time
    country text,                               -- ISO 3166-1 alpha-2, for holidays
    last_visit timestamptz,
    onboarding_completed_at timestamptz,
    onboarding_analyzed_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index users_email_key on users (lower(email));

create table user_brief_preferences (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null unique references users on delete cascade,
    is_active boolean not null default true,
    frequency text not null default 'daily' check (frequency in ('daily', 'weekly', 'custom')),
    time_of_day time not null default '09:00:00',
    day_of_week int not null default 1 check (day_of_week between 0 and 6), -- 0 = Sunday
    email_enabled boolean not null default false,
    enabled boolean generated always as (is_active) stored,                  -- the reference's names
    brief_time_hour int generated always as (extract(hour from time_of_day)::int) stored,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table user_sms_preferences (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null unique references users on delete cascade,
    phone_number text,
    phone_verified boolean not null default false,
    opted_out boolean not null default false,
    opted_out_at timestamptz,
    event_reminders_enabled boolean not null default false,
    event_reminder_lead_time_minutes int not null default 15 check (event_reminder_lead_time_minutes between 0 and 1440),
    daily_sms_limit int not null default 10 check (daily_sms_limit >= 0),
    quiet_hours_start time,
    quiet_hours_end time,
    urgent_alerts boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table projects (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    name text not null,
    description text,
    context text,
    status text not null default 'active',
    phases_generated boolean not null default false,
    external_id text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index projects_user_id_idx on projects (user_id, status);
create unique index projects_external_id_key on projects (user_id, external_id);

create table tasks (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    project_id uuid references projects on delete cascade,
    title text not null,
    description text,
    status text not null default 'backlog' check (status in ('backlog', 'in_progress', 'blocked', 'done')),
    priority text not null default 'medium' check (priority in ('low', 'medium', 'high')),
    start_date timestamptz,
    due_date timestamptz,
    all_day boolean not null default false,     -- dates without a time of day: start of that day in the user's timezone
    completed_at timestamptz,
    deleted_at timestamptz,
    recurrence text,                            -- RFC 5545 RRULE
    recurrence_parent_id uuid references tasks on delete set null,
    external_id text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index tasks_user_id_idx on tasks (user_id, status);
create index tasks_project_id_idx on tasks (project_id);
create unique index tasks_external_id_key on tasks (user_id, external_id);

create table task_dependencies (
    task_id uuid not null references tasks on delete cascade,
    depends_on_task_id uuid not null references tasks on delete cascade,
    user_id uuid not null references users on delete cascade,
    primary key (task_id, depends_on_task_id),
    check (task_id <> depends_on_task_id)
);

create table notes (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    project_id uuid references projects on delete cascade,
    title text,
    content text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index notes_project_id_idx on notes (project_id);

-- A recurring event as it was received. Its occurrences are rows of calendar_events up to `expanded_until`;
-- whoever needs a later day expands further from `ics`.
create table calendar_series (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    external_id text not null,
    ics text not null,                          -- a VCALENDAR with the event, its exceptions and its time zones
    expanded_until timestamptz not null,
    sync_source text not null default 'ics',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (user_id, external_id)
);

create table calendar_events (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    series_id uuid references calendar_series on delete cascade,
    external_id text,                           -- UID; for an occurrence of a series UID plus its original start
    title text not null,
    description text,
    location text,
    start_time timestamptz not null,
    end_time timestamptz not null,
    all_day boolean not null default false,     -- start and end are midnights of `timezone`
    timezone text not null default 'UTC',
    status text not null default 'confirmed' check (status in ('confirmed', 'tentative', 'cancelled')),
    sync_source text not null default 'app',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check (end_time >= start_time)
);
create index calendar_events_user_start_idx on calendar_events (user_id, start_time);
create unique index calendar_events_external_id_key on calendar_events (user_id, external_id);

create table daily_briefs (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    brief_date date not null,
    timezone text not null default 'UTC',
    queue_job_id uuid,                          -- the job whose result this is: a job that runs again finds its own work
    generation_status text not null default 'pending' check (generation_status in ('pending', 'processing', 'completed', 'failed')),
    generation_error text,
    generation_started_at timestamptz,
    generation_completed_at timestamptz,
    summary_content text,                       -- markdown
    project_briefs jsonb not null default '[]', -- [{projectId, projectName, markdown, counts}]
    priority_actions jsonb not null default '[]',
    llm_analysis text,                          -- null: no AI analysis
    llm_model text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (user_id, brief_date)
);

create table emails (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    daily_brief_id uuid references daily_briefs on delete set null,
    subject text not null,
    html_content text,
    text_content text,
    status text not null default 'pending' check (status in ('pending', 'sending', 'sent', 'failed', 'cancelled')),
    tracking_id text not null unique default encode(uuid_send(gen_random_uuid()), 'hex'),
    template_data jsonb not null default '{}',
    sent_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index emails_user_id_idx on emails (user_id, created_at desc);

create table activity_log (
    id bigint generated always as identity primary key,
    user_id uuid references users on delete cascade,
    activity text not null,
    details jsonb not null default '{}',
    created_at timestamptz not null default now()
);
create index activity_log_user_id_idx on activity_log (user_id, created_at desc);

-- Every table with a user: its rows are the user's to read, the service role's to write.
create function touch_updated_at() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end
$$;

do $$
declare
    owned text;
begin
    foreach owned in array array[
        'user_brief_preferences', 'user_sms_preferences', 'projects', 'tasks', 'task_dependencies', 'notes',
        'calendar_series', 'calendar_events', 'daily_briefs', 'emails', 'activity_log'
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
        'users', 'user_brief_preferences', 'user_sms_preferences', 'projects', 'tasks', 'notes', 'calendar_series',
        'calendar_events', 'daily_briefs', 'emails'
    ] loop
        execute format('create trigger touch_updated_at before update on %I for each row execute function touch_updated_at()', owned);
    end loop;
end
$$;

alter table users enable row level security;
create policy "Users see own profile" on users for select to authenticated using (auth.uid() = id);
create policy "Service role full access" on users for all to service_role using (true) with check (true);
revoke all on users from public, anon, authenticated;
grant select on users to authenticated;
grant select, insert, update, delete on users to service_role;
grant usage on all sequences in schema public to service_role;
revoke execute on function touch_updated_at() from public, anon, authenticated;
revoke all on sequence activity_log_id_seq from public, anon, authenticated;
