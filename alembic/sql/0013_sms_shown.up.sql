-- Browsers hear of text messages; preferences that were deleted and come back plan the days again that were planned before.

select feed_table('sms_messages');

create function sms_wishes_added() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    touched uuid[];
begin
    select array_agg(distinct n.user_id) into touched
    from after_change n join sms_planned_days d on d.user_id = n.user_id
    where wants_event_sms(n);
    if touched is not null then
        perform follow_reminders(touched);
    end if;
    return null;
end
$$;
revoke execute on function sms_wishes_added() from public, anon, authenticated;
grant execute on function sms_wishes_added() to service_role;

create trigger sms_insert after insert on user_sms_preferences
    referencing new table as after_change for each statement execute function sms_wishes_added();
