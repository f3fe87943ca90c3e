drop trigger schedule_insert on user_brief_preferences;
drop trigger schedule_update on user_brief_preferences;
drop trigger schedule_delete on user_brief_preferences;
drop trigger schedule_insert on user_sms_preferences;
drop trigger schedule_update on user_sms_preferences;
drop trigger schedule_delete on user_sms_preferences;
drop trigger schedule_move on users;
drop function
    brief_preferences_changed(),
    sms_preferences_changed(),
    user_moved(),
    apply_schedule_changes(),
    reschedule_briefs(uuid[], timestamptz),
    reschedule_daily_sms(uuid[], timestamptz),
    move_scheduled_job(uuid, timestamptz, jsonb),
    waiting_scheduled_jobs(queue_type, int, uuid[]),
    check_and_schedule_daily_sms(timestamptz),
    queue_daily_sms(uuid[], timestamptz, timestamptz, timestamptz),
    wants_event_sms(user_sms_preferences),
    check_and_schedule_briefs(timestamptz),
    queue_briefs(uuid[], timestamptz, timestamptz, timestamptz),
    covered_until(schedule_runs, timestamptz),
    hold_schedule(text, uuid[]),
    end_tick(text, timestamptz, timestamptz, int),
    begin_tick(text, timestamptz),
    iso_utc(timestamptz),
    engagement_step(int),
    next_brief_run(text, time, int, text, timestamptz),
    local_dates(text, timestamptz, timestamptz, timestamptz),
    brief_runs(text, time, int, text, timestamptz, timestamptz),
    local_to_utc(timestamp, text),
    with_offset_of(timestamp, text, timestamptz),
    time_zone_or_utc(text),
    refresh_time_zones();
drop index idx_queue_jobs_user_briefs;
drop table brief_engagement, schedule_changes, schedule_runs, time_zones;
