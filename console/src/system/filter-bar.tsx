import { useEffect, useRef, useState } from 'preact/hooks';
import { words } from '../format';
import { typeLabel, typeNames } from '../job-types';
import { useQuery } from '../query';
import { UserDialog } from '../shell/user-picker';
import { AGES } from './job-filter';
import { STATUSES } from './types';

const TYPING = 350; // milliseconds without a key until a search begins

/** Type, state, place, user, text and time; all of it in the address. */
export function FilterBar() {
  const [query, change] = useQuery();
  const [choosing, setChoosing] = useState(false);
  const [cleared, setCleared] = useState(0);
  const set = (name: string, value: string) => change({ [name]: value, cursor: '' }, true);
  const between = Boolean(query.after || query.before) || query.added === 'between';
  const chosen = Object.keys(query).some(name => name !== 'cursor');
  const clear = () => {
    setCleared(cleared + 1); // what is being typed as well
    change(Object.fromEntries(Object.keys(query).map(name => [name, ''])));
  };
  return (
    <form class="filters" role="search" aria-label="Filter jobs" onSubmit={event => event.preventDefault()}>
      <Text key={cleared} value={query.text ?? ''} onText={value => set('text', value)} />
      <label class="field">State
        <select value={query.status ?? ''} onChange={event => set('status', event.currentTarget.value)}>
          <option value="">any</option>
          {STATUSES.map(status => <option key={status} value={status}>{words(status)}</option>)}
        </select>
      </label>
      <label class="field">Type
        <select value={query.type ?? ''} onChange={event => set('type', event.currentTarget.value)}>
          <option value="">any</option>
          {typeNames().map(type => <option key={type} value={type}>{typeLabel(type)}</option>)}
        </select>
      </label>
      <label class="field">Where
        <select value={query.archived ?? ''} onChange={event => set('archived', event.currentTarget.value)}>
          <option value="">queue</option>
          <option value="true">archive</option>
        </select>
      </label>
      <label class="field">Added
        <select value={between ? 'between' : query.added ?? ''} onChange={event => change({ added: event.currentTarget.value, after: '', before: '', cursor: '' }, true)}>
          <option value="">at any time</option>
          {Object.entries(AGES).map(([name, { label }]) => <option key={name} value={name}>{label}</option>)}
          <option value="between">between…</option>
        </select>
      </label>
      {between && (
        <>
          <label class="field">From<input type="datetime-local" value={query.after ?? ''} onChange={event => set('after', event.currentTarget.value)} /></label>
          <label class="field">Before<input type="datetime-local" value={query.before ?? ''} onChange={event => set('before', event.currentTarget.value)} /></label>
        </>
      )}
      <div class="field">User
        {query.user
          ? <button type="button" onClick={() => set('user', '')} title={query.user}>one user · show all</button>
          : <button type="button" aria-haspopup="dialog" onClick={() => setChoosing(true)}>anybody</button>}
      </div>
      {chosen && <button type="button" class="quiet clear" onClick={clear}>Clear</button>}
      {choosing && <UserDialog title="Whose jobs?" onClose={() => setChoosing(false)} onChoose={user => set('user', user.id)} />}
    </form>
  );
}

function Text({ value, onText }: { value: string; onText: (text: string) => void }) {
  const [typed, setTyped] = useState(value);
  const told = useRef(value); // what the address got from here, or gave: only another value takes the place of what is being typed
  useEffect(() => {
    if (value === told.current) return;
    told.current = value;
    setTyped(value);
  }, [value]);
  useEffect(() => {
    const text = typed.trim();
    if (text === told.current) return;
    const timer = setTimeout(() => {
      told.current = text;
      onText(text);
    }, TYPING);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <label class="field grow">Search
      <input type="search" value={typed} maxLength={500} placeholder="part of an id, an error or the metadata" onInput={event => setTyped(event.currentTarget.value)} />
    </label>
  );
}
