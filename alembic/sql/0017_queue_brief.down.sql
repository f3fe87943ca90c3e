drop function queue_brief_job;
