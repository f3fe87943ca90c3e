-- The database itself keeps the state machine, the history and the feed, whoever writes (CONTRACT 2).

create function queue_setting(p_key text, p_default text) returns text
language sql stable set search_path = public, pg_temp
as $$ select coalesce((select value from queue_settings where key = p_key), p_default) $$;

create function is_terminal(p_status queue_status) returns boolean
language sql immutable parallel safe
as $$ select p_status in ('completed', 'failed', 'cancelled') $$;

create function guard_queue_job_insert() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if new.status <> 'pending' then
        raise exception 'a job starts as pending, not %', new.status using errcode = 'check_violation';
    end if;
    if new.user_id is null and new.job_type not in ('update_recurring_tasks', 'cleanup_old_data', 'other') then
        raise exception 'a % job needs a user', new.job_type using errcode = 'not_null_violation';
    end if;
    -- A plain insert needs no name of its own.
    new.queue_job_id := coalesce(new.queue_job_id, make_queue_job_id(new.job_type::text, new.user_id, new.metadata));
    return new;
end
$$;

create function guard_queue_job_update() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
declare
    moment timestamptz := clock_timestamp();
begin
    if new.status = old.status then
        if is_terminal(old.status) then
            raise exception 'job % is %: it stays as it is', old.queue_job_id, old.status using errcode = 'check_violation';
        end if;
    else
        if not (
            (old.status = 'pending' and new.status in ('processing', 'cancelled'))
            or (old.status = 'processing' and new.status in ('completed', 'failed', 'retrying', 'pending', 'cancelled'))
            or (old.status = 'retrying' and new.status in ('pending', 'cancelled'))
        ) then
            raise exception 'job % cannot go from % to %', old.queue_job_id, old.status, new.status
                using errcode = 'check_violation';
        end if;

        if new.status = 'processing' then
            if new.fencing_token <= old.fencing_token then
                new.fencing_token := old.fencing_token + 1;
            end if;
            new.started_at := moment;
            new.heartbeat_at := moment;
        elsif new.status in ('pending', 'retrying') then
            new.started_at := null;
            new.dispatched_at := null;
            new.dispatched_by := null;
        else
            new.processed_at := moment;
            if new.status = 'completed' then
                new.completed_at := moment;
            else
                new.dedup_lock := null;
            end if;
        end if;
    end if;

    if (new.id, new.queue_job_id, new.user_id, new.job_type, new.created_at)
        is distinct from (old.id, old.queue_job_id, old.user_id, old.job_type, old.created_at) then
        raise exception 'job % keeps its identity, user, type and birth', old.queue_job_id using errcode = 'check_violation';
    end if;

    -- Heartbeats and dispatch marks are ours alone: `updated_at` tells of what a user can see.
    if new.status <> old.status or new.priority <> old.priority or new.scheduled_for <> old.scheduled_for
        or new.metadata is distinct from old.metadata or new.result is distinct from old.result
        or new.error_message is distinct from old.error_message or new.attempts <> old.attempts then
        new.updated_at := moment;
    else
        new.updated_at := old.updated_at;
    end if;
    return new;
end
$$;

create function guard_queue_job_delete() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if not is_terminal(old.status) then
        raise exception 'job % is %: cancel it before it is deleted', old.queue_job_id, old.status
            using errcode = 'check_violation';
    end if;
    return old;
end
$$;

-- Truncating would take live jobs along and leave the counts wrong.
create function guard_queue_jobs_truncate() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if exists (select from queue_jobs) then
        raise exception 'queue_jobs is not truncated: delete what is finished' using errcode = 'check_violation';
    end if;
    return null;
end
$$;

create function wake(p_channel text, p_payload text) returns void
language plpgsql set search_path = public, pg_temp
as $$
begin
    if queue_setting('QUEUE_NOTIFY', 'true') = 'true' then
        perform pg_notify(p_channel, p_payload);
    end if;
end
$$;

-- History, feed and wake-ups: one statement each, however many rows a statement changed.
create function record_added_jobs() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into job_events (job_id, user_id, job_type, "to", attempt)
    select id, user_id, job_type, status, 0 from added;
    if found then
        perform wake('queue_jobs', 'due');
        perform wake('row_events', '');
    end if;
    return null;
end
$$;

-- Nothing is known of the two tables when this is planned, and the plan is kept: made for one row, a nested loop would compare each
-- of a thousand rows with each.
create function record_changed_jobs() returns trigger
language plpgsql security definer set search_path = public, pg_temp set enable_nestloop = off
as $$
declare
    due boolean;
    stopped boolean;
    seen boolean;
begin
    with change as materialized (
        select id, n.user_id, n.job_type, o.status as was, n.status, n.updated_at <> o.updated_at as visible,
               n.dispatched_at is null as undispatched,
               case when 'processing' in (o.status, n.status) then o.attempts + 1 else n.attempts end as attempt,
               case when 'processing' in (o.status, n.status) then n.worker end as worker,
               case when n.status in ('failed', 'retrying') then n.error_message end as error_message
        from after_change n join before_change o using (id)
    ), history as (
        insert into job_events (job_id, user_id, job_type, "from", "to", attempt, worker, message)
        select id, user_id, job_type, was, status, attempt, worker,
               coalesce(nullif(current_setting('buildos.message', true), ''), error_message)
        from change where was <> status
        returning 1
    ), feed as (
        insert into row_events (user_id, table_name, row_id, op)
        select user_id, 'queue_jobs', id, 'UPDATE' from change
        where was = status and visible and user_id is not null
        returning 1
    )
    select bool_or(status = 'pending' and undispatched or status = 'retrying'), bool_or(status = 'cancelled' and was = 'processing'),
           exists (select from history) or exists (select from feed)
    into due, stopped, seen
    from change;
    if seen then
        if due then
            perform wake('queue_jobs', 'due');
        end if;
        if stopped then
            perform wake('queue_jobs', 'cancelled');
        end if;
        perform wake('row_events', '');
    end if;
    return null;
end
$$;

create function record_deleted_jobs() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into job_events (job_id, user_id, job_type, "from", attempt)
    select id, user_id, job_type, status, attempts from deleted;
    if found then
        perform wake('row_events', '');
    end if;
    return null;
end
$$;

create trigger guard_insert before insert on queue_jobs for each row execute function guard_queue_job_insert();
create trigger guard_update before update on queue_jobs for each row execute function guard_queue_job_update();
create trigger guard_delete before delete on queue_jobs for each row execute function guard_queue_job_delete();
create trigger guard_truncate before truncate on queue_jobs for each statement execute function guard_queue_jobs_truncate();
create trigger record_added after insert on queue_jobs
    referencing new table as added for each statement execute function record_added_jobs();
create trigger record_changed after update on queue_jobs
    referencing old table as before_change new table as after_change for each statement execute function record_changed_jobs();
create trigger record_deleted after delete on queue_jobs
    referencing old table as deleted for each statement execute function record_deleted_jobs();

-- The same feed for other tables that have `id` and `user_id`: attach with `select feed_table('name')`.
create function record_row_changes() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if tg_op = 'DELETE' then
        insert into row_events (user_id, table_name, row_id, op)
        select user_id, tg_table_name, id, tg_op from before_change;
    else
        insert into row_events (user_id, table_name, row_id, op)
        select user_id, tg_table_name, id, tg_op from after_change;
    end if;
    if found then
        perform wake('row_events', '');
    end if;
    return null;
end
$$;

create function feed_table(p_table text) returns void
language plpgsql set search_path = public, pg_temp
as $$
begin
    execute format('create trigger feed_insert after insert on %I referencing new table as after_change '
                   'for each statement execute function record_row_changes()', p_table);
    execute format('create trigger feed_update after update on %I referencing new table as after_change '
                   'for each statement execute function record_row_changes()', p_table);
    execute format('create trigger feed_delete after delete on %I referencing old table as before_change '
                   'for each statement execute function record_row_changes()', p_table);
end
$$;

select feed_table('daily_briefs');
