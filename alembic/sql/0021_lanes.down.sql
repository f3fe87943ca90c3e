drop index if exists idx_queue_jobs_dispatched, idx_queue_jobs_processing_by_user, idx_queue_jobs_scheduled_by_lane;
alter table queue_jobs drop column lane;
