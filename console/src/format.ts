// How values are written for people, everywhere the same.

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const dayAndMinute = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long' });

/** 12,345; from 100,000 on 123.5K. */
export function count(value: number): string {
  return Math.abs(value) < 100_000 ? whole.format(value) : short.format(value);
}

/** Seconds as 12 ms, 3.4 s, 5 min 6 s, 2 h 5 min, 3 d 4 h. */
export function duration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  return Math.floor(seconds % 60) ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${minutes} min`;
}

/** The seconds between two ISO times; undefined where one is missing. */
export function between(from: string | null | undefined, to: string | null | undefined): number | undefined {
  return from && to ? (Date.parse(to) - Date.parse(from)) / 1000 : undefined;
}

/** 5 s ago, in 3 min, now. */
export function ago(time: string, now: number): string {
  const seconds = (now - Date.parse(time)) / 1000;
  if (Math.abs(seconds) < 1.5) return 'now';
  const rough = roughly(Math.abs(seconds));
  return seconds > 0 ? `${rough} ago` : `in ${rough}`;
}

function roughly(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** 14:05:09 today, 3 Nov, 14:05 on another day. */
export function moment(time: string | number): string {
  const at = new Date(time);
  return at.toDateString() === new Date().toDateString() ? clock.format(at) : dayAndMinute.format(at);
}

export const hourAndMinute = (time: string | number): string => minute.format(new Date(time));
export const exactly = (time: string | number): string => full.format(new Date(time));

/** generate_daily_brief → Generate daily brief. */
export function words(name: string): string {
  const text = name.replace(/[_.-]+/g, ' ').trim();
  return (text.charAt(0).toUpperCase() + text.slice(1)).replace(/\b(sms|api)\b/gi, found => found.toUpperCase());
}

export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}
