import type { ApiError } from '../api';
import { count } from '../format';
import { typeLabel } from '../job-types';
import { Panel } from '../ui/page';
import { Empty, Failure, Loading, Time } from '../ui/states';
import { jobPath, jobsPath } from './links';
import type { FailureGroup } from './types';

/** What failed in the last day, by what was said. */
export function Failures({ groups, error }: { groups: FailureGroup[] | undefined; error: ApiError | undefined }) {
  return (
    <Panel title="What failed, by its message" aside="last 24 hours">
      {error && !groups ? <Failure error={error} /> : !groups ? <Loading /> : groups.length === 0 ? <Empty title="Nothing failed">In the last 24 hours every attempt went well.</Empty> : (
        <ul class="groups">
          {groups.map(group => (
            <li key={group.job_type + group.pattern}>
              <div>
                <p class="message" title={group.last_message}>{group.pattern}</p>
                <p class="soft">{typeLabel(group.job_type)} · <a href={jobPath(group.last_job)}>latest</a> <Time at={group.last_at} />{group.retried > 0 && ` · ${count(group.retried)} tried again`}</p>
              </div>
              {group.failed > 0 ? (
                <a class="button small" href={jobsPath({ status: 'failed', type: group.job_type, text: group.text })} aria-label={`${count(group.failed)} failed jobs: ${group.pattern}`}>{count(group.failed)} failed</a>
              ) : <a class="button small" href={jobsPath({ type: group.job_type, text: group.text })}>retried</a>}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
