do $$
declare
    owned text;
    ours text;
begin
    foreach owned in array array['sms_messages', 'sms_delivery', 'sms_planned_days'] loop
        execute format('alter table %I enable row level security', owned);
        execute format('create policy %I on %I for select to authenticated using (auth.uid() = user_id)',
                       case owned when 'sms_messages' then 'Users can view own SMS' else 'Users see own ' || replace(owned, '_', ' ') end, owned);
        execute format('create policy "Service role full access" on %I for all to service_role using (true) with check (true)', owned);
        -- Supabase grants everything on a new table to everybody; row-level security does not cover TRUNCATE.
        execute format('revoke all on %I from public, anon, authenticated', owned);
        execute format('grant select on %I to authenticated', owned);
        execute format('grant select, insert, update, delete on %I to service_role', owned);
    end loop;

    foreach owned in array array['sms_messages', 'sms_delivery'] loop
        execute format('create trigger touch_updated_at before update on %I for each row execute function touch_updated_at()', owned);
    end loop;

    for ours in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = any(array[
            'refresh_sms_metrics', 'is_quiet', 'quiet_hours_end_at', 'sms_reminder_at', 'follow_reminders', 'users_with_planned_events',
            'sms_events_added', 'sms_events_changed', 'sms_events_deleted', 'sms_wishes_changed', 'sms_user_moved'
        ])
    loop
        execute format('revoke execute on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;

-- A view of everybody's messages: row-level security does not reach it.
revoke all on sms_metrics from public, anon, authenticated;
grant select on sms_metrics to service_role;
