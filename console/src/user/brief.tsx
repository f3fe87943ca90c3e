// The brief of a day: made while one watches, and read.
import { useMemo } from 'preact/hooks';
import { get, send } from '../api';
import { useLive, useOutdated } from '../live';
import { attempt, useAttempt } from '../toasts';
import { Icon } from '../ui/icon';
import { Panel } from '../ui/page';
import { Empty, Failure, Loading, Progress, Time } from '../ui/states';
import { dayAndClock, shift, shortDay } from './days';
import { jobs, useChanges } from './session';
import { Steps } from './steps';
import { liveJob, stepsOf } from './work';

interface Written {
  brief_date: string;
  timezone: string;
  generation_status: 'pending' | 'processing' | 'completed' | 'failed';
  generation_error: string | null;
  generation_completed_at: string | null;
  summary_html: string | null;
  llm_model: string | null;
}

export function Brief({ user, day }: { user: string; day: string }) {
  const brief = useLive(`brief ${user} ${day}`, signal => find(user, day, signal), 60_000);
  const { data, error, refresh } = brief;
  useChanges(['daily_briefs'], refresh);
  const job = liveJob(jobs.value, 'generate_daily_brief', each => each.metadata.briefDate === day);
  const outdated = useOutdated(Boolean(job), brief);
  const [asking, run] = useAttempt();
  const make = () => {
    const again = data?.generation_status === 'completed';
    return run(async () => void (await send('POST', '/queue/brief', { userId: user, briefDate: day, forceImmediate: true, ...(again ? { forceRegenerate: true } : {}) })));
  };
  const waits = job && Date.parse(job.scheduled_for) > Date.now() + 60_000 && job.status === 'pending';
  const making = job && !waits;
  const ready = data?.generation_status === 'completed' && data.summary_html !== null;
  const coming = data === undefined || (outdated && !ready);
  const button = (words: string, kind?: string) => (
    <button type="button" class={kind} disabled={asking || Boolean(making)} onClick={() => void make()}><Icon name={ready ? 'retry' : 'play'} />{words}</button>
  );
  return (
    <Panel title="Daily brief" aside={ready && button('Write it again', 'small')}>
      {making && (
        <div class="making">
          <Progress value={job.progress.current} label="Writing the brief" />
          <p role="status">{job.status === 'pending' ? 'Waiting for a free worker' : job.status === 'retrying' ? `The last try failed: ${job.error}. The next is at ${dayAndClock(job.scheduled_for, Intl.DateTimeFormat().resolvedOptions().timeZone)}.` : job.progress.message}</p>
          <Steps steps={stepsOf({ type: job.job_type, status: 'processing', step: job.metadata.generation_progress?.step ?? null })} />
          <p class="actions"><button type="button" class="small" onClick={() => void attempt(async () => void (await send('POST', `/jobs/${job.id}/cancel`)))}>Cancel</button></p>
        </div>
      )}
      {waits && <p class="soft">It is going to be written <Time at={job.scheduled_for} />. {button('Write it now', 'small')}</p>}
      {error && coming && <Failure error={error} retry={refresh} />}
      {coming ? !job && !error && <Loading /> : ready ? <Reading brief={data!} /> : !job && (
        data?.generation_status === 'failed' ? (
          <div class="failure" role="alert"><b>The brief could not be written.</b><p>{data.generation_error ?? 'No reason was given.'}</p>{button('Try again')}</div>
        ) : (
          <Empty title={`There is no brief for ${shortDay(day)} yet`}>
            It gathers your projects, what is due and your calendar on one page; that takes a few seconds.
            <span class="choose">{button('Write it', 'primary')}</span>
          </Empty>
        )
      )}
    </Panel>
  );
}

/** The brief of that day; null where there is none, which the list says without an error. */
async function find(user: string, day: string, signal: AbortSignal): Promise<Written | null> {
  const { briefs } = await get<{ briefs: Written[] }>(`/users/${user}/briefs`, { limit: 1, cursor: shift(day, 1) }, signal);
  return briefs[0]?.brief_date === day ? get<Written>(`/users/${user}/briefs/${day}`, {}, signal) : null;
}

/** The API has made its HTML safe; here its headings come under those of the page. */
function Reading({ brief }: { brief: Written }) {
  const html = useMemo(() => brief.summary_html!.replace(/<(\/?)h([1-4])>/g, (_, end: string, level: string) => `<${end}h${+level + 2}>`), [brief.summary_html]);
  return (
    <article class="prose">
      <div dangerouslySetInnerHTML={{ __html: html }} />
      <footer class="soft">Written <Time at={brief.generation_completed_at} />{brief.llm_model ? `, with an analysis by ${brief.llm_model}` : ', without AI analysis'}</footer>
    </article>
  );
}
