// The chosen user's one connection: every page and the stack of notifications hear of changes through it.
import { effect, signal, untracked } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { access, token, userId } from '../access';
import { ApiError, get } from '../api';
import { Realtime, Rows, type Change, type Connection, type Row, type Status } from '../realtime';

export interface Job extends Row {
  queue_job_id: string;
  user_id: string;
  job_type: string;
  status: 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'retrying';
  scheduled_for: string;
  created_at: string;
  completed_at: string | null;
  attempts: number;
  max_attempts: number;
  metadata: Record<string, unknown> & { generation_progress?: { step?: string } };
  result: Record<string, unknown> | null;
  error: string | null;
  progress: { current: number; total: number; message: string };
}

export interface Profile {
  id: string;
  email: string;
  name: string | null;
  timezone: string;
  today: string;
}

type Hearing = (changes: Change[]) => void;
type Telling = (name: string, payload: Record<string, unknown>) => void;

/** How the connection is; `since` is when it became so, in milliseconds since 1970. */
export const connection = signal<{ status: Status; reason: string; since: number }>({ status: 'connecting', reason: '', since: Date.now() });
/** The user's own connections, in this tab and elsewhere. */
export const presence = signal<Connection[]>([]);
/** The latest jobs of the user, and all that changed since. */
export const jobs = signal<Job[]>([]);
/** Who the user is; null until the API has said so. */
export const profile = signal<Profile | null>(null);

const LATEST = 50; // jobs looked at when the page is opened
const AGAIN = 5_000; // milliseconds until what could not be loaded is asked for again
const hearing = new Set<Hearing>();
const telling = new Set<Telling>();
const reloading = new Set<() => void>();
let live: Realtime | undefined;

/** Hear of changes, of named events, and that everything has to be loaded again. Returns how to stop. */
export function listen(heard: { changes?: Hearing; event?: Telling; reload?: () => void }): () => void {
  if (heard.changes) hearing.add(heard.changes);
  if (heard.event) telling.add(heard.event);
  if (heard.reload) reloading.add(heard.reload);
  return () => {
    if (heard.changes) hearing.delete(heard.changes);
    if (heard.event) telling.delete(heard.event);
    if (heard.reload) reloading.delete(heard.reload);
  };
}

/** Try at once to get the connection back. */
export function reconnect(): void {
  live?.retry();
}

/**
 * Keep a connection for whoever is chosen, for as long as the console is open. `follow` is called before each connection, so that
 * it hears the first change; it returns how to stop.
 */
export function startSession(follow: (userId: string) => () => void): () => void {
  return effect(() => {
    const id = userId.value;
    token.value; // another token is another connection
    const known = access.value !== null && access.value.caller !== 'anonymous';
    if (!id || !known) return;
    const stop = untracked(() => follow(id));
    const started = untracked(() => begin(id));
    return () => {
      started.close();
      stop();
    };
  });
}

function begin(id: string): Realtime {
  const rows = new Rows<Job>('queue_jobs');
  const mine = (live = new Realtime({ userId: id, token: () => token.peek() || undefined }));
  connection.value = { status: 'connecting', reason: '', since: Date.now() };
  presence.value = [];
  jobs.value = [];
  profile.value = null;

  const settle = async () => {
    const latest = get<{ jobs: Job[] }>(`/users/${id}/jobs`, { limit: LATEST }).then(answer => answer.jobs);
    const [who] = await Promise.all([get<Profile>(`/users/${id}`), rows.load(latest)]);
    if (live !== mine || mine.status === 'closed') return;
    profile.value = who;
    jobs.value = rows.all;
    reloading.forEach(reload => reload());
  };
  // Pages say for themselves what they could not load. A lost connection comes back with all of it; one that stays asks again.
  let later: ReturnType<typeof setTimeout> | undefined;
  const retell = () => {
    clearTimeout(later);
    if (live !== mine || mine.status === 'closed') return;
    settle().catch(error => {
      const refused = error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (mine.status === 'online' && !refused) later = setTimeout(retell, AGAIN);
    });
  };
  mine.on('status', (status, reason) => {
    if (live !== mine) return;
    connection.value = { status, reason, since: Date.now() };
    if (status === 'online') retell();
  });
  mine.on('changes', changes => {
    if (rows.apply(changes)) jobs.value = rows.all;
    hearing.forEach(hear => hear(changes));
  });
  mine.on('event', (name, payload) => telling.forEach(tell => tell(name, payload)));
  mine.on('reload', retell);
  mine.on('presence', found => live === mine && (presence.value = found));
  return mine;
}

const TOGETHER = 120; // milliseconds in which changes make one look

/** Call `refresh` soon after a row of these tables has changed, or anything may have. */
export function useChanges(tables: string[], refresh: () => void): void {
  const latest = useRef(refresh);
  latest.current = refresh;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        latest.current();
      }, TOGETHER);
    };
    const stop = listen({ changes: changes => changes.some(change => tables.includes(change.table)) && soon(), reload: soon });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [tables.join()]);
}
