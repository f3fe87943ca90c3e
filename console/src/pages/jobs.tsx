import { get, query as write } from '../api';
import { moment } from '../format';
import { useLive } from '../live';
import { useQuery } from '../query';
import { Bulk } from '../system/bulk';
import { FilterBar } from '../system/filter-bar';
import { filterOf } from '../system/job-filter';
import { JobTable } from '../system/job-table';
import type { Job } from '../system/types';
import { Icon } from '../ui/icon';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading } from '../ui/states';

interface Jobs { jobs: Job[]; nextCursor: string | null; searchedTo: string | null }

const PAGE = 50;

/** Everybody's jobs, newest first, by any filter; and what can be done to all of them at once. */
export default function JobsPage() {
  const [query, change] = useQuery();
  const { cursor = '' } = query;
  // Only the newest are asked for again and again: an older page stays as it was.
  const { data, error, refresh } = useLive(`jobs ${write(query)}`, signal => get<Jobs>('/jobs', { ...filterOf(query), archived: query.archived, limit: PAGE, cursor }, signal), cursor ? 0 : 3000, true);
  const filtered = Object.keys(query).some(name => name !== 'cursor');
  return (
    <Page title="Jobs" lead={cursor ? 'An older page: it stands still.' : 'Newest first, kept up to date.'} actions={!query.archived && <Bulk query={query} filter={filterOf(query)} refresh={refresh} />}>
      <FilterBar />
      {error && <Failure error={error} retry={refresh} />}
      <Panel title={filtered ? 'Jobs that match' : 'All jobs'} aside={data && <Found jobs={data} first={!cursor} />}>
        {!data ? !error && <Loading /> : data.jobs.length > 0 ? <JobTable jobs={data.jobs} label="Table of jobs" /> : data.searchedTo ? (
          <Empty title="Nothing found yet">Looked through everything back to {moment(data.searchedTo)}. Search further, or narrow the filter.</Empty>
        ) : filtered ? (
          <Empty title="No job matches">Take a part of the filter away. {query.archived ? 'Jobs that ended lately are not in the archive yet.' : 'Jobs that ended long ago are in the archive.'}</Empty>
        ) : (
          <Empty title="No job yet">Queue a first one: choose a user in the menu and generate a brief, or type <code>.venv/bin/buildos brief --user sample@buildos.example</code></Empty>
        )}
      </Panel>
      <nav class="pager" aria-label="Pages of jobs">
        <button type="button" disabled={!cursor} onClick={() => change({ cursor: '' })}><Icon name="left" />Newest</button>
        <button type="button" disabled={!data?.nextCursor} onClick={() => change({ cursor: data!.nextCursor })}>{data?.searchedTo ? 'Search further' : 'Older'}<Icon name="right" /></button>
      </nav>
    </Page>
  );
}

function Found({ jobs, first }: { jobs: Jobs; first: boolean }) {
  const some = jobs.jobs.length;
  return <span aria-live="polite">{jobs.searchedTo ? `${some} back to ${moment(jobs.searchedTo)}` : jobs.nextCursor ? (first ? `the newest ${some}` : `${some} older ones`) : first ? `${some} in all` : `the last ${some}`}</span>;
}
