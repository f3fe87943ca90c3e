// Light, dark, or as the system says; kept on this machine.
import { effect, signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const KEY = 'buildos.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

export const theme = signal<Theme>(stored());
/** Whether dark is what is shown: charts are painted anew when it changes. */
export const isDark = signal(false);

effect(() => {
  const chosen = theme.value;
  if (chosen === 'auto') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, chosen);
  document.documentElement.dataset.theme = chosen;
  show();
});
system.addEventListener('change', show);

function show(): void {
  isDark.value = theme.value === 'dark' || (theme.value === 'auto' && system.matches);
}

function stored(): Theme {
  const found = localStorage.getItem(KEY);
  return found === 'light' || found === 'dark' ? found : 'auto';
}
