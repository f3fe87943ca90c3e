drop trigger feed_insert on notifications;
drop trigger feed_update on notifications;
drop trigger feed_delete on notifications;
drop index notifications_once_key;
