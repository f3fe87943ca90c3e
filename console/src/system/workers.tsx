import { useState } from 'preact/hooks';
import { send } from '../api';
import { plural } from '../format';
import { useAttempt } from '../toasts';
import { Confirm } from '../ui/dialog';
import { Panel } from '../ui/page';
import { Empty, Loading, Status, Time } from '../ui/states';
import type { Process } from './types';

/** Who does the work. A worker can be drained before it is stopped. */
export function Workers({ processes, refresh }: { processes: Process[] | undefined; refresh: () => void }) {
  return (
    <Panel title="Workers and schedules" aside={processes && `${plural(processes.filter(({ kind }) => kind === 'worker').length, 'worker')} alive`}>
      {!processes ? <Loading /> : processes.length === 0 ? <Empty title="Nobody is there to work">Start a worker: <code>buildos start worker</code>, or <code>celery -A tasks worker</code></Empty> : (
        <div class="table" tabIndex={0} role="region" aria-label="Table of workers and schedules">
          <table class="workers">
            <thead><tr><th>Process</th><th>State</th><th class="number">Jobs at hand</th><th>Queues</th><th>Since</th><th>Last sign of life</th><th><span class="hidden">Drain</span></th></tr></thead>
            <tbody>{processes.map(process => <Row key={process.name} process={process} refresh={refresh} />)}</tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function Row({ process, refresh }: { process: Process; refresh: () => void }) {
  const worker = process.kind === 'worker';
  const state = !worker ? 'ok' : !process.draining ? (process.running ? 'processing' : 'ok') : 'draining';
  const word = { ok: worker ? 'idle' : 'ticking', processing: 'working', draining: process.running ? 'draining' : 'drained: may be stopped' }[state]!;
  return (
    <tr>
      <th scope="row">{process.name}<br /><span class="soft">{worker ? 'worker' : 'schedules (beat)'}, process {process.pid} on {process.host}</span></th>
      <td><Status status={state} word={word} /></td>
      <td class="number">{worker ? `${process.running} of ${process.concurrency ?? '?'}` : '–'}</td>
      <td>{process.queues.join(', ') || '–'}</td>
      <td class="tight"><Time at={process.started_at} /></td>
      <td class="tight"><Time at={process.heartbeat_at} /></td>
      <td class="tight">{worker && <Drain process={process} refresh={refresh} />}</td>
    </tr>
  );
}

function Drain({ process, refresh }: { process: Process; refresh: () => void }) {
  const [asking, setAsking] = useState(false);
  const [busy, run] = useAttempt();
  // What the button said when it was pressed: somebody else may have done it meanwhile.
  const set = async (drain: boolean) => {
    setAsking(false);
    await run(async () => {
      await send('POST', drain ? '/workers/drain' : '/workers/resume', { worker: process.name });
      return drain ? `${process.name} finishes what it has and takes nothing more.` : `${process.name} takes jobs again.`;
    });
    refresh();
  };
  return (
    <>
      <button type="button" class="small" disabled={busy} onClick={() => (process.draining ? void set(false) : setAsking(true))}>{process.draining ? 'Take jobs again' : 'Drain'}</button>
      {asking && (
        <Confirm title="Drain this worker?" verb="Drain" onYes={() => void set(true)} onClose={() => setAsking(false)}>
          <p><b>{process.name}</b> finishes the jobs it runs and takes nothing more; what waited for it goes to other workers. Stop it once it is drained, or have it take jobs again.</p>
        </Confirm>
      )}
    </>
  );
}
