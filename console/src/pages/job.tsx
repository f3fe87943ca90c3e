import { useLocation } from 'preact-iso';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { isOperator } from '../access';
import { get, send } from '../api';
import { now } from '../clock';
import { between, duration, exactly, moment } from '../format';
import { typeLabel } from '../job-types';
import { useLive } from '../live';
import type { Parts } from '../routes';
import { JobTable } from '../system/job-table';
import { jobPath, jobsPath } from '../system/links';
import { Timeline } from '../system/timeline';
import { LIVE, type Job, type JobEvent } from '../system/types';
import { useAttempt } from '../toasts';
import { Confirm } from '../ui/dialog';
import { Icon } from '../ui/icon';
import { Json } from '../ui/json';
import { Page, Panel } from '../ui/page';
import { Failure, Loading, Progress, Status } from '../ui/states';
import { useChanges } from '../user/session';

interface Whole { job: Job; events: JobEvent[]; related: Job[] }

/** One job: where it is, how it got there, what it is to do, what came of it; cancel it, or run it again. */
export default function JobPage({ id = '' }: Parts) {
  const path = jobPath(id).replace('/console', '');
  const load = async (signal: AbortSignal): Promise<Whole> => {
    const [job, { events }, { jobs }] = await Promise.all([
      get<Job>(path, {}, signal), get<{ events: JobEvent[] }>(`${path}/events`, {}, signal), get<{ jobs: Job[] }>(`${path}/related`, {}, signal),
    ]);
    return { job, events, related: jobs };
  };
  // An ended job changes no more, but others may still follow from it.
  const { data, error, refresh } = useLive(`job ${id}`, load, known => (known && !LIVE.includes(known.job.status) ? 10_000 : 1500));
  useChanges(['queue_jobs'], refresh);
  if (!data) {
    return <Page title="Job">{error ? error.status === 404 ? <p>There is no job <code>{id}</code>, or it is not yours. <a href="/console/jobs">All jobs</a></p> : <Failure error={error} retry={refresh} /> : <Loading />}</Page>;
  }
  const { job } = data;
  return (
    <Page title={typeLabel(job.job_type)} lead={<span class="job-lead"><Status status={job.status} /><code>{job.queue_job_id}</code></span>} actions={<Actions key={job.id} job={job} refresh={refresh} />}>
      {error && <Failure error={error} retry={refresh} />}
      <Shown {...data} />
    </Page>
  );
}

function Shown({ job, events, related }: Whole) {
  const live = LIVE.includes(job.status);
  const result = job.result !== null && job.result !== undefined;
  return (
    <>
      {job.status === 'processing' && (
        <Panel title="Progress" aside={<span aria-live="polite">{job.progress.message}</span>}><Progress value={job.progress.current} label="Progress of the job" /></Panel>
      )}
      {job.error_message && job.status !== 'completed' && (
        <section class="failure" aria-label="Error">
          <b>{job.status === 'retrying' ? 'The last attempt failed' : job.status === 'failed' ? 'It failed' : 'It said last'}</b>
          <pre>{job.error_message}</pre>
          {job.status === 'retrying' && <p>It is tried again at {moment(job.scheduled_for)}.</p>}
        </section>
      )}
      <div class="columns job">
        <Panel title="History"><Timeline events={events} now={live ? now.value : null} /></Panel>
        <div class="stack-of-panels">
          <Panel title="Facts"><Facts job={job} /></Panel>
          <Panel title="What it is to do"><Json value={job.metadata} label="Metadata" /></Panel>
          {result && <Panel title="What came of it"><Json value={job.result} label="Result" /></Panel>}
        </div>
      </div>
      {related.length > 0 && <Panel title="Jobs that belong to it" aside="what it led to, and came from"><JobTable jobs={related} label="Table of related jobs" /></Panel>}
    </>
  );
}

function Facts({ job }: { job: Job }) {
  const due = Date.parse(job.scheduled_for) > Date.parse(job.created_at) ? job.scheduled_for : job.created_at;
  const waited = between(due, job.started_at);
  const ran = between(job.started_at, job.processed_at);
  const facts: [string, ComponentChildren][] = [
    ['User', !job.user_id ? 'nobody: upkeep of the system' : isOperator.value ? <a href={jobsPath({ user: job.user_id })}><code>{job.user_id}</code></a> : <code>{job.user_id}</code>],
    ['Id', <code>{job.id}</code>],
    ['Priority', `${job.priority}${job.priority === 1 ? ', the highest' : ''}`],
    ['Attempts', `${job.attempts} failed of at most ${job.max_attempts}`],
    ['Added', <At at={job.created_at} />],
    ['Not before', job.scheduled_for > job.created_at ? <At at={job.scheduled_for} /> : null],
    ['Began', job.started_at ? <At at={job.started_at} /> : null],
    ['Waited', waited !== undefined && waited >= 0 ? duration(waited) : null],
    ['Ran', ran !== undefined && ran >= 0 ? duration(ran) : null],
    ['Ended', job.processed_at ? <At at={job.processed_at} /> : null],
    ['Retry of', typeof job.metadata.retriedFrom === 'string' ? <a href={jobPath(job.metadata.retriedFrom)}>an earlier job</a> : null],
  ];
  return <dl class="fact-list">{facts.filter(([, fact]) => fact !== null).map(([name, fact]) => <div key={name}><dt>{name}</dt><dd>{fact}</dd></div>)}</dl>;
}

function At({ at }: { at: string }) {
  return <time dateTime={at} title={exactly(at)}>{moment(at)}</time>;
}

function Actions({ job, refresh }: { job: Job; refresh: () => void }) {
  const { route } = useLocation();
  const [asking, setAsking] = useState(false);
  const [busy, run] = useAttempt();
  const path = jobPath(job.id).replace('/console', '');
  const work = async (what: () => Promise<string | void>) => {
    await run(what);
    setAsking(false);
    refresh();
  };
  const cancel = () => work(async () => {
    await send('POST', `${path}/cancel`);
    return 'The job is cancelled.';
  });
  const retry = () => work(async () => {
    const { jobId } = await send<{ jobId: string }>('POST', `${path}/retry`);
    route(jobPath(jobId));
    return 'Queued again, as the job you see now.';
  });
  return (
    <>
      {LIVE.includes(job.status) && <button type="button" class="danger" disabled={busy} onClick={() => setAsking(true)}><Icon name="stop" />Cancel</button>}
      {(job.status === 'failed' || job.status === 'cancelled') && <button type="button" class="primary" disabled={busy} onClick={() => void retry()}><Icon name="retry" />Retry</button>}
      {asking && (
        <Confirm title="Cancel this job?" verb="Cancel the job" danger busy={busy} onYes={() => void cancel()} onClose={() => setAsking(false)}>
          <p>{job.status === 'processing' ? 'It is stopped at its next checkpoint, and what it has made is thrown away.' : 'It will not run.'} You can retry it later.</p>
        </Confirm>
      )}
    </>
  );
}
