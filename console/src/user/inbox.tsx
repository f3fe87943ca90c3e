// What the app has told its user, newest first.
import { useState } from 'preact/hooks';
import { get, send } from '../api';
import { useLive } from '../live';
import { attempt, useAttempt } from '../toasts';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading, Time } from '../ui/states';
import { ofUser } from './need-user';
import { useChanges } from './session';
import { pageOf } from './work';

interface Told {
  id: string;
  eventType: string;
  title: string;
  body: string | null;
  url: string | null;
  createdAt: string;
  readAt: string | null;
}

interface List {
  notifications: Told[];
  unreadCount: number;
  nextCursor: string | null;
}

const A_PAGE = 20;
const MOST = 100;

function Inbox({ user }: { user: string }) {
  const [unread, setUnread] = useState(false);
  const [limit, setLimit] = useState(A_PAGE);
  const { data, error, refresh } = useLive(`inbox ${user} ${unread} ${limit}`, signal => get<List>(`/users/${user}/notifications`, { limit, unread: unread || null }, signal), 60_000, true);
  useChanges(['notifications'], refresh);
  const read = (told: Told[]) => attempt(async () => {
    for (const { id } of told) await send('POST', `/users/${user}/notifications/${id}/read`);
    refresh();
  });
  const [busy, run] = useAttempt();
  const test = () => run(async () => {
    const payload = { title: 'This is how it looks', body: 'A notification in the app. It waits in this list until you have read it.' };
    await send('POST', '/queue/notification', { userId: user, channel: 'in-app', eventType: 'system.announcement', payload });
  });
  const waiting = data?.notifications.filter(told => !told.readAt) ?? [];
  return (
    <Page title="Notifications" lead={data && (data.unreadCount ? `${data.unreadCount} not read` : 'All are read')} actions={<button type="button" disabled={busy} onClick={() => void test()}>Send a test</button>}>
      {error && <Failure error={error} retry={refresh} />}
      <Panel title="Inbox" aside={(
        <>
          <label class="check"><input type="checkbox" checked={unread} onChange={event => setUnread(event.currentTarget.checked)} /> Only those not read</label>
          {waiting.length > 0 && <button type="button" class="small" onClick={() => void read(waiting)}>Mark these as read</button>}
        </>
      )}>
        {!data ? !error && <Loading /> : data.notifications.length === 0 ? (
          <Empty title={unread ? 'Nothing is left to read' : 'Nothing yet'}>{unread ? 'Those that were read are behind the filter.' : 'Finished briefs, plans and reminders are told here. A test shows how.'}</Empty>
        ) : (
          <ul class="inbox">{data.notifications.map(told => <Item key={told.id} told={told} read={() => void read([told])} />)}</ul>
        )}
        {data?.nextCursor && limit < MOST && <p class="actions"><button type="button" class="small" onClick={() => setLimit(limit + A_PAGE)}>Show more</button></p>}
      </Panel>
    </Page>
  );
}

function Item({ told, read }: { told: Told; read: () => void }) {
  const page = pageOf(told.url);
  return (
    <li class={told.readAt ? undefined : 'unread'}>
      <span class="dot" aria-hidden="true" />
      <div>
        <b>{told.title}</b>{!told.readAt && <span class="hidden"> (not read)</span>}
        {told.body && <p>{told.body}</p>}
        <p class="soft"><Time at={told.createdAt} /></p>
      </div>
      <span class="actions">
        {page && <a class="button small" href={page} aria-label={`View: ${told.title}`} onClick={read}>View</a>}
        {!told.readAt && <button type="button" class="small" aria-label={`Mark as read: ${told.title}`} onClick={read}>Read</button>}
      </span>
    </li>
  );
}

export default ofUser('Notifications', Inbox);
