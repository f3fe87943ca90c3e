import { useState } from 'preact/hooks';
import { send, type Values } from '../api';
import { count, plural } from '../format';
import type { Query } from '../query';
import { attempt } from '../toasts';
import { Confirm } from '../ui/dialog';
import { inWords, isEmpty } from './job-filter';

type Action = 'cancel' | 'retry';
interface Found { matched: number; eligible: number; changed: number; refused: number }

const WORDS = {
  cancel: { verb: 'Cancel', title: 'Cancel all that match?', done: 'cancelled', applies: 'that have not ended' },
  retry: { verb: 'Retry', title: 'Retry all that match?', done: 'queued again', applies: 'that failed or were cancelled' },
};

/** Something done to every job of the filter, not just to those on the page: counted first, then asked. */
export function Bulk({ query, filter, refresh }: { query: Query; filter: Values; refresh: () => void }) {
  const [asked, setAsked] = useState<{ action: Action; found: Found } | null>(null);
  const [busy, setBusy] = useState(false);

  const call = (action: Action, dryRun: boolean) => {
    const wanted = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
    return send<Found>('POST', '/jobs/bulk', { action, dryRun, filter: isEmpty(filter) ? { all: true } : wanted });
  };
  const ask = (action: Action) => work(async () => setAsked({ action, found: await call(action, true) }));
  const go = ({ action }: { action: Action }) => work(async () => {
    const { changed, refused } = await call(action, false);
    setAsked(null);
    refresh();
    return `${plural(changed, 'job')} ${WORDS[action].done}.${refused ? ` ${count(refused)} could not be: what they are to do does not fit their type any more.` : ''}`;
  });
  const work = async (what: () => Promise<string | void>) => {
    setBusy(true);
    await attempt(what);
    setBusy(false);
  };

  return (
    <>
      <button type="button" disabled={busy} onClick={() => void ask('retry')}>Retry all that match…</button>
      <button type="button" class="danger" disabled={busy} onClick={() => void ask('cancel')}>Cancel all that match…</button>
      {asked && asked.found.eligible === 0 && (
        <Confirm title="There is nothing to do" verb="Close" onYes={() => setAsked(null)} onClose={() => setAsked(null)}>
          <p>{plural(asked.found.matched, 'job matches', 'jobs match')} ({inWords(query)}), and none of them {asked.action === 'cancel' ? 'is still to end' : 'failed or was cancelled'}.</p>
        </Confirm>
      )}
      {asked && asked.found.eligible > 0 && (
        <Confirm
          title={WORDS[asked.action].title} verb={`${WORDS[asked.action].verb} ${plural(asked.found.eligible, 'job')}`} danger={asked.action === 'cancel'} busy={busy}
          onYes={() => void go(asked)} onClose={() => setAsked(null)}
        >
          <p><b>{plural(asked.found.eligible, 'job')}</b> {WORDS[asked.action].applies}, of {plural(asked.found.matched, 'job that matches', 'jobs that match')}: all {inWords(query)}, not just those on this page.</p>
          <p class="soft">{asked.action === 'cancel' ? 'What runs is stopped, what waits never begins. This cannot be taken back, but cancelled jobs can be retried.' : 'Each is queued as a new job; the old ones stay as they are.'}</p>
        </Confirm>
      )}
    </>
  );
}
