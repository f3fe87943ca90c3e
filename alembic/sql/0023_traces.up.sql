-- The W3C trace context of whoever added the job. A client sets it for its transaction: `set local buildos.traceparent = '00-…'`.
alter table queue_jobs add column traceparent text;
alter table queue_jobs alter column traceparent
    set default substring(current_setting('buildos.traceparent', true) from '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');
