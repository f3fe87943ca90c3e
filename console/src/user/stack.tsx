// The stack of notifications: bottom right on every page, five at most, each small until it is opened.
import { useLocation } from 'preact-iso';
import { useLayoutEffect, useState } from 'preact/hooks';
import { jobPath } from '../system/links';
import { useAttempt } from '../toasts';
import { Dialog } from '../ui/dialog';
import { Icon } from '../ui/icon';
import { Progress } from '../ui/states';
import { announced, cancel, close, expand, hold, MOST_SHOWN, retry, stack, type Notice } from './notices';
import { Steps } from './steps';
import { stepsOf } from './work';

export function Stack() {
  const { notices, expanded } = stack.value;
  const shown = notices.slice(-MOST_SHOWN);
  const open = notices.find(notice => notice.key === expanded);
  return (
    <>
      <section class="stack" aria-label="Notifications">
        {notices.length > shown.length && <p class="more"><a href="/console/notifications">{notices.length - shown.length} earlier</a></p>}
        <ol>{shown.map(notice => <li key={notice.key}><Card notice={notice} open={expanded === notice.key} /></li>)}</ol>
      </section>
      <p class="hidden" role="status">{announced.value}</p>
      {open && <Large notice={open} />}
    </>
  );
}

function Card({ notice, open }: { notice: Notice; open: boolean }) {
  const { key, status, title, message, percent, closesAt } = notice;
  const [under, setUnder] = useState(false);
  useClosing(key, closesAt, open || under);
  const busy = status === 'processing' || status === 'waiting';
  const left = () => {
    setUnder(false);
    hold(key);
  };
  return (
    <article class={`notice ${status}`} onMouseMove={() => setUnder(true)} onMouseLeave={left} onFocusCapture={() => hold(key)}>
      <Mark status={status} />
      <button type="button" class="about" aria-haspopup="dialog" onClick={() => expand(key)}>
        <b>{title}</b>
        {message && <span>{message}</span>}
        <span class="hidden">Show more</span>
      </button>
      <span class="do">
        <Actions notice={notice} />
        <button type="button" class="quiet small" aria-label={`Dismiss: ${title}`} onClick={() => close(key)}><Icon name="close" /></button>
      </span>
      {busy && <Progress value={percent} label={title} />}
    </article>
  );
}

/** A notice as a dialog, with its steps and all that can be done. */
function Large({ notice }: { notice: Notice }) {
  const { key, title, message, status, percent } = notice;
  const busy = status === 'processing' || status === 'waiting';
  const steps = stepsOf(notice);
  const [cancelling, run] = useAttempt();
  return (
    <Dialog title={title} onClose={() => expand(null)}>
      {busy && <Progress value={percent} label={title} />}
      {message && <p class={status === 'error' ? 'wrong' : undefined}>{message}</p>}
      {steps.length > 0 && <Steps steps={steps} />}
      {notice.jobId && <p class="small-print"><a href={jobPath(notice.jobId)} onClick={() => expand(null)}>{notice.jobId}</a></p>}
      <p class="actions">
        {busy && notice.jobId && <button type="button" class="danger" disabled={cancelling} onClick={() => void run(() => cancel(notice))}>Cancel it</button>}
        <button type="button" onClick={() => close(key)}>Dismiss</button>
        <button type="button" onClick={() => expand(null)}>Minimise</button>
        <Actions notice={notice} large />
      </p>
    </Dialog>
  );
}

function Actions({ notice, large }: { notice: Notice; large?: boolean }) {
  const { route } = useLocation();
  const { status, view, title } = notice;
  const [trying, run] = useAttempt();
  const size = large ? 'primary' : 'small';
  if ((status === 'error' || status === 'cancelled') && notice.jobId) {
    return <button type="button" class={size} disabled={trying} aria-label={`Try again: ${title}`} onClick={() => void run(() => retry(notice))}>Try again</button>;
  }
  if ((status !== 'success' && status !== 'told') || !view) return null;
  const follow = (event: Event) => {
    event.preventDefault();
    close(notice.key);
    if (view.startsWith('/')) route(view);
    else open(view, '_blank', 'noopener,noreferrer');
  };
  return <a class={`button ${size}`} href={view} aria-label={`View: ${title}`} onClick={follow}>View</a>;
}

function Mark({ status }: { status: Notice['status'] }) {
  if (status === 'processing' || status === 'waiting') return <span class="spinner" aria-hidden="true" />;
  return <Icon name={({ success: 'check', error: 'alert', cancelled: 'stop', told: 'mail' } as const)[status]} />;
}

/** Close a notice when its time has come: not while it is read (open, or under the pointer), and not while the tab is hidden. */
function useClosing(key: string, closesAt: number | null, read: boolean): void {
  useLayoutEffect(() => {
    if (closesAt === null || read) return;
    let timer: ReturnType<typeof setTimeout>;
    const plan = () => {
      clearTimeout(timer);
      if (!document.hidden) timer = setTimeout(() => close(key), Math.max(0, closesAt - Date.now()));
    };
    const seen = () => (document.hidden ? clearTimeout(timer) : (hold(key), plan()));
    plan();
    document.addEventListener('visibilitychange', seen);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [key, closesAt, read]);
}
