// Which jobs a list is about: read from the address, and sent to the API.
import type { Values } from '../api';
import { words } from '../format';
import { typeLabel } from '../job-types';
import type { Query } from '../query';

export const AGES: Record<string, { label: string; seconds: number }> = {
  hour: { label: 'last hour', seconds: 3600 },
  day: { label: 'last 24 hours', seconds: 86400 },
  week: { label: 'last 7 days', seconds: 7 * 86400 },
};
const MINUTE = 60_000;

/** The filter as the API takes it. A time that moves with the clock moves a minute at a time, so that an unchanged list stays the same. */
export function filterOf(query: Query): Values {
  const age = AGES[query.added ?? ''];
  const after = age ? new Date(Math.floor(Date.now() / MINUTE) * MINUTE - age.seconds * 1000).toISOString() : instant(query.after);
  return { type: query.type, status: query.status, userId: query.user, text: query.text, after, before: instant(query.before) };
}

/** Whether every job is meant. */
export function isEmpty(filter: Values): boolean {
  return Object.values(filter).every(value => !value);
}

/** The filter in words. */
export function inWords(query: Query): string {
  const parts = [
    query.status ? words(query.status).toLowerCase() : '',
    query.type ? `“${typeLabel(query.type)}”` : '',
    'jobs',
    query.user ? 'of one user' : '',
    query.text ? `with “${query.text}”` : '',
    AGES[query.added ?? ''] ? `added in the ${AGES[query.added!]!.label}` : '',
    query.after ? `added from ${query.after.replace('T', ' ')} on` : '',
    query.before ? `added before ${query.before.replace('T', ' ')}` : '',
  ];
  return parts.filter(Boolean).join(' ');
}

/** What a field for local date and time holds, as an instant; undefined for none. */
function instant(local: string | undefined): string | undefined {
  const at = local ? new Date(local) : undefined;
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined;
}
