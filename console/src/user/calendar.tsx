// A day of the calendar, hour by hour, with what is due; and a way to bring a calendar in.
import { useRef } from 'preact/hooks';
import { authorization } from '../access';
import { ApiError, get } from '../api';
import { useLive } from '../live';
import { attempt, say } from '../toasts';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading } from '../ui/states';
import { Due, span, type Day, type Event } from './agenda';
import { DaySwitch, useDay } from './day-switch';
import { clock, dayInWords, near, today } from './days';
import { ofUser } from './need-user';
import { profile, useChanges } from './session';

function Calendar({ user }: { user: string }) {
  const [day, go] = useDay();
  const { data, error, refresh } = useLive(`calendar ${user} ${day}`, signal => (day ? get<Day>(`/users/${user}/days/${day}`, {}, signal) : get<Day>(`/users/${user}`, {}, signal).then(() => undefined)), 60_000);
  useChanges(['queue_jobs', 'calendar_events', 'tasks'], refresh);
  const name = day && profile.value ? near(day, today(profile.value.timezone)) : undefined;
  return (
    <Page title="Calendar" lead={day && `${name ? `${name}, ` : ''}${dayInWords(day)}${data ? `, times of ${data.timezone}` : ''}`} actions={day && <DaySwitch day={day} go={go} />}>
      {error && <Failure error={error} retry={refresh} />}
      {!data ? !error && <Loading /> : (
        <div class="home">
          <Panel title="Events" aside={<Import user={user} done={refresh} />}>
            {data.events.length === 0 ? (
              <Empty title="Nothing is in the calendar that day">Import an .ics file from any calendar, or connect one as <a href="/docs#calendar">the API</a> shows.</Empty>
            ) : <Hours day={data} />}
          </Panel>
          <Panel title="Due" aside={data.tasks.length > 0 ? `${data.tasks.filter(task => task.status !== 'done').length} open` : undefined}>
            {data.tasks.length === 0 ? <Empty title="No task is due that day" /> : <Due day={data} />}
          </Panel>
        </div>
      )}
    </Page>
  );
}

const HOUR = 3_600_000;

/** Events in their places between the hours; what is on at the same time stands side by side. A list to those who do not see it. */
function Hours({ day }: { day: Day }) {
  const whole = day.events.filter(event => event.all_day);
  const timed = placed(day);
  const first = Math.min(...timed.map(each => each.from), 9);
  const last = Math.max(...timed.map(each => each.until), 17);
  const [from, until] = [Math.floor(first), Math.ceil(last)];
  const start = Date.parse(day.start);
  const hours = Array.from({ length: until - from + 1 }, (_, number) => from + number);
  return (
    <>
      {whole.length > 0 && (
        <ul class="whole">{whole.map((event, number) => <li key={number}><b>{event.title}</b>{event.location && ` · ${event.location}`}{event.last_day !== event.first_day && <span class="soft"> until {dayInWords(event.last_day)}</span>}</li>)}</ul>
      )}
      {timed.length > 0 && (
        <div class="hours" style={{ '--rows': until - from }}>
          <ol class="ruler" aria-hidden="true">{hours.map(hour => <li key={hour} style={{ '--at': hour - from }}>{clock(new Date(start + hour * HOUR).toISOString(), day.timezone)}</li>)}</ol>
          <ul class="events">
            {timed.map(({ event, from: begins, until: ends, lane, lanes }, number) => (
              <li key={number} class={event.tentative ? 'tentative' : undefined} style={{ '--at': begins - from, '--long': Math.max(ends - begins, 0.5), '--lane': lane, '--lanes': lanes }}>
                <span class="when">{span(event, day.timezone)}</span> <b>{event.title}</b>{event.location && <span class="place"> · {event.location}</span>}
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  );
}

interface Placed {
  event: Event;
  /** Hours since the day began. */
  from: number;
  until: number;
  lane: number;
  lanes: number;
}

function placed(day: Day): Placed[] {
  const [start, end] = [Date.parse(day.start), Date.parse(day.end)];
  const all = day.events.filter(event => !event.all_day).map(event => {
    const from = (Math.max(Date.parse(event.start_time!), start) - start) / HOUR;
    return { event, from, until: Math.max((Math.min(Date.parse(event.end_time!), end) - start) / HOUR, from), lane: 0, lanes: 1 };
  });
  let group: Placed[] = [];
  let reach = -1;
  const settle = () => group.forEach(each => (each.lanes = Math.max(...group.map(other => other.lane)) + 1));
  for (const each of all.sort((a, b) => a.from - b.from)) {
    if (each.from >= reach) {
      settle();
      group = [];
    }
    const taken = new Set(group.filter(other => Math.max(other.until, other.from + 0.5) > each.from).map(other => other.lane));
    while (taken.has(each.lane)) each.lane += 1;
    group.push(each);
    reach = Math.max(reach, each.until, each.from + 0.5);
  }
  settle();
  return all;
}

interface Imported {
  events: { added: number; updated: number; removed: number };
  problems: unknown[];
}

function Import({ user, done }: { user: string; done: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  const bring = async (file: File | undefined) => {
    if (!file) return;
    await attempt(async () => {
      const answer = await fetch(`/api/calendar/events/import?userId=${user}`, { method: 'POST', body: file, headers: { ...authorization(), 'Content-Type': 'text/calendar' } });
      const body = (await answer.json()) as Imported & { error?: string; code?: string };
      if (!answer.ok) throw new ApiError(answer.status, body.error ?? 'The file could not be read', body.code ?? 'error');
      done();
      say(`${file.name} is in the calendar`);
    });
    if (input.current) input.current.value = '';
  };
  return (
    <>
      <input ref={input} type="file" accept=".ics,text/calendar" hidden onChange={event => void bring(event.currentTarget.files?.[0])} />
      <button type="button" class="small" onClick={() => input.current?.click()}>Import an .ics file</button>
    </>
  );
}

export default ofUser('Calendar', Calendar);
