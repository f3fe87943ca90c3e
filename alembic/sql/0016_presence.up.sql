-- Presence: which connections of a user are online, on whichever server they are (CONTRACT 14).

-- Servers with such connections that are alive. One that dies leaves its row behind: the others delete it, and its connections with it.
create table realtime_servers (
    id uuid primary key,
    seen_at timestamptz not null default clock_timestamp()
);

create table realtime_connections (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    server_id uuid not null references realtime_servers on delete cascade,
    since timestamptz not null default clock_timestamp()
);
create index realtime_connections_user_id_idx on realtime_connections (user_id);
create index realtime_connections_server_id_idx on realtime_connections (server_id);

select feed_table('realtime_connections');

alter table realtime_servers enable row level security;
alter table realtime_connections enable row level security;
create policy "Users see own connections" on realtime_connections for select to authenticated using (auth.uid() = user_id);
create policy "Service role full access" on realtime_connections for all to service_role using (true) with check (true);
create policy "Service role full access" on realtime_servers for all to service_role using (true) with check (true);
revoke all on realtime_servers, realtime_connections from public, anon, authenticated;
grant select on realtime_connections to authenticated;
grant select, insert, update, delete on realtime_servers, realtime_connections to service_role;
