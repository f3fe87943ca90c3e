-- The newest of those that did not go well, for the list of jobs. Nothing that completes pays for it.
drop index concurrently if exists idx_queue_jobs_unwell;
create index concurrently idx_queue_jobs_unwell on queue_jobs (id) where status in ('failed', 'cancelled');
