import { useQuery } from '../query';
import { Icon } from '../ui/icon';
import { isDay, shift, today } from './days';
import { profile } from './session';

/** The day that the address names, else today where the user is; and how to go to another one. */
export function useDay(): [day: string | undefined, go: (day: string) => void] {
  const [query, change] = useQuery();
  const now = profile.value && today(profile.value.timezone);
  const day = isDay(query.date) ? query.date : now ?? undefined;
  return [day, to => change({ date: to === now ? null : to })];
}

/** A day back, a day on, any day, today. */
export function DaySwitch({ day, go }: { day: string; go: (day: string) => void }) {
  const now = profile.value ? today(profile.value.timezone) : undefined;
  return (
    <div class="day-switch" role="group" aria-label="Day">
      <button type="button" aria-label="The day before" onClick={() => go(shift(day, -1))}><Icon name="left" /></button>
      <input type="date" aria-label="Day" value={day} required onChange={event => isDay(event.currentTarget.value) && go(event.currentTarget.value)} />
      <button type="button" aria-label="The day after" onClick={() => go(shift(day, 1))}><Icon name="right" /></button>
      <button type="button" disabled={day === now} onClick={() => now && go(now)}>Today</button>
    </div>
  );
}
