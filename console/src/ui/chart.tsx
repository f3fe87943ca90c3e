import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { hourAndMinute, moment } from '../format';
import { isDark } from '../theme';

export interface Series {
  label: string;
  /** The name of a colour of tokens.css, as in `--accent`. */
  color: string;
  values: (number | null)[];
  /** What is said of them, where it is not what is drawn. */
  shown?: (number | null)[];
  /** As bars, drawn in the order given, or as a line. */
  as: 'bars' | 'line' | 'area';
}

interface Props {
  title: string;
  /** Seconds since 1970, evenly spaced. */
  times: number[];
  series: Series[];
  format: (value: number) => string;
  /** Charts of the same key move their cursor together. */
  group: string;
}

const HEIGHT = 168;

/** A chart over time: the figures of the moment under the pointer, or else the latest, stand beside the names of its lines. */
export function Chart({ title, times, series, format, group }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const dark = isDark.value;
  const shape = series.map(({ label, as, color }) => `${label} ${as} ${color}`).join();

  useEffect(() => {
    const element = box.current!;
    chart.current = new uPlot(options(element.clientWidth, series, format, group, setAt), data(times, series), element);
    const resized = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [dark, shape, group]);

  useEffect(() => chart.current?.setData(data(times, series)), [times, series]);

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <ul class="legend">
          {series.map(({ label, color, values, shown: told = values }) => (
            <li key={label}><span class="swatch" style={{ background: `var(${color})` }} aria-hidden="true" />{label} <b>{shown(at === null ? told.findLast(value => value !== null) : told[at], format)}</b></li>
          ))}
          {at !== null && <li>{moment((times[at] ?? 0) * 1000)}</li>}
        </ul>
      </figcaption>
      <div ref={box} role="img" aria-label={`${title}: ${series.map(each => summary(each, format)).join('; ')}`} />
    </figure>
  );
}

function shown(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? '–' : format(value);
}

/** What a chart says to those who do not see it. */
function summary({ label, values, shown: told = values }: Series, format: (value: number) => string): string {
  const known = told.filter(value => value !== null);
  return known.length ? `${label} lately ${shown(known.at(-1), format)}, at most ${format(Math.max(...known))}` : `${label}: nothing yet`;
}

function data(times: number[], series: Series[]): uPlot.AlignedData {
  return [times, ...series.map(({ values }) => values)];
}

function alone(values: ArrayLike<number | null | undefined>): number[] {
  const there = (place: number) => values[place] !== null && values[place] !== undefined;
  return Array.from(values, (_, place) => place).filter(place => there(place) && !there(place - 1) && !there(place + 1));
}

function options(width: number, series: Series[], format: Props['format'], group: string, point: (at: number | null) => void): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis = { stroke: color('--soft'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false }, font: `12px ${color('--font')}` };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [8, 18, 0, 0],
    cursor: { sync: { key: group }, y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      { ...axis, values: (_, splits) => splits.map(time => (time % 86400 || splits.length < 3 ? hourAndMinute(time * 1000) : new Date(time * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' }))), space: 64, size: 26, grid: { show: false } },
      { ...axis, values: (_, splits) => splits.map(format), size: 52, space: 36 },
    ],
    series: [
      {},
      ...series.map(({ label, color: name, as }) => ({
        label,
        stroke: color(name),
        width: as === 'bars' ? 0 : 1.75,
        fill: as === 'line' ? undefined : as === 'bars' ? color(name) : `color-mix(in srgb, ${color(name)} 14%, transparent)`,
        paths: as === 'bars' ? uPlot.paths.bars!({ size: [0.72, 22], radius: 0.12 }) : undefined,
        // A figure between two that are missing makes no line: a point shows it.
        points: { show: false, size: 5, fill: color(name), filter: (chart: uPlot, place: number) => (as === 'bars' ? null : alone(chart.data[place]!)) },
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [({ cursor }) => point(cursor.idx ?? null)] },
  };
}
