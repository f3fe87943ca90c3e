import { ApiError, get } from '../api';
import { useLive } from '../live';
import { Charts } from '../system/charts';
import { Failures } from '../system/failures';
import { Counts } from '../system/counts';
import { Tiles } from '../system/tiles';
import type { FailureGroup, Figures, Health, Process, Waiting } from '../system/types';
import { Verdict } from '../system/verdict';
import { Workers } from '../system/workers';
import { Page } from '../ui/page';
import { Failure, Loading } from '../ui/states';

/** The state of the system in ten seconds: is it well, what does it do, what went wrong, and the next thing to do. */
export default function Overview() {
  const health = useLive('health', askHealth, 2000);
  const waiting = useLive('waiting', signal => get<{ waiting: Waiting[] }>('/queue/waiting', {}, signal), 3000);
  const workers = useLive('workers', signal => get<{ processes: Process[] }>('/workers', {}, signal), 3000);
  const failures = useLive('failures', signal => get<{ failures: FailureGroup[] }>('/queue/failures', { hours: 24 }, signal), 5000);
  const lastHour = useLive('last hour', signal => get<Figures>('/queue/figures', { range: 'hour' }, signal), 5000);
  return (
    <Page title="Overview">
      {health.error && <Failure error={health.error} retry={health.refresh} />}
      {!health.data ? !health.error && <Loading /> : (
        <>
          {!health.error && <Verdict health={health.data} processes={workers.data?.processes} />}
          <Tiles health={health.data} waiting={waiting.data?.waiting} figures={lastHour.data?.figures} />
          <Charts />
          <div class="columns two-one">
            <Counts health={health.data} refresh={health.refresh} />
            <Failures groups={failures.data?.failures} error={failures.error} />
          </div>
          <Workers processes={workers.data?.processes} refresh={workers.refresh} />
        </>
      )}
    </Page>
  );
}

/** An unhealthy system answers 503, and all the same says how it is. */
async function askHealth(signal: AbortSignal): Promise<Health> {
  try {
    return await get<Health>('/health', {}, signal);
  } catch (error) {
    if (error instanceof ApiError && error.body && 'checks' in (error.body as object)) return error.body as Health;
    throw error;
  }
}
