import type { ComponentChildren } from 'preact';
import { now } from '../clock';
import { count, duration } from '../format';
import { typeLabel } from '../job-types';
import { jobPath, jobsPath } from './links';
import type { Figure, Health, Waiting } from './types';

/** The numbers of this moment. */
export function Tiles({ health, waiting, figures }: { health: Health; waiting: Waiting[] | undefined; figures: Figure[] | undefined }) {
  const { pending = 0, processing = 0, retrying = 0 } = health.totals;
  const sum = (name: 'completed' | 'failed' | 'added') => figures?.reduce((total, figure) => total + figure[name], 0);
  const [completed, failed, added] = [sum('completed'), sum('failed'), sum('added')];
  const oldest = waiting?.[0];
  const lately = figures?.filter(({ waits }) => waits).at(-1)?.waits;
  return (
    <ul class="tiles">
      <Tile label="Running now" value={count(processing)} href={jobsPath({ status: 'processing' })}>{retrying ? `${count(retrying)} to be retried` : 'none is to be retried'}</Tile>
      <Tile label="Waiting" value={count(pending)} href={jobsPath({ status: 'pending' })}>now or for later</Tile>
      <Tile
        label="Due the longest" tone={oldest && now.value - Date.parse(oldest.scheduled_for) > 60_000 ? 'warn' : undefined}
        value={!waiting ? '…' : oldest ? duration(Math.max(0, (now.value - Date.parse(oldest.scheduled_for)) / 1000)) : 'none'}
        href={oldest && jobPath(oldest.job_id)}
      >{oldest ? typeLabel(oldest.job_type) : 'nothing due waits'}</Tile>
      <Tile label="Done, last hour" value={completed === undefined ? '…' : count(completed)} href={jobsPath({ status: 'completed' })}>{added === undefined ? '' : `${count(added)} were added`}</Tile>
      <Tile label="Failed, last hour" value={failed === undefined ? '…' : count(failed)} tone={failed ? 'bad' : undefined} href={jobsPath({ status: 'failed' })}>
        {failed && completed !== undefined ? `${share(failed, failed + completed)} of what ended` : 'nothing failed'}
      </Tile>
      <Tile label="Time to start" value={lately ? duration(lately.p50) : '–'}>{lately ? `95 % within ${duration(lately.p95)}` : 'nothing has ended lately'}</Tile>
    </ul>
  );
}

function share(part: number, all: number): string {
  const percent = (100 * part) / all;
  return percent < 1 ? 'less than 1 %' : `${Math.round(percent)} %`;
}

function Tile({ label, value, href, tone, children }: { label: string; value: string; href?: string; tone?: 'warn' | 'bad'; children: ComponentChildren }) {
  const content = <><span class="label">{label}</span><b class={tone}>{value}</b><span class="note">{children}</span></>;
  return <li>{href ? <a class="tile" href={href}>{content}</a> : <div class="tile">{content}</div>}</li>;
}
