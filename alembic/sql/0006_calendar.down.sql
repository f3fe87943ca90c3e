drop trigger calendar_follows on tasks;
drop trigger calendar_leaves on tasks;
drop function task_event_follows(), queue_calendar_syncs(timestamptz), queue_calendar_sync(uuid);
drop table task_calendar_events, calendar_seen, calendar_authorizations, calendar_channels, calendar_secrets;
-- Without their connection nobody would ever bring these up to date.
delete from calendar_events where connection_id is not null;
delete from calendar_series where connection_id is not null;
alter table calendar_events drop column connection_id;
alter table calendar_series drop column connection_id;
drop table calendar_connections;
