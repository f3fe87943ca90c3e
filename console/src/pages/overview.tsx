import { get } from '../api';
import { useLive } from '../live';
import { Page, Panel } from '../ui/page';
import { Failure, Loading, Status } from '../ui/states';

interface Health { status: string; checks: Record<string, string> }

export default function Overview() {
  const { data, error, refresh } = useLive('health', signal => get<Health>('/health', {}, signal));
  return (
    <Page title="Overview">
      {error && <Failure error={error} retry={refresh} />}
      {!data ? !error && <Loading /> : (
        <Panel title="Parts">
          <ul>{Object.entries(data.checks).map(([name, word]) => <li key={name}>{name}: <Status status={word} /></li>)}</ul>
        </Panel>
      )}
    </Page>
  );
}
