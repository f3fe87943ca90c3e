// Days and times of day in the user's own time zone. A day is written YYYY-MM-DD.

export function isDay(text: string | undefined): text is string {
  return /^\d{4}-\d{2}-\d{2}$/.test(text ?? '') && !Number.isNaN(Date.parse(`${text}T00:00Z`));
}

/** The day `by` days later. */
export function shift(day: string, by: number): string {
  const moved = new Date(`${day}T00:00Z`);
  moved.setUTCDate(moved.getUTCDate() + by);
  return moved.toISOString().slice(0, 10);
}

/** Which day it is now. */
export function today(timezone: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: timezone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date());
}

const long = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
const brief = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' });

/** Monday 23 November 2026. */
export function dayInWords(day: string): string {
  return long.format(new Date(`${day}T00:00Z`)).replace(',', '');
}

/** Mon 23 Nov. */
export function shortDay(day: string): string {
  return brief.format(new Date(`${day}T00:00Z`)).replace(',', '');
}

/** today, tomorrow, yesterday; else nothing. */
export function near(day: string, now: string): string | undefined {
  return { [now]: 'Today', [shift(now, 1)]: 'Tomorrow', [shift(now, -1)]: 'Yesterday' }[day];
}

/** 09:30 where the user is. */
export function clock(instant: string, timezone: string): string {
  return new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: timezone }).format(new Date(instant));
}

/** 9 Nov, 09:30 where the user is. */
export function dayAndClock(instant: string, timezone: string): string {
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', timeZone: timezone }).format(new Date(instant));
}
