drop table activity_log, emails, daily_briefs, calendar_events, calendar_series, notes, task_dependencies, tasks, projects,
    user_sms_preferences, user_brief_preferences, users cascade;
drop function touch_updated_at();
