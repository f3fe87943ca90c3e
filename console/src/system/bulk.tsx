import { useState } from 'preact/hooks';
import { send, type Values } from '../api';
import { count, plural } from '../format';
import type { Query } from '../query';
import { useAttempt } from '../toasts';
import { Confirm } from '../ui/dialog';
import { inWords, isEmpty } from './job-filter';

type Action = 'cancel' | 'retry';
interface Found { matched: number; eligible: number; changed: number; refused: number }
/** What was asked for, and of which jobs: the filter beside it may change before it is answered, or confirmed. */
interface Asked { action: Action; query: Query; filter: Values }

const WORDS = {
  cancel: { verb: 'Cancel', title: 'Cancel all that match?', done: 'cancelled', applies: 'that have not ended' },
  retry: { verb: 'Retry', title: 'Retry all that match?', done: 'queued again', applies: 'that failed or were cancelled' },
};

/** Something done to every job of the filter, not just to those on the page: counted first, then asked. */
export function Bulk({ query, filter, refresh }: { query: Query; filter: Values; refresh: () => void }) {
  const [asked, setAsked] = useState<(Asked & { found: Found }) | null>(null);
  const [busy, run] = useAttempt();

  const call = ({ action, filter }: Asked, dryRun: boolean) => {
    const wanted = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
    return send<Found>('POST', '/jobs/bulk', { action, dryRun, filter: isEmpty(filter) ? { all: true } : wanted });
  };
  const ask = (action: Action) => run(async () => {
    const what = { action, query, filter };
    setAsked({ ...what, found: await call(what, true) });
  });
  const go = (what: Asked) => run(async () => {
    const { changed, refused } = await call(what, false);
    setAsked(null);
    refresh();
    return `${plural(changed, 'job')} ${WORDS[what.action].done}.${refused ? ` ${count(refused)} could not be: it does not fit their type any more, or is being done already.` : ''}`;
  });

  return (
    <>
      <button type="button" disabled={busy} onClick={() => void ask('retry')}>Retry all that match…</button>
      <button type="button" class="danger" disabled={busy} onClick={() => void ask('cancel')}>Cancel all that match…</button>
      {asked && asked.found.eligible === 0 && (
        <Confirm title="There is nothing to do" verb="Close" onYes={() => setAsked(null)} onClose={() => setAsked(null)}>
          <p>{plural(asked.found.matched, 'job matches', 'jobs match')} ({inWords(asked.query)}), and none of them {asked.action === 'cancel' ? 'is still to end' : 'failed or was cancelled'}.</p>
        </Confirm>
      )}
      {asked && asked.found.eligible > 0 && (
        <Confirm
          title={WORDS[asked.action].title} verb={`${WORDS[asked.action].verb} ${plural(asked.found.eligible, 'job')}`} danger={asked.action === 'cancel'} busy={busy}
          onYes={() => void go(asked)} onClose={() => setAsked(null)}
        >
          <p><b>{plural(asked.found.eligible, 'job')}</b> {WORDS[asked.action].applies}, of {plural(asked.found.matched, 'job that matches', 'jobs that match')}: all {inWords(asked.query)}, not just those on this page.</p>
          <p class="soft">{asked.action === 'cancel' ? 'What runs is stopped, what waits never begins. This cannot be taken back, but cancelled jobs can be retried.' : 'Each is queued as a new job; the old ones stay as they are.'}</p>
        </Confirm>
      )}
    </>
  );
}
