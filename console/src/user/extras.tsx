// What a user sees beside every page: the stack of notifications, and word of a lost connection.
import { useEffect } from 'preact/hooks';
import { access, asking, userId } from '../access';
import { connection, reconnect, startSession } from './session';
import { followNotices } from './notices';
import { Stack } from './stack';

export function Extras() {
  const id = userId.value;
  const known = access.value !== null && access.value.caller !== 'anonymous';
  useEffect(() => startSession(followNotices), []);
  if (!id || !known) return null;
  return (
    <>
      <Connection />
      <Stack />
    </>
  );
}

function Connection() {
  const { status, reason } = connection.value;
  if (status === 'waiting') return <p class="offline" role="status"><span class="spinner" aria-hidden="true" />The connection is lost. It is tried again…</p>;
  if (status === 'lost') {
    return (
      <p class="offline" role="alert">
        The server does not answer. What is shown may be old.
        <button type="button" class="small" onClick={reconnect}>Try again</button>
        <button type="button" class="small" onClick={() => location.reload()}>Refresh the page</button>
      </p>
    );
  }
  if (status === 'refused') {
    return (
      <p class="offline" role="alert">
        {reason || 'The server refuses the connection.'}
        <button type="button" class="small" onClick={() => (asking.value = '')}>Enter a key or token</button>
        <button type="button" class="small" onClick={reconnect}>Try again</button>
      </p>
    );
  }
  return null;
}
