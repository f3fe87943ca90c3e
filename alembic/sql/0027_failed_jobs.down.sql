drop index idx_queue_jobs_unwell;
