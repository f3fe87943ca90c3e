drop function queue_brief_job;
drop index idx_queue_jobs_user_brief_dates, idx_queue_jobs_user_unfinished;

create or replace function time_zone_or_utc(p_timezone text) returns text
language sql stable set search_path = public, pg_temp
as $$ select coalesce((select name from time_zones where name = p_timezone), 'UTC') $$;
