// Today, or any other day: the brief, what the calendar holds, what is due.
import { get } from '../api';
import { useLive } from '../live';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading, Time } from '../ui/states';
import { Brief } from './brief';
import { Agenda, Due, type Day } from './agenda';
import { DaySwitch, useDay } from './day-switch';
import { dayInWords, near, today } from './days';
import { ofUser } from './need-user';
import { presence, profile, useChanges } from './session';

function Home({ user }: { user: string }) {
  const [day, go] = useDay();
  const name = day ? near(day, today(profile.value?.timezone ?? 'UTC')) ?? dayInWords(day) : 'Today';
  return (
    <Page title={name} lead={!day || name === dayInWords(day) ? undefined : dayInWords(day)} actions={day && <DaySwitch day={day} go={go} />}>
      {!day ? <Waiting user={user} /> : (
        <div class="home">
          <Brief key={day} user={user} day={day} />
          <div class="beside">
            <DayPanels user={user} day={day} />
            <Presence />
          </div>
        </div>
      )}
    </Page>
  );
}

/** Until it is known who the user is: loading, or why it is not. */
function Waiting({ user }: { user: string }) {
  const { error, refresh } = useLive(`profile ${user}`, signal => get(`/users/${user}`, {}, signal), 10_000);
  return error ? <Failure error={error} retry={refresh} /> : <Loading />;
}

function DayPanels({ user, day }: { user: string; day: string }) {
  const { data, error, refresh } = useLive(`day ${user} ${day}`, signal => get<Day>(`/users/${user}/days/${day}`, {}, signal), 60_000);
  useChanges(['queue_jobs'], refresh);
  return (
    <>
      <Panel title="Calendar" aside={<a href={`/console/calendar?date=${day}`}>The whole day</a>}>
        {error && !data ? <Failure error={error} retry={refresh} /> : !data ? <Loading /> : data.events.length === 0 ? <Empty title="Nothing in the calendar" /> : <Agenda day={data} />}
      </Panel>
      <Panel title="Due" aside={data && data.tasks.length > 0 ? `${data.tasks.filter(task => task.status !== 'done').length} open` : undefined}>
        {!data ? !error && <Loading /> : data.tasks.length === 0 ? <Empty title="No task is due" /> : <Due day={data} />}
      </Panel>
    </>
  );
}

function Presence() {
  const here = presence.value;
  if (here.length === 0) return null;
  return (
    <Panel title="Where you are online" aside={`${here.length} ${here.length === 1 ? 'window' : 'windows'}`}>
      <ul class="presence">
        {[...here].sort((a, b) => a.since.localeCompare(b.since)).map((each, number) => <li key={each.id}><span class="dot" aria-hidden="true" />Window {number + 1} <span class="soft">since <Time at={each.since} /></span></li>)}
      </ul>
    </Panel>
  );
}

export default ofUser('Today', Home);
