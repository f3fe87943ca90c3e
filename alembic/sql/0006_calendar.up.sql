-- Calendars that a user has connected: feeds and Google's (CONTRACT 8.7, 9).

create table calendar_connections (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    provider text not null check (provider in ('google', 'feed')),
    calendar_id text not null,                      -- Google's name for it; of a feed a digest of its address, which may be a secret
    name text,
    timezone text,
    status text not null default 'active' check (status in ('active', 'broken')),
    error text,
    sync_number bigint not null default 0,          -- counts the runs: the last one alone writes, and the next job's dedup key names it
    sync_token text,                                -- where the next incremental sync goes on
    page_token text,                                -- where a sync that was cut off goes on
    etag text,
    last_modified text,
    last_synced_at timestamptz,
    next_sync_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (user_id, provider, calendar_id)
);
create index calendar_connections_due_idx on calendar_connections (next_sync_at) where status = 'active';

-- Tokens of Google, the address of a feed: encrypted, and nobody's to read but the service's.
create table calendar_secrets (
    connection_id uuid primary key references calendar_connections on delete cascade,
    encrypted text not null
);

-- Where Google calls back. The row is there before Google hears of it, as its first call comes at once.
create table calendar_channels (
    id uuid primary key,
    connection_id uuid not null references calendar_connections on delete cascade,
    token_hash text not null,
    resource_id text,
    expires_at timestamptz,                         -- null until Google has confirmed it
    created_at timestamptz not null default now()
);
create index calendar_channels_connection_idx on calendar_channels (connection_id, expires_at);

-- Consents that were asked for and not answered yet. Each works once.
create table calendar_authorizations (
    state_hash text primary key,
    owner_id uuid not null references users on delete cascade,
    calendar_id text not null,
    verifier text not null,                         -- of PKCE, encrypted
    redirect_uri text not null,
    browser_hash text,                              -- the browser that must come back, where it was sent by us
    expires_at timestamptz not null
);
create index calendar_authorizations_owner_idx on calendar_authorizations (owner_id);
create index calendar_authorizations_expires_idx on calendar_authorizations (expires_at);

-- What a full sync has met so far: at its end, the rest is gone.
create table calendar_seen (
    connection_id uuid not null references calendar_connections on delete cascade,
    external_id text not null,
    primary key (connection_id, external_id)
);

alter table calendar_series add column connection_id uuid references calendar_connections on delete cascade;
create index calendar_series_connection_idx on calendar_series (connection_id) where connection_id is not null;
alter table calendar_events add column connection_id uuid references calendar_connections on delete cascade;
create index calendar_events_connection_idx on calendar_events (connection_id) where connection_id is not null;

-- A task that stands in the calendar. `deleting`: the task has left it, and Google is still to be told.
create table task_calendar_events (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    task_id uuid references tasks on delete set null,
    connection_id uuid references calendar_connections on delete cascade,   -- null: in our own calendar alone
    calendar_event_id uuid references calendar_events on delete set null,
    remote_id text,                                 -- chosen by us, so that an event made twice is one
    sync_status text not null default 'pending' check (sync_status in ('local', 'pending', 'synced', 'failed', 'deleting')),
    sync_source text not null default 'app' check (sync_source in ('app', 'google')), -- whose change was the last
    etag text,
    pushed jsonb,                                   -- what the event says at Google, as far as we know
    changed_at timestamptz not null default now(),  -- the last change from our side
    pushed_at timestamptz,                          -- when Google took one from us
    remote_updated timestamptz,                     -- Google's own time of the version we know
    error text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index task_calendar_events_task_key on task_calendar_events (task_id) where sync_status <> 'deleting';
create unique index task_calendar_events_remote_key on task_calendar_events (connection_id, remote_id);
create index task_calendar_events_user_id_idx on task_calendar_events (user_id);
create index task_calendar_events_event_idx on task_calendar_events (calendar_event_id);

-- Queues a sync unless one is waiting. The key changes when a run begins, so a call that comes later queues the next.
create function queue_calendar_sync(p_connection_id uuid) returns uuid
language sql volatile set search_path = public, pg_temp
as $$
    select add_queue_job(user_id, 'sync_calendar', jsonb_build_object('calendarId', id), 5, now(),
                         'sync_calendar-' || id || '-' || sync_number)
    from calendar_connections where id = p_connection_id and status = 'active'
$$;

-- The tick: a job for every connection that is due, whose channel ends within a day, or that still has to tell Google something.
create function queue_calendar_syncs(p_now timestamptz default now()) returns int
language sql volatile set search_path = public, pg_temp
as $$
    with due as (
        select c.id, c.user_id, c.sync_number
        from calendar_connections c
        where c.status = 'active' and (
            c.next_sync_at <= p_now
            or exists (select from task_calendar_events t where t.connection_id = c.id and t.sync_status in ('pending', 'deleting')
                       and t.changed_at < p_now - interval '5 minutes')
            or (select max(h.expires_at) from calendar_channels h where h.connection_id = c.id) < p_now + interval '1 day')
    ), lists as (
        select array_agg(user_id) as users, array_agg('sync_calendar'::text) as types,
               array_agg(jsonb_build_object('calendarId', id)) as details, array_agg(5) as priorities, array_agg(p_now) as times,
               array_agg('sync_calendar-' || id || '-' || sync_number) as keys, array_agg(3) as attempts
        from due
    )
    select count(*)::int from lists, enqueue_jobs(users, types, details, priorities, times, keys, attempts) e where not e.deduplicated
$$;

-- The event of a task follows the task, whoever changes it. What Google said is not sent back to it: the sync says so by a setting of its
-- transaction.
create function task_event_follows() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    link task_calendar_events;
    zone text;
    begins timestamptz;
begin
    if coalesce(current_setting('buildos.calendar_sync', true), '') = 'on' then
        return case when tg_op = 'DELETE' then old else new end;
    end if;
    select * into link from task_calendar_events t where t.task_id = old.id and t.sync_status <> 'deleting';
    if not found then
        return case when tg_op = 'DELETE' then old else new end;
    end if;
    if tg_op = 'DELETE' or new.deleted_at is not null then
        delete from calendar_events where id = link.calendar_event_id;
        if link.connection_id is null then
            delete from task_calendar_events where id = link.id;
        else
            update task_calendar_events set sync_status = 'deleting', changed_at = clock_timestamp(), sync_source = 'app' where id = link.id;
        end if;
    else
        begins := coalesce(new.start_date, new.due_date);
        select time_zone_or_utc(u.timezone) into zone from users u where u.id = new.user_id;
        update calendar_events e
        set title = new.title, all_day = new.all_day, start_time = coalesce(begins, e.start_time), timezone = zone,
            end_time = case when begins is null then e.end_time
                            when new.all_day then (begins at time zone zone + interval '1 day') at time zone zone
                            when e.all_day then begins + interval '30 minutes'
                            else begins + (e.end_time - e.start_time) end
        where e.id = link.calendar_event_id;
        update task_calendar_events
        set changed_at = clock_timestamp(), sync_source = 'app', sync_status = case when connection_id is null then 'local' else 'pending' end
        where id = link.id;
    end if;
    if link.connection_id is not null then
        perform queue_calendar_sync(link.connection_id);
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end
$$;

create trigger calendar_follows after update on tasks for each row
    when ((old.title, old.start_date, old.due_date, old.all_day, old.deleted_at)
          is distinct from (new.title, new.start_date, new.due_date, new.all_day, new.deleted_at))
    execute function task_event_follows();
create trigger calendar_leaves before delete on tasks for each row execute function task_event_follows();

do $$
declare
    owned text;
begin
    foreach owned in array array['calendar_connections', 'task_calendar_events'] loop
        execute format('create policy "Users see own %s" on %I for select to authenticated using (auth.uid() = user_id)', replace(owned, '_', ' '), owned);
        execute format('create trigger touch_updated_at before update on %I for each row execute function touch_updated_at()', owned);
    end loop;

    foreach owned in array array[
        'calendar_connections', 'task_calendar_events', 'calendar_secrets', 'calendar_channels', 'calendar_authorizations', 'calendar_seen'
    ] loop
        execute format('alter table %I enable row level security', owned);
        execute format('create policy "Service role full access" on %I for all to service_role using (true) with check (true)', owned);
        -- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
        execute format('revoke all on %I from public, anon, authenticated', owned);
        execute format('grant select, insert, update, delete on %I to service_role', owned);
    end loop;

    foreach owned in array array['queue_calendar_sync(uuid)', 'queue_calendar_syncs(timestamptz)', 'task_event_follows()'] loop
        execute format('revoke execute on function %s from public, anon, authenticated', owned);
        execute format('grant execute on function %s to service_role', owned);
    end loop;
end
$$;
grant select on calendar_connections, task_calendar_events to authenticated;
