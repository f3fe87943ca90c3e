import { useState } from 'preact/hooks';
import { chooseUser, chosenUser, type ChosenUser } from '../access';
import { get } from '../api';
import { useLive } from '../live';
import { Dialog } from '../ui/dialog';
import { Empty, Failure, Loading } from '../ui/states';

/** Whose pages are shown: an operator, or anybody in open mode, looks for a user by name or address. */
export function UserPicker() {
  const [open, setOpen] = useState(false);
  const user = chosenUser.value;
  return (
    <>
      <button type="button" class="who" onClick={() => setOpen(true)} aria-haspopup="dialog">
        {user ? <><b>{user.name ?? user.email}</b><span>change</span></> : <b>Choose a user…</b>}
      </button>
      {open && <UserDialog title="Whose pages?" onClose={() => setOpen(false)} onChoose={chooseUser} />}
    </>
  );
}

/** Looks for a user by name or address. */
export function UserDialog({ title, onClose, onChoose }: { title: string; onClose: () => void; onChoose: (user: ChosenUser) => void }) {
  return (
    <Dialog title={title} onClose={onClose}>
      <Search
        choose={user => {
          onChoose(user);
          onClose();
        }}
      />
    </Dialog>
  );
}

function Search({ choose }: { choose: (user: ChosenUser) => void }) {
  const [text, setText] = useState('');
  const { data, error, refresh } = useLive(`users ${text}`, signal => get<{ users: ChosenUser[] }>('/users', { text, limit: 20 }, signal), 0, true);
  return (
    <>
      <label class="field">Name or e-mail address
        <input type="search" value={text} autoFocus onInput={event => setText(event.currentTarget.value)} />
      </label>
      {error ? <Failure error={error} retry={refresh} /> : !data ? <Loading /> : data.users.length === 0 ? <Empty title="Nobody is found">Try a part of the name, or of the address.</Empty> : (
        <ul class="choices">
          {data.users.map(user => (
            <li key={user.id}>
              <button type="button" onClick={() => choose(user)}><b>{user.name ?? user.email}</b><span>{user.email} · {user.timezone}</span></button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
