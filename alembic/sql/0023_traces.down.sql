alter table queue_jobs drop column traceparent;
