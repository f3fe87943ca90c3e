import { useMemo } from 'preact/hooks';
import { get } from '../api';
import { count, duration } from '../format';
import { typeLabel, typeNames } from '../job-types';
import { useLive } from '../live';
import { useQuery } from '../query';
import { Chart, type Series } from '../ui/chart';
import { Panel } from '../ui/page';
import { Failure, Loading } from '../ui/states';
import type { Figure, Figures } from './types';

const RANGES = { hour: 'Hour', day: 'Day', week: 'Week' };
const STEPS: Record<number, string> = { 60: 'a minute', 600: 'ten minutes', 3600: 'an hour' };

/** How much is done and how long it takes, over time. */
export function Charts() {
  const [query, change] = useQuery();
  const range = query.range && query.range in RANGES ? query.range : 'hour';
  const types = typeNames();
  const type = types.includes(query.type ?? '') ? query.type! : '';
  const { data, error, refresh } = useLive(`figures ${range} ${type}`, signal => get<Figures>('/queue/figures', { range, type }, signal), 5000, true);
  const drawn = useMemo(() => data && draw(data.figures), [data]);
  const controls = (
    <>
      <label><span class="hidden">Job type</span>
        <select value={type} onChange={event => change({ type: event.currentTarget.value }, true)}>
          <option value="">All types</option>
          {types.map(name => <option key={name} value={name}>{typeLabel(name)}</option>)}
        </select>
      </label>
      <fieldset class="switch words">
        <legend class="hidden">How far back</legend>
        {Object.entries(RANGES).map(([name, label]) => (
          <label key={name}><input type="radio" name="range" value={name} checked={range === name} onChange={() => change({ range: name === 'hour' ? '' : name }, true)} />{label}</label>
        ))}
      </fieldset>
    </>
  );
  return (
    <Panel title="Over time" aside={controls}>
      {error && !data && <Failure error={error} retry={refresh} />}
      {!drawn || !data ? !error && <Loading /> : (
        <div class="charts">
          <Chart title={`Jobs in ${STEPS[data.step]}`} times={drawn.times} series={drawn.done} format={count} group="overview" />
          <Chart title="Time until a due job begins" times={drawn.times} series={drawn.waits} format={duration} group="overview" />
          <Chart title="Time a job runs" times={drawn.times} series={drawn.runs} format={duration} group="overview" />
        </div>
      )}
    </Panel>
  );
}

function draw(figures: Figure[]): { times: number[]; done: Series[]; waits: Series[]; runs: Series[] } {
  const lengths = (of: 'waits' | 'runs'): Series[] => [
    { label: '95 % within', color: '--chart-2', as: 'line', values: figures.map(figure => figure[of]?.p95 ?? null) },
    { label: 'half within', color: '--chart-1', as: 'area', values: figures.map(figure => figure[of]?.p50 ?? null) },
  ];
  return {
    times: figures.map(({ at }) => Date.parse(at) / 1000),
    done: [
      // The failed ones stand on top of the completed ones: drawn first, as high as both.
      { label: 'failed', color: '--chart-bad', as: 'bars', values: figures.map(({ completed, failed }) => completed + failed), shown: figures.map(({ failed }) => failed) },
      { label: 'completed', color: '--chart-1', as: 'bars', values: figures.map(({ completed }) => completed) },
    ],
    waits: lengths('waits'),
    runs: lengths('runs'),
  };
}
