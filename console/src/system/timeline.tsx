import { between, duration, exactly, moment } from '../format';
import { Status } from '../ui/states';
import type { JobEvent } from './types';

/** The life of a job: each change of state, when, by whom, and how long it stayed. */
export function Timeline({ events, now }: { events: JobEvent[]; now: number | null }) {
  return (
    <ol class="timeline">
      {events.map((event, place) => {
        const next = events[place + 1];
        const stayed = next ? between(event.at, next.at) : now === null ? undefined : Math.max(0, (now - Date.parse(event.at)) / 1000);
        return (
          <li key={place} class={event.to}>
            <div>
              <Status status={event.to} word={sentence(event)} />
              <time dateTime={event.at} title={exactly(event.at)}>{moment(event.at)}</time>
            </div>
            {event.message && <p class="message">{event.message}</p>}
            <p class="soft">
              {[event.attempt ? `attempt ${event.attempt}` : '', event.worker ?? '', stayed !== undefined ? `${next ? 'for' : 'since'} ${duration(stayed)}` : ''].filter(Boolean).join(' · ')}
            </p>
          </li>
        );
      })}
    </ol>
  );
}

function sentence({ from, to, message }: JobEvent): string {
  if (from === null) return 'added';
  if (to === 'pending') return from === 'retrying' ? 'due again' : message === 'stalled' ? 'stalled, waits again' : 'handed back';
  return { processing: 'began', completed: 'completed', failed: 'failed', cancelled: 'cancelled', retrying: 'failed, will be retried' }[to];
}
