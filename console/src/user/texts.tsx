// Reminders by text message: what goes out on a day, and how a user wants it.
import { useState } from 'preact/hooks';
import { get, send } from '../api';
import { useLive } from '../live';
import { useAttempt } from '../toasts';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading, Status } from '../ui/states';
import { DaySwitch, useDay } from './day-switch';
import { clock, dayInWords } from './days';
import { ofUser } from './need-user';
import { profile, useChanges } from './session';

interface Message {
  id: string;
  message_content: string;
  status: string;
  reason: string | null;
  scheduled_for: string | null;
  sent_at: string | null;
  event_starts_at: string | null;
}

interface Texts {
  date: string;
  timezone: string;
  messages: Message[];
}

interface Wishes {
  phone_number: string | null;
  enabled: boolean;
  lead_time_minutes: number;
  quiet_hours_start: string | null;
  quiet_hours_end: string | null;
  phone_verified: boolean;
  opted_out: boolean;
  daily_sms_limit: number;
}

function TextsPage({ user }: { user: string }) {
  const [day, go] = useDay();
  const { data, error, refresh } = useLive(`texts ${user} ${day}`, signal => (day ? get<Texts>(`/users/${user}/sms/${day}`, {}, signal) : Promise.resolve(undefined)), 60_000);
  const wishes = useLive(`wishes ${user}`, signal => get<{ schedule: Wishes[] }>('/sms/scheduled', { userId: user }, signal), 0);
  useChanges(['sms_messages', 'queue_jobs'], refresh);
  const wish = wishes.data ? wishes.data.schedule[0] ?? null : undefined;
  const [planning, run] = useAttempt();
  const plan = (timezone: string) => run(async () => {
    await send('POST', '/queue/bulk', { jobs: [{ jobType: 'schedule_daily_sms', userId: user, metadata: { date: day, timezone, leadTimeMinutes: wish?.lead_time_minutes ?? 15 } }] });
    return 'The reminders of that day are being planned';
  });
  return (
    <Page title="Text messages" lead="A reminder goes out before each event of the day." actions={day && <DaySwitch day={day} go={go} />}>
      {error && <Failure error={error} retry={refresh} />}
      <div class="home">
        <Panel title={day ? dayInWords(day) : 'Messages'} aside={wish?.enabled && data && <button type="button" class="small" disabled={planning} onClick={() => void plan(data.timezone)}>Plan this day now</button>}>
          {!data ? !error && <Loading /> : data.messages.length === 0 ? <Empty title="No text message that day">{why(wish)}</Empty> : (
            <ol class="agenda texts">{data.messages.map(message => <Line key={message.id} message={message} timezone={data.timezone} />)}</ol>
          )}
        </Panel>
        <Panel title="How you are reminded">
          {wishes.error && <Failure error={wishes.error} retry={wishes.refresh} />}
          {wish === undefined ? !wishes.error && <Loading /> : <Form user={user} wishes={wish} saved={wishes.refresh} />}
        </Panel>
      </div>
    </Page>
  );
}

function why(wish: Wishes | null | undefined): string {
  if (!wish || !wish.enabled) return 'Reminders are switched off. Switch them on beside this, and each event of the calendar gets one.';
  if (wish.opted_out) return 'The user has answered STOP. START, sent from the phone, takes that back.';
  if (!wish.phone_verified) return 'The phone number has to be verified first; the app does that.';
  return 'Reminders are planned at midnight, or now with the button above. All-day events get none.';
}

function Line({ message, timezone }: { message: Message; timezone: string }) {
  const at = message.sent_at ?? message.scheduled_for;
  return (
    <li>
      <span class="when">{at ? clock(at, timezone) : ''}</span>
      <span>
        <b>{message.message_content}</b>
        <span class="tags"><Status status={message.status} />{message.reason && <span class="soft">{message.reason}</span>}</span>
      </span>
    </li>
  );
}

/** What is entered stays as it is, whatever is loaded anew meanwhile. */
function Form({ user, wishes, saved }: { user: string; wishes: Wishes | null; saved: () => void }) {
  const [wish, setWish] = useState(() => ({
    enabled: wishes?.enabled ?? false,
    phone_number: wishes?.phone_number ?? '',
    lead_time_minutes: wishes?.lead_time_minutes ?? 15,
    quiet_hours_start: wishes?.quiet_hours_start ?? '22:00',
    quiet_hours_end: wishes?.quiet_hours_end ?? '07:00',
    daily_sms_limit: wishes?.daily_sms_limit ?? 10,
  }));
  const change = (to: Partial<typeof wish>) => setWish(now => ({ ...now, ...to }));
  const [saving, run] = useAttempt();
  const save = async (event: globalThis.Event) => {
    event.preventDefault();
    const { phone_number: number, ...rest } = wish;
    const good = await run(async () => {
      await send('POST', '/sms/scheduled', { userId: user, ...rest, ...(number ? { phone_number: number } : {}) });
      return 'Saved';
    });
    if (good) saved();
  };
  const number = (name: 'lead_time_minutes' | 'daily_sms_limit', label: string, most: number) => (
    <label class="field">{label}
      <input type="number" min={0} max={most} required value={wish[name]} onInput={event => change({ [name]: event.currentTarget.valueAsNumber || 0 })} />
    </label>
  );
  const time = (name: 'quiet_hours_start' | 'quiet_hours_end', label: string) => (
    <label class="field">{label}
      <input type="time" step="any" value={wish[name]} required onInput={event => change({ [name]: event.currentTarget.value })} />
    </label>
  );
  return (
    <form class="wishes" onSubmit={save}>
      <label class="check"><input type="checkbox" checked={wish.enabled} onChange={event => change({ enabled: event.currentTarget.checked })} /> Remind me of events</label>
      <label class="field">Phone number
        <input type="tel" placeholder="+14155552671" pattern="\+[1-9][0-9]{6,14}" title="With the country's code, as +14155552671" value={wish.phone_number} onInput={event => change({ phone_number: event.currentTarget.value.trim() })} />
      </label>
      {wishes?.phone_number && <p class="soft">{wishes.opted_out ? 'Has answered STOP' : wishes.phone_verified ? 'Verified' : 'Not verified yet: nothing is sent to it'}</p>}
      <div class="pair">{number('lead_time_minutes', 'Minutes before', 1440)}{number('daily_sms_limit', 'At most a day', 10_000)}</div>
      <div class="pair">{time('quiet_hours_start', 'Quiet from')}{time('quiet_hours_end', 'Quiet until')}</div>
      <p class="soft">In quiet hours nothing is sent; equal times mean none. Times of {profile.value?.timezone ?? 'UTC'}.</p>
      <p class="actions"><button class="primary" disabled={saving}>Save</button></p>
    </form>
  );
}

export default ofUser('Text messages', TextsPage);
