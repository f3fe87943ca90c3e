drop function put_off_queue_job(uuid, bigint, text, double precision);
