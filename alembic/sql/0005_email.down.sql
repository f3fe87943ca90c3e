drop table email_tracking_events, email_logs, email_links, email_recipients, webhook_signatures;
alter table emails drop column queue_job_id, drop column delivery_id, drop column message_id;
