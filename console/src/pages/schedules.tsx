import { get, send } from '../api';
import { plural, words } from '../format';
import { useLive } from '../live';
import { jobsPath } from '../system/links';
import type { Schedule } from '../system/types';
import { useAttempt } from '../toasts';
import { Icon } from '../ui/icon';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading, Status, Time } from '../ui/states';

/** What each schedule is for, and which jobs it adds. */
const ABOUT: Record<string, { about: string; type?: string }> = {
  check_and_schedule_briefs: { about: 'Queues the briefs that fall due in the next hour, each at its user’s own time.', type: 'generate_daily_brief' },
  check_and_schedule_daily_sms: { about: 'Plans the reminders by text message of every local day that begins next.', type: 'schedule_daily_sms' },
  schedule_recurring_tasks: { about: 'Gives finished recurring tasks their next instance.', type: 'update_recurring_tasks' },
  schedule_cleanup: { about: 'Archives what ended long ago and clears what is stale.', type: 'cleanup_old_data' },
};

/** When each schedule ran last and runs next, and running one now. */
export default function Schedules() {
  const { data, error, refresh } = useLive('schedules', signal => get<{ schedules: Schedule[] }>('/schedules', {}, signal), 5000);
  return (
    <Page title="Schedules" lead="A tick that was missed is caught up by the next one, and nothing is queued twice. Times of day are in UTC.">
      {error && <Failure error={error} retry={refresh} />}
      {!data ? !error && <Loading /> : data.schedules.length === 0 ? <Empty title="There are no schedules" /> : (
        <div class="columns">{data.schedules.map(schedule => <One key={schedule.name} schedule={schedule} refresh={refresh} />)}</div>
      )}
    </Page>
  );
}

function One({ schedule, refresh }: { schedule: Schedule; refresh: () => void }) {
  const [busy, start] = useAttempt();
  const known = ABOUT[schedule.name];
  const run = async () => {
    await start(async () => {
      const { queued } = await send<{ queued: number }>('POST', `/schedules/${schedule.name}/run`);
      return queued ? `It ran and queued ${plural(queued, 'job')}.` : 'It ran. There was nothing to queue that is not queued already.';
    });
    refresh();
  };
  return (
    <Panel title={words(schedule.name)} aside={<button type="button" class="small" disabled={busy} onClick={() => void run()} aria-label={`Run now: ${words(schedule.name)}`}><Icon name="play" />Run now</button>}>
      {known && <p class="soft">{known.about}</p>}
      <dl class="fact-list">
        <div><dt>Next run</dt><dd><Time at={schedule.nextRun} /> <code class="soft">{schedule.cron}</code></dd></div>
        <div><dt>Last run</dt><dd>{schedule.lastRun ? <Time at={schedule.lastRun} /> : 'never'}</dd></div>
        <div><dt>How it ended</dt><dd>{schedule.lastOutcome ? <Status status={schedule.lastOutcome} /> : '–'}</dd></div>
        {schedule.lastQueued !== null && <div><dt>It queued</dt><dd>{known?.type ? <a href={jobsPath({ type: known.type })}>{plural(schedule.lastQueued, 'job')}</a> : plural(schedule.lastQueued, 'job')}</dd></div>}
        {schedule.lastError && <div><dt>Error</dt><dd class="wrong">{schedule.lastError} <span class="soft">(<Time at={schedule.lastErrorAt} />)</span></dd></div>}
      </dl>
    </Panel>
  );
}
