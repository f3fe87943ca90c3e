// What jobs are called for their user, the steps they go through, and where their fruit is found.
import type { Job } from './session';

interface Kind {
  doing: string;
  done: string;
  failed: string;
  /** Names of the steps as the worker reports them, with words for people; empty where it reports a percentage alone. */
  steps: [name: string, words: string][];
  view?: (job: Job) => string | undefined;
}

/** The jobs that a user waits for. All others run in silence. */
export const KINDS: Record<string, Kind> = {
  generate_daily_brief: {
    doing: 'Writing your brief',
    done: 'Your brief is ready',
    failed: 'Your brief could not be written',
    steps: [
      ['fetching', 'Looking at your projects, tasks and calendar'],
      ['projects', 'Writing project by project'],
      ['consolidating', 'Putting it together'],
      ['analysing', 'Asking for an AI analysis'],
      ['saving', 'Saving'],
    ],
    view: job => `/console/today?date=${String(job.metadata.briefDate ?? '')}`,
  },
  generate_phases: {
    doing: 'Planning your project',
    done: 'Your plan is ready',
    failed: 'The project could not be planned',
    steps: [
      ['fetching', "Looking at the project's tasks"],
      ['planning', 'Putting them into phases'],
      ['calendar', 'Looking at your calendar'],
      ['saving', 'Saving'],
    ],
    view: job => `/console/projects/${String(job.metadata.projectId ?? '')}`,
  },
  onboarding_analysis: {
    doing: 'Reading what you told us',
    done: 'Your analysis is ready',
    failed: 'The analysis could not be made',
    steps: [
      ['reading', 'Reading what you told us'],
      ['analysing', 'Thinking about it'],
      ['saving', 'Saving'],
    ],
  },
  process_brain_dump: { doing: 'Sorting your brain dump', done: 'Your brain dump is sorted', failed: 'The brain dump could not be sorted', steps: [] },
  sync_calendar: {
    doing: 'Bringing your calendar up to date',
    done: 'Your calendar is up to date',
    failed: 'The calendar could not be read',
    steps: [],
    view: () => '/console/calendar',
  },
};

/** The page of the console for an address of the app; an address elsewhere as it is; nothing where there is no such page here. */
export function pageOf(url: string | null): string | null {
  const [, kind, id] = /^\/(briefs|projects)\/([\w-]+)/.exec(url ?? '') ?? [];
  if (kind) return kind === 'briefs' ? `/console/today?date=${id}` : `/console/projects/${id}`;
  return /^https?:\/\//.test(url ?? '') ? url : null;
}

export interface Step {
  words: string;
  state: 'done' | 'current' | 'waiting' | 'failed';
}

/** The steps of a job and how far it is; empty where the job has none. */
export function stepsOf(job: { type: string; status: string; step: string | null }): Step[] {
  const steps = KINDS[job.type]?.steps ?? [];
  const at = job.status === 'success' || job.step === 'done' ? steps.length : steps.findIndex(([name]) => name === job.step);
  return steps.map(([, words], number) => ({
    words,
    state: number < at ? 'done' : number > at ? 'waiting' : job.status === 'error' || job.status === 'cancelled' ? 'failed' : 'current',
  }));
}

export const LIVE = new Set(['pending', 'processing', 'retrying']);

/** The job of that type that has not ended and fits; the newest. */
export function liveJob(jobs: Job[], type: string, fits: (job: Job) => boolean): Job | undefined {
  return jobs
    .filter(job => job.job_type === type && LIVE.has(job.status) && fits(job))
    .sort((a, b) => b.created_at.localeCompare(a.created_at))[0];
}
