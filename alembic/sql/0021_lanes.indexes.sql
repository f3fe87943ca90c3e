-- Beside the old ones, which the next version swaps for them. A try that was broken off leaves an index that is not valid.
drop index concurrently if exists idx_queue_jobs_scheduled_by_lane;
create index concurrently idx_queue_jobs_scheduled_by_lane on queue_jobs (job_type, priority, lane, scheduled_for) where status = 'pending';
drop index concurrently if exists idx_queue_jobs_processing_by_user;
create index concurrently idx_queue_jobs_processing_by_user on queue_jobs (job_type, user_id) where status = 'processing';
drop index concurrently if exists idx_queue_jobs_dispatched;
create index concurrently idx_queue_jobs_dispatched on queue_jobs (job_type, user_id) where status = 'pending' and dispatched_at is not null;
