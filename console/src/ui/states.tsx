import type { ComponentChildren } from 'preact';
import { now } from '../clock';
import { ago, exactly } from '../format';
import { typeLabel } from '../job-types';

/** While the first answer is on its way. */
export function Loading() {
  return <p class="loading" role="status"><span class="spinner" aria-hidden="true" />Loading…</p>;
}

/** Nothing is here, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><b>{title}</b>{children && <p>{children}</p>}</div>;
}

/** What went wrong, in the API's words, and a way on. */
export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const unreachable = 'status' in error && error.status === 0;
  return (
    <div class="failure" role="alert">
      <b>{error.message}</b>
      <p>{unreachable ? <>Is it running? <code>make up</code> starts everything. This page tries again by itself.</> : 'What is shown may be old.'}</p>
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

/** A status, as a word with a mark whose form differs too: colour alone says nothing to many. */
export function Status({ status, word = status }: { status: string; word?: string }) {
  return <span class={`status ${status}`}><span class="dot" aria-hidden="true" />{word}</span>;
}

/** How long ago something was, or how soon it will be; the exact time when pointed at. */
export function Time({ at }: { at: string | null | undefined }) {
  if (!at) return <span class="soft">–</span>;
  return <time dateTime={at} title={exactly(at)}>{ago(at, now.value)}</time>;
}

export function JobType({ type }: { type: string }) {
  return <span title={type}>{typeLabel(type)}</span>;
}

/** How far a job is, 0 to 100. */
export function Progress({ value, label }: { value: number; label: string }) {
  return (
    <div class="progress">
      <progress value={value} max={100} aria-label={label} />
      <span>{Math.round(value)} %</span>
    </div>
  );
}
