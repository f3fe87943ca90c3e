// What the stack of notifications holds: kept for the tab, so that it is there again after a reload, and nothing appears twice.
import { signal } from '@preact/signals';
import { ApiError, get, send } from '../api';
import { jobs, listen, profile, type Job } from './session';
import { dayAndClock, shortDay } from './days';
import { KINDS, LIVE, pageOf } from './work';

export interface Notice {
  /** The uuid of a job, or of what was told. */
  key: string;
  /** The job's name, where it is about one. */
  jobId: string | null;
  /** The job's type, or the type of what was told. */
  type: string;
  title: string;
  message: string;
  status: 'waiting' | 'processing' | 'success' | 'error' | 'cancelled' | 'told';
  /** 0 to 100, of a job. */
  percent: number;
  step: string | null;
  view: string | null;
  correlationId: string | null;
  /** When it came, in milliseconds since 1970. */
  at: number;
  /** When it closes by itself, in milliseconds since 1970; null: not before somebody closes it. */
  closesAt: number | null;
  /** When its job changed last, as the API says it: an older state never replaces a newer one. */
  version: string;
}

interface Kept {
  notices: Notice[];
  /** Keys of those that were closed; the oldest are forgotten. */
  closed: string[];
  /** The one that is shown large. */
  expanded: string | null;
}

export const MOST_SHOWN = 5;
/** How long good news stay, in milliseconds. */
export const CLOSES_AFTER = 10_000;
const SOON = 60_000; // a job that is due later than this is nobody's wait
const MOST_CLOSED = 300;
const NOTHING: Kept = { notices: [], closed: [], expanded: null };

export const stack = signal<Kept>(NOTHING);
/** What a screen reader says next. */
export const announced = signal('');

let owner: string | null = null;

/** Show what this tab kept for a user, and follow that user's jobs. Returns how to stop. */
export function followNotices(userId: string): () => void {
  owner = userId;
  stack.value = kept(userId);
  const stop = listen({
    changes: changes => changes.forEach(change => change.table === 'queue_jobs' && change.type !== 'DELETE' && noteJob(change.row as Job, true)),
    event: (name, payload) => name === 'notification' && noteTold(payload),
    reload: () => void catchUp(userId),
  });
  return () => {
    stop();
    owner = null;
    stack.value = NOTHING;
  };
}

/** What became of the jobs while nobody looked: the latest are known already, those behind them are asked for. */
async function catchUp(userId: string): Promise<void> {
  const latest = jobs.peek();
  const listed = new Set(latest.map(job => job.id));
  const others = stack.peek().notices.filter(notice => notice.jobId && LIVE_NOTICE.has(notice.status) && !listed.has(notice.key));
  for (const job of [...latest].reverse()) noteJob(job, false);
  await Promise.all(others.map(async notice => {
    try {
      const job = await get<Job>(`/jobs/${notice.key}`);
      if (owner === userId) noteJob(job, false);
    } catch (error) {
      // A job that is gone has no more to say; of one that could not be asked after the next connection asks again.
      if (owner === userId && error instanceof ApiError && error.status === 404) close(notice.key);
    }
  }));
}

const LIVE_NOTICE = new Set(['waiting', 'processing']);

/** Show a job's state. One that has ended is shown when it is `news`, or was shown before. */
function noteJob(job: Job, news: boolean): void {
  const kind = KINDS[job.job_type];
  if (!kind || stack.value.closed.includes(job.id)) return;
  const known = stack.value.notices.find(notice => notice.key === job.id);
  if (known && (known.version >= String(job.updated_at) || !LIVE_NOTICE.has(known.status))) return;
  const live = LIVE.has(job.status);
  if (!known && (live ? Date.parse(job.scheduled_for) > Date.now() + SOON : !news)) return;
  const notice = shown(job, known);
  put(notice);
  if (known?.status !== notice.status) announced.value = `${notice.title}${notice.status === 'error' ? `: ${notice.message}` : ''}`;
}

function shown(job: Job, known: Notice | undefined): Notice {
  const kind = KINDS[job.job_type]!;
  const status = ({ pending: 'waiting', retrying: 'waiting', processing: 'processing', completed: 'success', failed: 'error', cancelled: 'cancelled' } as const)[job.status];
  const title = { waiting: kind.doing, processing: kind.doing, success: kind.done, error: kind.failed, cancelled: 'Cancelled' }[status];
  const ended = status === 'success' || status === 'cancelled';
  return {
    key: job.id,
    jobId: job.queue_job_id,
    type: job.job_type,
    title,
    message: words(job),
    status,
    percent: status === 'success' ? 100 : Math.max(job.progress.current, known?.percent ?? 0),
    step: job.metadata.generation_progress?.step ?? null,
    view: kind.view?.(job) ?? null,
    correlationId: String(job.metadata.correlationId ?? job.id),
    at: known?.at ?? Date.now(),
    closesAt: ended ? Date.now() + CLOSES_AFTER : null,
    version: String(job.updated_at),
  };
}

function words(job: Job): string {
  if (job.status === 'pending') return 'Waiting for a free worker';
  if (job.status === 'retrying') {
    const when = dayAndClock(job.scheduled_for, profile.value?.timezone ?? 'UTC');
    return `Try ${job.attempts + 1} of ${job.max_attempts} at ${when}, as the last one failed: ${job.error ?? 'no reason was given'}`;
  }
  if (job.status === 'failed') return job.error ?? 'No reason was given';
  if (job.status === 'cancelled') return KINDS[job.job_type]!.doing;
  if (job.status === 'completed') return job.metadata.briefDate ? shortDay(String(job.metadata.briefDate)) : '';
  return job.progress.message;
}

/** What a notification in the app says. One that repeats what a job here has said already is left out. */
function noteTold(payload: Record<string, unknown>): void {
  const told = payload as { id: string; eventType: string; title: string; body: string | null; url: string | null; createdAt: string; correlationId: string | null };
  const { notices, closed } = stack.value;
  const repeated = notices.some(notice => notice.jobId && notice.correlationId === told.correlationId) || closed.includes(told.correlationId ?? '');
  if (repeated || closed.includes(told.id) || notices.some(notice => notice.key === told.id)) return;
  put({
    key: told.id, jobId: null, type: told.eventType, title: told.title, message: told.body ?? '', status: 'told', percent: 0, step: null,
    view: pageOf(told.url), correlationId: told.correlationId, at: Date.now(), closesAt: null, version: told.createdAt,
  });
  announced.value = told.title;
}

/** Take a notice away, for good. */
export function close(key: string): void {
  const { notices, closed, expanded } = stack.value;
  const gone = notices.find(notice => notice.key === key);
  const keys = gone?.jobId && gone.correlationId && gone.correlationId !== key ? [key, gone.correlationId] : [key];
  keep({ notices: notices.filter(notice => notice.key !== key), closed: [...closed, ...keys].slice(-MOST_CLOSED), expanded: expanded === key ? null : expanded });
}

/** Show a notice large, or small again: then it stays as long as a fresh one. */
export function expand(key: string | null): void {
  const before = stack.value.expanded;
  keep({ ...stack.value, expanded: key });
  if (before && before !== key) hold(before);
}

/** Let a notice that closes by itself stay as long as a fresh one. */
export function hold(key: string): void {
  const until = Date.now() + CLOSES_AFTER;
  const notice = stack.value.notices.find(each => each.key === key);
  if (notice?.closesAt && notice.closesAt < until - 500) put({ ...notice, closesAt: until });
}

/** Run a job that failed or was cancelled again. The new one takes the place of its notice. Raises ApiError. */
export async function retry(notice: Notice): Promise<void> {
  await send('POST', `/jobs/${notice.key}/retry`);
  close(notice.key);
}

/** Stop a job. Raises ApiError. */
export async function cancel(notice: Notice): Promise<void> {
  await send('POST', `/jobs/${notice.key}/cancel`);
}

function put(notice: Notice): void {
  const { notices, ...rest } = stack.value;
  const known = notices.some(each => each.key === notice.key);
  keep({ ...rest, notices: known ? notices.map(each => (each.key === notice.key ? notice : each)) : [...notices, notice] });
}

function keep(next: Kept): void {
  stack.value = next;
  if (owner) sessionStorage.setItem(place(owner), JSON.stringify(next));
}

function kept(userId: string): Kept {
  try {
    return { ...NOTHING, ...(JSON.parse(sessionStorage.getItem(place(userId)) ?? '{}') as Partial<Kept>) };
  } catch {
    return NOTHING;
  }
}

const place = (userId: string) => `buildos.notices.${userId}`;
