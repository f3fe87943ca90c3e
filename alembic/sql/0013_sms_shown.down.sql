drop trigger sms_insert on user_sms_preferences;
drop function sms_wishes_added;
drop trigger feed_insert on sms_messages;
drop trigger feed_update on sms_messages;
drop trigger feed_delete on sms_messages;
