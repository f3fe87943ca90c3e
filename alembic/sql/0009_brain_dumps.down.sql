drop trigger note_cancelled on queue_jobs;
drop function note_cancelled_job();
drop table brain_dumps;
