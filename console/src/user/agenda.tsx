// What a day holds, as lists: short beside the brief, in full on the page of the calendar.
import { clock } from './days';

export interface Event {
  title: string;
  location: string | null;
  tentative: boolean;
  all_day: boolean;
  start_time: string | null;
  end_time: string | null;
  first_day: string;
  last_day: string;
  from_before: boolean;
  into_after: boolean;
}

export interface Task {
  id: string;
  title: string;
  status: string;
  priority: string;
  project_id: string | null;
  project_name: string | null;
  at: string;
  planned: boolean;
  all_day: boolean;
}

export interface Day {
  date: string;
  timezone: string;
  start: string;
  end: string;
  events: Event[];
  tasks: Task[];
}

/** 09:30–10:15; an arrow where it reaches over midnight. */
export function span(event: Event, timezone: string): string {
  if (event.all_day) return 'All day';
  const from = event.from_before ? '…' : clock(event.start_time!, timezone);
  const until = event.into_after ? '…' : clock(event.end_time!, timezone);
  return from === until ? from : `${from}–${until}`;
}

export function Agenda({ day }: { day: Day }) {
  return (
    <ul class="agenda">
      {day.events.map((event, number) => (
        <li key={number} class={event.tentative ? 'tentative' : undefined}>
          <span class="when">{span(event, day.timezone)}</span>
          <span><b>{event.title}</b>{event.location && <span class="soft"> · {event.location}</span>}{event.tentative && <span class="soft"> · not certain</span>}</span>
        </li>
      ))}
    </ul>
  );
}

export function Due({ day }: { day: Day }) {
  return (
    <ul class="agenda">
      {day.tasks.map(task => (
        <li key={task.id} class={task.status === 'done' ? 'done' : undefined}>
          <span class="when">{task.all_day ? '' : clock(task.at, day.timezone)}</span>
          <span>
            <b>{task.title}</b>
            {task.project_id && <span class="soft"> · <a href={`/console/projects/${task.project_id}`}>{task.project_name}</a></span>}
            <span class="tags">
              {task.priority === 'high' && task.status !== 'done' && <span class="tag high">high</span>}
              {task.status !== 'backlog' && <span class="tag">{task.status.replace('_', ' ')}</span>}
              {task.planned && <span class="tag">begins</span>}
            </span>
          </span>
        </li>
      ))}
    </ul>
  );
}
