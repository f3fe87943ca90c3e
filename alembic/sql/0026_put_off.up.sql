-- A run that cannot be now hands its job back: it is not charged an attempt, and due again after that many seconds.
create function put_off_queue_job(p_job_id uuid, p_fencing_token bigint, p_message text, p_seconds double precision) returns boolean
language plpgsql set search_path = public, pg_temp
as $$
declare
    changed boolean;
begin
    perform set_config('buildos.message', p_message, true);
    update queue_jobs
    set status = 'pending', lane = 0, scheduled_for = clock_timestamp() + make_interval(secs => greatest(0, p_seconds))
    where id = p_job_id and status = 'processing' and fencing_token = p_fencing_token;
    changed := found;
    perform set_config('buildos.message', '', true);
    return changed;
end
$$;
revoke execute on function put_off_queue_job(uuid, bigint, text, double precision) from public, anon, authenticated;
grant execute on function put_off_queue_job(uuid, bigint, text, double precision) to service_role;
