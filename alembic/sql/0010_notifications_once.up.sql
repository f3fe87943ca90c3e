-- News that comes to the app twice, by itself and where every push failed, is shown once: the same event, of the same flow, saying the same.
delete from notifications n using notifications o
where n.user_id = o.user_id and n.correlation_id = o.correlation_id and n.event_type = o.event_type and n.payload = o.payload
  and (n.created_at, n.id) > (o.created_at, o.id);
create unique index notifications_once_key on notifications (user_id, correlation_id, event_type, md5(payload::text));

-- What one page has read, the others hear of.
select feed_table('notifications');
