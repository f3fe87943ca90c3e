-- Phases of projects, and what was found out about new users (CONTRACT 8.5, 8.6, 9).

create table phases (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    project_id uuid not null references projects on delete cascade,
    name text not null,
    description text,
    "order" int not null check ("order" >= 1),      -- within the project, from 1
    start_date date,                                -- first and last day, in the user's zone
    end_date date check (end_date >= start_date),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (project_id, "order")
);
create index phases_user_id_idx on phases (user_id);

create table phase_tasks (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    phase_id uuid not null references phases on delete cascade,
    task_id uuid not null unique references tasks on delete cascade, -- a task is in one phase at most
    "order" int not null check ("order" >= 1),      -- within the phase, from 1; nothing precedes what it depends on
    estimated_minutes int check (estimated_minutes > 0),
    suggested_start_date timestamptz,
    suggested_end_date timestamptz check (suggested_end_date >= suggested_start_date),
    assignment_reason text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index phase_tasks_phase_id_idx on phase_tasks (phase_id, "order");
create index phase_tasks_user_id_idx on phase_tasks (user_id, suggested_end_date);

-- How a project's phases came about, one row a run.
create table phase_generations (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    project_id uuid not null references projects on delete cascade,
    queue_job_id uuid not null unique,              -- a job that runs again finds its own work
    planned_by text not null check (planned_by in ('model', 'dependencies')),
    llm_model text,
    scheduling_method text not null,
    summary text,
    notes jsonb not null default '{}',              -- what was odd: unknown, doubled and left out tasks, circles, moved ones, late ones
    phase_count int not null,
    backlog_count int not null,
    created_at timestamptz not null default now()
);
create index phase_generations_project_id_idx on phase_generations (project_id, created_at desc);
create index phase_generations_user_id_idx on phase_generations (user_id);

create table onboarding_analysis (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    queue_job_id uuid not null unique,              -- a job that runs again finds its own work
    user_context jsonb not null default '{}',       -- what the user told
    analyzed_by text not null check (analyzed_by in ('model', 'rules')),
    llm_model text,
    summary text,
    insights jsonb not null default '[]',
    workflow_suggestions jsonb not null default '[]',
    recommended_features jsonb not null default '[]',
    adhd_practices jsonb not null default '[]',
    questions jsonb not null default '[]',
    notes jsonb not null default '{}',
    completed_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index onboarding_analysis_user_id_idx on onboarding_analysis (user_id, completed_at desc);

do $$
declare
    owned text;
begin
    foreach owned in array array['phases', 'phase_tasks', 'phase_generations', 'onboarding_analysis'] loop
        execute format('alter table %I enable row level security', owned);
        execute format('create policy "Users see own %s" on %I for select to authenticated using (auth.uid() = user_id)', replace(owned, '_', ' '), owned);
        execute format('create policy "Service role full access" on %I for all to service_role using (true) with check (true)', owned);
        -- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
        execute format('revoke all on %I from public, anon, authenticated', owned);
        execute format('grant select on %I to authenticated', owned);
        execute format('grant select, insert, update, delete on %I to service_role', owned);
    end loop;

    foreach owned in array array['phases', 'phase_tasks', 'onboarding_analysis'] loop
        execute format('create trigger touch_updated_at before update on %I for each row execute function touch_updated_at()', owned);
    end loop;
end
$$;

select feed_table('phases');
select feed_table('onboarding_analysis');
