drop trigger sms_insert on calendar_events;
drop trigger sms_update on calendar_events;
drop trigger sms_delete on calendar_events;
drop trigger sms_update on user_sms_preferences;
drop trigger sms_delete on user_sms_preferences;
drop trigger sms_move on users;
drop function sms_events_added, sms_events_changed, sms_events_deleted, sms_wishes_changed, sms_user_moved, users_with_planned_events,
    follow_reminders, sms_reminder_at, quiet_hours_end_at, is_quiet, refresh_sms_metrics;
drop materialized view sms_metrics;
drop table sms_planned_days, sms_delivery, sms_messages;
