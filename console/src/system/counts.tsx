import { useState } from 'preact/hooks';
import { send } from '../api';
import { count, words } from '../format';
import { typeLabel } from '../job-types';
import { useAttempt } from '../toasts';
import { Confirm } from '../ui/dialog';
import { Icon } from '../ui/icon';
import { Panel } from '../ui/page';
import { Empty, Status } from '../ui/states';
import { jobsPath } from './links';
import { STATUSES, type Health, type JobStatus } from './types';

/** Jobs by type and state; each number leads to its jobs, each type can be held back. */
export function Counts({ health, refresh }: { health: Health; refresh: () => void }) {
  const rows = new Map<string, Partial<Record<JobStatus, number>>>();
  for (const { job_type, status, count: jobs } of health.stats) rows.set(job_type, { ...rows.get(job_type), [status]: jobs });
  for (const type of health.paused) rows.set(type, rows.get(type) ?? {});
  const types = [...rows.keys()].sort((one, other) => typeLabel(one).localeCompare(typeLabel(other)));
  return (
    <Panel title="Jobs by type and state" aside={<a href="/console/jobs">All jobs</a>}>
      {types.length === 0 ? (
        <Empty title="No job yet">Queue a first one: choose a user in the menu and generate a brief, or type <code>.venv/bin/buildos brief --user sample@buildos.example</code></Empty>
      ) : (
        <div class="table" tabIndex={0} role="region" aria-label="Table of jobs by type and state">
          <table class="counts">
            <thead><tr><th>Type</th>{STATUSES.map(status => <th key={status} class="number">{words(status)}</th>)}<th><span class="hidden">Hold back</span></th></tr></thead>
            <tbody>
              {types.map(type => (
                <tr key={type}>
                  <th scope="row"><a class="plain" href={jobsPath({ type })}>{typeLabel(type)}</a> {health.paused.includes(type) && <Status status="paused" />}</th>
                  {STATUSES.map(status => <Count key={status} type={type} status={status} jobs={rows.get(type)![status] ?? 0} />)}
                  <td class="tight"><Pause type={type} paused={health.paused.includes(type)} refresh={refresh} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function Count({ type, status, jobs }: { type: string; status: JobStatus; jobs: number }) {
  if (!jobs) return <td class="number soft">–</td>;
  return <td class="number"><a class={status === 'failed' ? 'plain bad' : 'plain'} href={jobsPath({ type, status })}>{count(jobs)}</a></td>;
}

function Pause({ type, paused, refresh }: { type: string; paused: boolean; refresh: () => void }) {
  const [asking, setAsking] = useState(false);
  const [busy, run] = useAttempt();
  // What the button said when it was pressed: somebody else may have paused or resumed it meanwhile.
  const set = async (pause: boolean) => {
    await run(async () => {
      await send('POST', pause ? '/queue/pause' : '/queue/resume', { jobType: type });
      return pause ? `“${typeLabel(type)}” is paused: no more of its jobs begin.` : `“${typeLabel(type)}” goes on.`;
    });
    setAsking(false);
    refresh();
  };
  return (
    <>
      <button type="button" class="small quiet" disabled={busy} title={paused ? 'Resume' : 'Pause'} aria-label={`${paused ? 'Resume' : 'Pause'} ${typeLabel(type)}`} onClick={() => (paused ? void set(false) : setAsking(true))}>
        <Icon name={paused ? 'play' : 'pause'} />
      </button>
      {asking && (
        <Confirm title={`Pause “${typeLabel(type)}”?`} verb="Pause" busy={busy} onYes={() => void set(true)} onClose={() => setAsking(false)}>
          <p>From now on none of its jobs begins, on any worker. What runs finishes, what waits keeps its place until the type is resumed.</p>
        </Confirm>
      )}
    </>
  );
}
