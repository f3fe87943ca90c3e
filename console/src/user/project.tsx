// A project as a plan: made while one watches, phase after phase on a line of time.
import { useState } from 'preact/hooks';
import { get, send } from '../api';
import { useLive, useOutdated } from '../live';
import { duration } from '../format';
import { attempt, useAttempt } from '../toasts';
import { Icon } from '../ui/icon';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading, Progress, Time } from '../ui/states';
import { shortDay } from './days';
import { ofUser } from './need-user';
import type { Project } from './projects';
import { jobs, useChanges } from './session';
import { Steps } from './steps';
import { liveJob, stepsOf } from './work';

interface PlannedTask {
  id: string;
  title: string;
  status: string;
  priority: string;
  due_date: string | null;
  estimated_minutes?: number | null;
  suggested_start_date?: string | null;
  suggested_end_date?: string | null;
  assignment_reason?: string | null;
}

interface Phase {
  id: string;
  name: string;
  description: string | null;
  order: number;
  start_date: string | null;
  end_date: string | null;
  tasks: PlannedTask[];
}

interface Plan {
  phases: Phase[];
  backlogTasks: PlannedTask[];
  generation: { planned_by: string; llm_model: string | null; scheduling_method: string; summary: string | null; notes: unknown; created_at: string } | null;
}

const METHODS: [string, string][] = [
  ['phases_only', 'Phases alone'],
  ['schedule_in_phases', 'With dates for each task'],
  ['calendar_optimized', 'With dates around my calendar'],
];

function ProjectPage({ user, id = '' }: { user: string; id?: string }) {
  const list = useLive(`projects ${user}`, signal => get<{ projects: Project[] }>(`/users/${user}/projects`, {}, signal), 60_000);
  const plan = useLive(`plan ${id}`, signal => get<Plan>(`/projects/${id}/phases`, {}, signal), 60_000);
  const { data, error, refresh } = plan;
  useChanges(['phases', 'queue_jobs'], () => (refresh(), list.refresh()));
  const project = list.data?.projects.find(each => each.id === id);
  const job = liveJob(jobs.value, 'generate_phases', each => each.metadata.projectId === id);
  const outdated = useOutdated(Boolean(job), plan);
  return (
    <Page title={project?.name ?? 'Project'} lead={project?.description ?? undefined} actions={<a class="button" href="/console/projects"><Icon name="left" />All projects</a>}>
      {error && (error.status === 404 ? <Empty title="There is no such project">It may be gone, or belong to somebody else. <a href="/console/projects">All projects</a></Empty> : <Failure error={error} retry={refresh} />)}
      {!error && (!data || outdated) && <Loading />}
      {job && (
        <Panel title="A plan is being made">
          <div class="making">
            <Progress value={job.progress.current} label="Making the plan" />
            <p role="status">{job.status === 'processing' ? job.progress.message : 'Waiting for a free worker'}</p>
            <Steps steps={stepsOf({ type: job.job_type, status: 'processing', step: job.metadata.generation_progress?.step ?? null })} />
            <p class="actions"><button type="button" class="small" onClick={() => void attempt(async () => void (await send('POST', `/jobs/${job.id}/cancel`)))}>Cancel</button></p>
          </div>
        </Panel>
      )}
      {data && !job && !outdated && <Make user={user} id={id} planned={data.phases.length > 0} tasks={(project?.open_tasks ?? 1) > 0} />}
      {data && data.phases.length > 0 && <PlanShown plan={data} />}
      {data && data.backlogTasks.length > 0 && (
        <Panel title={data.phases.length ? 'In no phase' : 'Tasks'} aside={`${data.backlogTasks.length}`}>
          <ul class="agenda">{data.backlogTasks.map(task => <TaskLine key={task.id} task={task} />)}</ul>
        </Panel>
      )}
      {data && data.phases.length === 0 && data.backlogTasks.length === 0 && !job && !outdated && <Empty title="The project has no open tasks">A plan is made from open tasks; add some in the app first.</Empty>}
    </Page>
  );
}

function Make({ user, id, planned, tasks }: { user: string; id: string; planned: boolean; tasks: boolean }) {
  const [method, setMethod] = useState('schedule_in_phases');
  const [asking, run] = useAttempt();
  if (!tasks) return null;
  const make = async (event: globalThis.Event) => {
    event.preventDefault();
    const options = { scheduling_method: method, ...(planned ? { regenerate: true } : {}) };
    await run(async () => void (await send('POST', '/queue/phases', { userId: user, projectId: id, options })));
  };
  return (
    <form class="make panel" onSubmit={make} aria-label="Make a plan">
      <label class="field">What kind of plan
        <select value={method} onChange={event => setMethod(event.currentTarget.value)}>{METHODS.map(([value, words]) => <option key={value} value={value}>{words}</option>)}</select>
      </label>
      <button class={planned ? undefined : 'primary'} disabled={asking}><Icon name={planned ? 'retry' : 'play'} />{planned ? 'Plan anew' : 'Make a plan'}</button>
      <p class="soft">{planned ? 'A new plan takes the place of this one.' : 'The open tasks are put into phases, in an order in which nothing waits for what comes after it.'}</p>
    </form>
  );
}

function PlanShown({ plan }: { plan: Plan }) {
  const made = plan.generation;
  return (
    <Panel title="Plan" aside={made && <span>Made <Time at={made.created_at} />{made.llm_model ? ` by ${made.llm_model}` : ' from dependencies and dates, without AI'}</span>}>
      {made?.summary && <p class="lead">{made.summary}</p>}
      <Line phases={plan.phases} />
      <ol class="phases">
        {plan.phases.map((phase, number) => (
          <li key={phase.id}>
            <header>
              <h3><span class="number" aria-hidden="true">{number + 1}</span>{phase.name}</h3>
              {phase.start_date && phase.end_date && <span class="soft">{dates(phase.start_date, phase.end_date)}</span>}
            </header>
            {phase.description && <p class="soft">{phase.description}</p>}
            <ul class="agenda">{phase.tasks.map(task => <TaskLine key={task.id} task={task} />)}</ul>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

/** The phases on a line of time, as long as they last. The list below says the same in words. */
function Line({ phases }: { phases: Phase[] }) {
  const dated = phases.filter(phase => phase.start_date && phase.end_date);
  if (dated.length === 0) return null;
  const day = (text: string) => Date.parse(`${text.slice(0, 10)}T00:00Z`) / 86_400_000;
  const first = Math.min(...dated.map(phase => day(phase.start_date!)));
  const last = Math.max(...dated.map(phase => day(phase.end_date!))) + 1;
  return (
    <div class="line" aria-hidden="true" style={{ '--days': last - first }}>
      {dated.map(phase => (
        <span key={phase.id} style={{ '--from': day(phase.start_date!) - first, '--for': day(phase.end_date!) - day(phase.start_date!) + 1 }}><b>{phases.indexOf(phase) + 1}</b></span>
      ))}
    </div>
  );
}

function TaskLine({ task }: { task: PlannedTask }) {
  const { suggested_start_date: from, suggested_end_date: until, due_date: due, estimated_minutes: minutes } = task;
  return (
    <li class={task.status === 'done' ? 'done' : undefined}>
      <span class="when">{from ? dates(from, until ?? from) : due ? `due ${shortDay(due.slice(0, 10))}` : ''}</span>
      <span>
        <b>{task.title}</b>
        <span class="tags">
          {task.priority === 'high' && task.status !== 'done' && <span class="tag high">high</span>}
          {task.status !== 'backlog' && <span class="tag">{task.status.replace('_', ' ')}</span>}
          {minutes ? <span class="tag">{duration(minutes * 60)}</span> : null}
        </span>
        {task.assignment_reason && <span class="why soft">{task.assignment_reason}</span>}
      </span>
    </li>
  );
}

function dates(from: string, until: string): string {
  const [a, b] = [from.slice(0, 10), until.slice(0, 10)];
  return a === b ? shortDay(a) : `${shortDay(a)} – ${shortDay(b)}`;
}

export default ofUser('Project', ProjectPage);
