-- What a feature keeps of a job ends with it, whoever cancels: what is still waiting then says so. What has gone, or may have, is left
-- to whoever finds out.

create function metadata_id(p_metadata jsonb, p_key text) returns uuid
language sql immutable parallel safe set search_path = public, pg_temp
as $$
    select case when p_metadata ->> p_key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (p_metadata ->> p_key)::uuid end
$$;

create or replace function note_cancelled_job() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    why constant text := 'its job was cancelled';
    carried uuid;
    may_have_gone boolean;
begin
    if new.job_type = 'generate_daily_brief' then
        update daily_briefs set generation_status = 'failed', generation_error = 'cancelled'
        where user_id = new.user_id and queue_job_id = new.id and generation_status = 'processing';
    elsif new.job_type = 'process_brain_dump' then
        update brain_dumps set status = 'cancelled', error = why
        where queue_job_id = new.id and status in ('processing', 'failed');
    elsif new.job_type = 'send_notification' then
        update notification_deliveries set reason = why where queue_job_id = new.id and status = 'failed';
    elsif new.job_type = 'send_sms' then
        update sms_messages set status = 'cancelled', reason = why
        where user_id = new.user_id and status in ('pending', 'sending')
          and (queue_job_id = new.id or queue_job_id is null and id = metadata_id(new.metadata, 'message_id'));
        may_have_gone := exists (
            select from sms_messages m join sms_delivery d on d.message_id = m.id where m.queue_job_id = new.id and d.status <> 'failed'
        );
    elsif new.job_type in ('generate_brief_email', 'send_email', 'send_notification_email') then
        -- One that is being sent may be another job's by now.
        update emails e set status = 'cancelled'
        where e.user_id = new.user_id and (e.queue_job_id = new.id or e.id = metadata_id(new.metadata, 'emailId'))
          and (e.status = 'pending' or e.status = 'sending' and new.id = (
              select l.queue_job_id from email_logs l where l.email_id = e.id order by l.created_at desc, l.id desc limit 1
          ));
        may_have_gone := exists (
            select from emails e join email_logs l on l.email_id = e.id
            where (e.queue_job_id = new.id or e.id = metadata_id(new.metadata, 'emailId')) and l.status in ('handing_over', 'sent', 'unknown')
        );
    end if;
    carried := metadata_id(new.metadata, 'deliveryId');
    if carried is not null and not may_have_gone then
        update notification_deliveries set status = 'failed', reason = why, sent_at = null
        where id = carried and user_id = new.user_id and status = 'sent' and sent_by in ('email', 'sms');
    end if;
    return null;
end
$$;

-- What waits for a job that was cancelled before.
update sms_messages m set status = 'cancelled', reason = 'its job was cancelled'
where m.status in ('pending', 'sending') and exists (select from queue_jobs q where q.id = m.queue_job_id and q.status = 'cancelled');

-- Who deletes a user means his work too: what runs is stopped, what waits never runs, and the history says why.
create function cancel_jobs_of_user() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform set_config('buildos.message', 'the user was deleted', true);
    update queue_jobs set status = 'cancelled' where user_id = old.id and status in ('pending', 'processing', 'retrying');
    perform set_config('buildos.message', '', true);
    return old;
end
$$;
create trigger cancel_jobs before delete on users for each row execute function cancel_jobs_of_user();

do $$
declare
    ours text;
begin
    for ours in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname in ('metadata_id', 'cancel_jobs_of_user')
    loop
        execute format('revoke execute on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
