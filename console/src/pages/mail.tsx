import { get } from '../api';
import { moment, plural } from '../format';
import { useLive } from '../live';
import { useQuery } from '../query';
import type { Mail } from '../system/types';
import { Icon } from '../ui/icon';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading, Status } from '../ui/states';

/** The mail that was sent, and whether it was opened and its links followed. */
export default function MailPage() {
  const [{ cursor = '' }, change] = useQuery();
  const { data, error, refresh } = useLive(`mail ${cursor}`, signal => get<{ mails: Mail[]; nextCursor: string | null }>('/mail', { limit: 50, cursor }, signal), cursor ? 0 : 4000, true);
  return (
    <Page title="Mail" lead="What was sent, newest first. On one’s own machine it goes to a folder, the outbox, and not to anybody.">
      {error && <Failure error={error} retry={refresh} />}
      <Panel title="Sent mail">
        {!data ? !error && <Loading /> : data.mails.length === 0 ? <Empty title="No mail yet">A brief is mailed to users who want it, and <code>POST /queue/email</code> sends any other.</Empty> : (
          <div class="table" tabIndex={0} role="region" aria-label="Table of sent mail">
            <table>
              <thead><tr><th>State</th><th>Subject</th><th>To</th><th>Sent</th><th>Through</th><th>Opened</th><th>Links followed</th></tr></thead>
              <tbody>
                {data.mails.map(mail => (
                  <tr key={mail.id}>
                    <td class="tight"><Status status={mail.status} /></td>
                    <th scope="row" class="says"><a href={`/console/mail/${mail.id}`}>{mail.subject || 'no subject'}</a></th>
                    <td>{mail.recipients?.join(', ') ?? '–'}</td>
                    <td class="tight">{mail.sent_at ? moment(mail.sent_at) : '–'}</td>
                    <td>{mail.transport ?? '–'}</td>
                    <td class="tight"><Mark count={mail.open_count} one="time" /></td>
                    <td class="tight"><Mark count={mail.click_count} one="time" /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
      <nav class="pager" aria-label="Pages of mail">
        <button type="button" disabled={!cursor} onClick={() => change({ cursor: '' })}><Icon name="left" />Newest</button>
        <button type="button" disabled={!data?.nextCursor} onClick={() => change({ cursor: data!.nextCursor })}>Older<Icon name="right" /></button>
      </nav>
    </Page>
  );
}

function Mark({ count, one }: { count: number | null; one: string }) {
  return count ? <span class="mark-yes"><Icon name="check" />{plural(count, one)}</span> : <span class="soft">not yet</span>;
}
