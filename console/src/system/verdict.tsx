import { duration } from '../format';
import { typeLabel } from '../job-types';
import { Icon } from '../ui/icon';
import { jobsPath } from './links';
import type { Alert, Health, Process } from './types';

const HEADLINES = { healthy: 'All is well', degraded: 'Work waits', unhealthy: 'Nothing is accepted' };
const PARTS = { database: 'Database', broker: 'Redis', workers: 'Workers', beat: 'Schedules' };

/** One sentence on the whole system, and below it what needs somebody, each with the next thing to do. */
export function Verdict({ health, processes }: { health: Health; processes: Process[] | undefined }) {
  const well = health.status === 'healthy';
  const calm = well && health.alerts.length === 0;
  const workers = processes?.filter(({ kind }) => kind === 'worker').length;
  const notes = { workers: workers && workers > 1 ? `${workers} alive` : undefined };
  return (
    <section class={`verdict ${calm ? 'good' : well ? 'warn' : 'bad'}`} aria-label="State of the system">
      <div class="headline">
        <Icon name={calm ? 'check' : 'alert'} />
        <div>
          <b role="status">{calm ? HEADLINES.healthy : well ? 'It runs, and something needs you' : HEADLINES[health.status]}</b>
          <span>The API has been up for {duration(Math.floor(health.uptime))}.</span>
        </div>
        <ul class="checks">
          {(Object.keys(PARTS) as (keyof typeof PARTS)[]).map(name => (
            <li key={name} class={health.checks[name]}>
              <Icon name={health.checks[name] === 'ok' ? 'check' : 'alert'} />{PARTS[name]}
              <span class="soft">{health.checks[name] === 'ok' ? (notes as Record<string, string | undefined>)[name] ?? 'alive' : 'away'}</span>
            </li>
          ))}
        </ul>
      </div>
      {health.checks.database === 'away' && <ul class="alerts"><li><span>The database is away: what is sent now is refused, and what ran goes on when it is back.</span><span><code>buildos doctor</code> says what is wrong.</span></li></ul>}
      {health.alerts.length > 0 && (
        <ul class="alerts">
          {health.alerts.map(alert => <li key={alert.name}><span>{sentence(alert)}</span><Next alert={alert} /></li>)}
        </ul>
      )}
    </section>
  );
}

function sentence({ name, message }: Alert): string {
  const type = name.split(':')[1];
  const named = (type ? message.replace(` of ${type} failed`, ` of “${typeLabel(type)}” failed`) : message).replace(/\b[a-z]+(_[a-z]+)+\b/g, found => `“${typeLabel(found)}”`);
  return named.charAt(0).toUpperCase() + named.slice(1) + (/[.!?]$/.test(named) ? '' : '.');
}

/** The next thing to do about an alert. */
function Next({ alert }: { alert: Alert }) {
  const [name, type] = alert.name.split(':');
  if (name === 'failing') return <a href={jobsPath({ type, status: 'failed' })}>Look at the failed jobs</a>;
  if (name === 'pending_age') return <a href={jobsPath({ status: 'pending' })}>Look at what waits</a>;
  if (name === 'no_worker') return <span>Start one: <code>buildos start worker</code></span>;
  if (name === 'no_beat') return <span>Start it: <code>buildos start beat</code></span>;
  if (name === 'broker_away') return <span>Look at Redis; <code>buildos doctor</code> says what is wrong.</span>;
  return null;
}
