drop function prune_audit_log(timestamptz, int);
drop table audit_log;
