import { useLocation } from 'preact-iso';
import { between, duration } from '../format';
import { now } from '../clock';
import { JobType, Status, Time } from '../ui/states';
import { jobPath } from './links';
import type { Job } from './types';

/** Jobs, one a line; the whole line leads to its page, the name by keyboard. */
export function JobTable({ jobs, label }: { jobs: Job[]; label: string }) {
  const { route } = useLocation();
  return (
    <div class="table" tabIndex={0} role="region" aria-label={label}>
      <table class="jobs">
        <thead><tr><th>State</th><th>Job</th><th>What it says</th><th class="number">Attempt</th><th>Added</th><th class="number">Took</th></tr></thead>
        <tbody>
          {jobs.map(job => (
            <tr key={job.id} onClick={event => !(event.target as HTMLElement).closest('a') && !getSelection()?.toString() && route(jobPath(job.queue_job_id))}>
              <td class="tight"><Status status={job.status} /></td>
              <th scope="row"><a href={jobPath(job.queue_job_id)}><JobType type={job.job_type} /></a><br /><span class="soft name">{job.queue_job_id}</span></th>
              <td class="says">{says(job)}</td>
              <td class="number tight">{tries(job)}</td>
              <td class="tight"><Time at={job.created_at} /></td>
              <td class="number tight">{took(job)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function says(job: Job) {
  if (job.error_message && job.status !== 'completed') return <span class={job.status === 'failed' ? 'bad' : ''} title={job.error_message}>{job.error_message}</span>;
  if (job.status === 'processing') return <>{Math.round(job.progress.current)} % · {job.progress.message}</>;
  if (job.status === 'pending' && Date.parse(job.scheduled_for) > now.value) return <>begins <Time at={job.scheduled_for} /></>;
  const told = ['briefDate', 'eventName', 'subject', 'eventType', 'title', 'message', 'text', 'projectId', 'date'].map(name => job.metadata[name]).find(value => typeof value === 'string');
  return <span class="soft">{told ? String(told) : ''}</span>;
}

function tries(job: Job): string {
  const begun = job.attempts + (job.status === 'processing' || job.status === 'completed' ? 1 : 0);
  return begun ? `${begun} of ${job.max_attempts}` : '–';
}

function took(job: Job): string {
  const ran = between(job.started_at, job.processed_at) ?? (job.status === 'processing' && job.started_at ? (now.value - Date.parse(job.started_at)) / 1000 : undefined);
  return ran === undefined || ran < 0 ? '–' : duration(ran);
}
