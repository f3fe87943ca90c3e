-- What browsers were told of connections has nothing to be loaded from any more.
delete from row_events where table_name = 'realtime_connections';
drop table realtime_connections, realtime_servers;
