// A user's projects, each with how far it is.
import { get } from '../api';
import { useLive } from '../live';
import { Page } from '../ui/page';
import { Empty, Failure, Loading } from '../ui/states';
import { ofUser } from './need-user';
import { jobs, useChanges } from './session';
import { liveJob } from './work';

export interface Project {
  id: string;
  name: string;
  description: string | null;
  status: string;
  open_tasks: number;
  done_tasks: number;
  phase_count: number;
}

function Projects({ user }: { user: string }) {
  const { data, error, refresh } = useLive(`projects ${user}`, signal => get<{ projects: Project[] }>(`/users/${user}/projects`, {}, signal), 60_000);
  useChanges(['phases', 'queue_jobs'], refresh);
  return (
    <Page title="Projects" lead="Open one to see it as a plan: phases with dates, made from its tasks.">
      {error && <Failure error={error} retry={refresh} />}
      {!data ? !error && <Loading /> : data.projects.length === 0 ? (
        <Empty title="There are no projects yet">They come from the app, from <code>buildos import</code> with a list of tasks, or from a brain dump: send one to <code>POST /queue/brain-dump</code>.</Empty>
      ) : (
        <ul class="cards">{data.projects.map(project => <li key={project.id}><Card project={project} /></li>)}</ul>
      )}
    </Page>
  );
}

function Card({ project }: { project: Project }) {
  const { id, name, description, status, open_tasks: open, done_tasks: done, phase_count: phases } = project;
  const planning = liveJob(jobs.value, 'generate_phases', job => job.metadata.projectId === id);
  return (
    <article class="card panel">
      <h2><a href={`/console/projects/${id}`}>{name}</a></h2>
      {description && <p class="soft">{description}</p>}
      {open + done > 0 && <progress value={done} max={open + done} aria-label={`Done tasks of ${name}`} />}
      <p class="facts">
        <span>{open + done === 0 ? 'no tasks' : `${done} of ${open + done} tasks done`}</span>
        <span>{planning ? `planning, ${Math.round(planning.progress.current)} %` : phases ? `${phases} ${phases === 1 ? 'phase' : 'phases'}` : 'no plan yet'}</span>
        {status !== 'active' && <span class="tag">{status}</span>}
      </p>
    </article>
  );
}

export default ofUser('Projects', Projects);
