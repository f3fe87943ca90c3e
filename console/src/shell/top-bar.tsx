import { useLocation } from 'preact-iso';
import { useEffect, useState } from 'preact/hooks';
import { access, isOperator, signOut } from '../access';
import { menu, type PageRoute } from '../routes';
import { theme, type Theme } from '../theme';
import { Icon } from '../ui/icon';
import { UserPicker } from './user-picker';

/** The menu: a column beside the page where there is room, a bar above it on a phone. */
export function TopBar() {
  const [open, setOpen] = useState(false);
  const { path } = useLocation();
  useEffect(() => setOpen(false), [path]);
  const known = access.value !== null && access.value.caller !== 'anonymous';
  return (
    <header class="bar">
      <div class="brand">
        <a href="/" class="logo"><span class="mark" aria-hidden="true" />BuildOS</a>
        <button type="button" class="menu-button quiet" aria-expanded={open} aria-controls="menu" onClick={() => setOpen(!open)}>
          <Icon name={open ? 'close' : 'menu'} /> Menu
        </button>
      </div>
      <div id="menu" class={open ? 'menu open' : 'menu'}>
        {known && (
          <nav aria-label="Pages">
            {isOperator.value && <Entries title="System" entries={menu('operator')} path={path} />}
            <Entries title="User" entries={menu('user')} path={path} before={isOperator.value && <UserPicker />} />
          </nav>
        )}
        <div class="foot">
          <a href="/docs">API</a>
          {access.value?.authMode === 'jwt' && known && <button type="button" class="link" onClick={signOut}>Forget the key</button>}
          <ThemeSwitch />
        </div>
      </div>
    </header>
  );
}

function Entries({ title, entries, path, before }: { title: string; entries: PageRoute[]; path: string; before?: preact.ComponentChildren }) {
  if (!entries.length) return null;
  return (
    <section>
      <h2>{title}</h2>
      {before}
      <ul>
        {entries.map(entry => (
          <li key={entry.path}>
            <a href={entry.path} aria-current={isWithin(path, entry.path) ? 'page' : undefined} title={`g ${entry.key}`}>{entry.title}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function isWithin(path: string, entry: string): boolean {
  return entry === '/' ? path === '/' : path === entry || path.startsWith(`${entry}/`);
}

const THEMES: { value: Theme; label: string; icon: 'auto' | 'sun' | 'moon' }[] = [
  { value: 'auto', label: 'As the system', icon: 'auto' },
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
];

function ThemeSwitch() {
  return (
    <fieldset class="switch">
      <legend class="hidden">Colours</legend>
      {THEMES.map(({ value, label, icon }) => (
        <label key={value} title={label}>
          <input type="radio" name="theme" value={value} checked={theme.value === value} onChange={() => (theme.value = value)} />
          <Icon name={icon} /><span class="hidden">{label}</span>
        </label>
      ))}
    </fieldset>
  );
}
