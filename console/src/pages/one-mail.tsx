import { get } from '../api';
import { moment } from '../format';
import { useLive } from '../live';
import type { Parts } from '../routes';
import { jobPath, jobsPath } from '../system/links';
import type { WholeMail } from '../system/types';
import { Page, Panel } from '../ui/page';
import { Empty, Failure, Loading, Status } from '../ui/states';

/** One mail: what it says, every try to send it, every time it was opened or one of its links was followed. */
export default function OneMail({ id = '' }: Parts) {
  const { data: mail, error, refresh } = useLive(`mail ${id}`, signal => get<WholeMail>(`/mail/${encodeURIComponent(id)}`, {}, signal), 4000);
  if (!mail) return <Page title="Mail">{error ? error.status === 404 ? <p>There is no such mail. <a href="/console/mail">All mail</a></p> : <Failure error={error} retry={refresh} /> : <Loading />}</Page>;
  return (
    <Page title={mail.subject || 'No subject'} lead={<span class="job-lead"><Status status={mail.status} />to {mail.recipients?.join(', ') ?? 'nobody yet'}</span>}>
      {mail.error && mail.status !== 'sent' && <section class="failure" aria-label="Error"><b>The last try failed</b><pre>{mail.error}</pre></section>}
      <div class="columns job">
        <Panel title="Text">{mail.text ? <pre class="letter">{mail.text}</pre> : <Empty title="It has no text part" />}</Panel>
        <div class="stack-of-panels">
          <Panel title="Opened and followed">
            {mail.marks.length === 0 ? <Empty title="Not opened yet">Programs that load no pictures cannot tell.</Empty> : (
              <ol class="timeline">
                {mail.marks.map((mark, place) => (
                  <li key={place} class="completed">
                    <div><b>{mark.event_type === 'opened' ? 'Opened' : 'Link followed'}</b><time dateTime={mark.created_at}>{moment(mark.created_at)}</time></div>
                    {mark.clicked_url && <p class="message">{mark.clicked_url}</p>}
                    {mark.user_agent && <p class="soft">{mark.user_agent}</p>}
                  </li>
                ))}
              </ol>
            )}
          </Panel>
          <Panel title="Tries to send it">
            {mail.tries.length === 0 ? <Empty title="Not tried yet" /> : (
              <ol class="timeline">
                {mail.tries.map((each, place) => (
                  <li key={place} class={each.status === 'sent' ? 'completed' : 'failed'}>
                    <div><Status status={each.status} word={each.status.replace('_', ' ')} /><time dateTime={each.created_at}>{moment(each.created_at)}</time></div>
                    <p class="soft">through {each.transport}{each.attempt ? `, attempt ${each.attempt}` : ''}</p>
                    {each.error && <p class="message">{each.error}</p>}
                  </li>
                ))}
              </ol>
            )}
            <p class="soft">{mail.queue_job_id ? <a href={jobPath(mail.queue_job_id)}>The job that sends it</a> : <a href={jobsPath({ text: mail.id })}>Jobs that name it</a>}</p>
          </Panel>
        </div>
      </div>
    </Page>
  );
}
