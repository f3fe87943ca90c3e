-- Brain dumps: the text as it was given, what was made of it, what became of that (CONTRACT 8.8, 9).
--
--   processing ──► proposed ──► applied
--        ├───────────────────────► applied      (auto_accept)
--        ├──► failed ──► processing             (the next attempt of a job)
--        └──► cancelled                         (the client went away, or the job was cancelled)

create table brain_dumps (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    project_id uuid references projects on delete set null, -- the one the user named
    queue_job_id uuid unique,                       -- the job that works on it; null: it came over the stream
    text text not null,                             -- to the letter
    auto_accept boolean not null default false,
    status text not null default 'processing' check (status in ('processing', 'proposed', 'applied', 'failed', 'cancelled')),
    summary text,
    operations jsonb not null default '[]',
    plan_source text check (plan_source in ('model', 'rules')),
    plan_reason text,                               -- why no model made the plan
    llm_model text,
    result jsonb,                                   -- what each operation did; set once, with `applied`
    error text,
    started_at timestamptz not null default now(),
    proposed_at timestamptz,
    applied_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check ((status = 'applied') = (result is not null))
);
create index brain_dumps_user_id_idx on brain_dumps (user_id, created_at desc);
create index brain_dumps_project_id_idx on brain_dumps (project_id);

alter table brain_dumps enable row level security;
create policy "Users see own brain dumps" on brain_dumps for select to authenticated using (auth.uid() = user_id);
create policy "Service role full access" on brain_dumps for all to service_role using (true) with check (true);
-- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
revoke all on brain_dumps from public, anon, authenticated;
grant select on brain_dumps to authenticated;
grant select, insert, update, delete on brain_dumps to service_role;
create trigger touch_updated_at before update on brain_dumps for each row execute function touch_updated_at();
select feed_table('brain_dumps');

-- A running job that is cancelled may be killed before it can say so: whoever cancels it takes down the sign "is being made".
create function note_cancelled_job() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if new.job_type = 'generate_daily_brief' then
        update daily_briefs set generation_status = 'failed', generation_error = 'cancelled'
        where user_id = new.user_id and queue_job_id = new.id and generation_status = 'processing';
    elsif new.job_type = 'process_brain_dump' then
        update brain_dumps set status = 'cancelled', error = 'its job was cancelled'
        where queue_job_id = new.id and status in ('processing', 'failed');
    end if;
    return null;
end
$$;
revoke execute on function note_cancelled_job() from public, anon, authenticated;
grant execute on function note_cancelled_job() to service_role;

create trigger note_cancelled after update on queue_jobs
    for each row when (old.status <> 'cancelled' and new.status = 'cancelled') execute function note_cancelled_job();
