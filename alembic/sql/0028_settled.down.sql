drop trigger cancel_jobs on users;
drop function cancel_jobs_of_user();

create or replace function note_cancelled_job() returns trigger
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
drop function metadata_id(jsonb, text);
