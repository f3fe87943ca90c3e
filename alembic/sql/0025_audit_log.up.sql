-- What is done with the service key (CONTRACT 10): who, when, what, on what, with which outcome. Rows are added and read; to change or
-- remove one takes the owner of the table.
create table audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(), -- when it was asked for
    actor text not null,                            -- whose key: `service key`
    address text,                                   -- where the request came from
    action text not null,                           -- the endpoint: `POST /jobs/<job_id>/cancel`
    target text not null,                           -- the path as it was asked for
    details jsonb not null default '{}',            -- what the request names, as {userId}; never what it carries
    status int not null                             -- of the answer
);
create index audit_log_at_idx on audit_log (at, id);
create index audit_log_user_idx on audit_log ((details ->> 'userId'), at) where details ? 'userId';

alter table audit_log enable row level security;
create policy "Service role reads" on audit_log for select to service_role using (true);
create policy "Service role adds" on audit_log for insert to service_role with check (true);
revoke all on audit_log from public, anon, authenticated, service_role;
revoke all on sequence audit_log_id_seq from public, anon, authenticated;
grant select, insert on audit_log to service_role;

-- Removes what is older than an instant, at most `p_limit` rows; the last 30 days stay, whoever asks. Returns how many went.
create function prune_audit_log(p_before timestamptz, p_limit int) returns int
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    pruned int;
begin
    delete from audit_log where id in (
        select id from audit_log where at < least(p_before, clock_timestamp() - interval '30 days')
        order by at, id limit p_limit for update skip locked
    );
    get diagnostics pruned = row_count;
    return pruned;
end
$$;
revoke execute on function prune_audit_log(timestamptz, int) from public, anon, authenticated;
grant execute on function prune_audit_log(timestamptz, int) to service_role;
