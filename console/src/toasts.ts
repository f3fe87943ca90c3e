// Short words on what was just done, in the corner and for screen readers.
import { signal } from '@preact/signals';
import { useRef, useState } from 'preact/hooks';

export interface Toast {
  id: number;
  kind: 'good' | 'bad';
  text: string;
}

export const toasts = signal<Toast[]>([]);
const SHOWN_FOR = { good: 5_000, bad: 12_000 };
let last = 0;

export function say(text: string, kind: Toast['kind'] = 'good'): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-3), { id, kind, text }];
  setTimeout(() => unsay(id), SHOWN_FOR[kind]);
}

export function unsay(id: number): void {
  toasts.value = toasts.value.filter(toast => toast.id !== id);
}

/** Run something that may fail, and say so where it does. Answers whether it went well. */
export async function attempt(work: () => Promise<string | void>): Promise<boolean> {
  try {
    const told = await work();
    if (told) say(told);
    return true;
  } catch (error) {
    say((error as Error).message, 'bad');
    return false;
  }
}

/** `attempt` for a button: whether it is under way, for which the button is disabled, and how to begin; twice at once does nothing. */
export function useAttempt(): [busy: boolean, run: (work: () => Promise<string | void>) => Promise<boolean>] {
  const [busy, setBusy] = useState(false);
  const running = useRef(false);
  const run = async (work: () => Promise<string | void>) => {
    if (running.current) return false;
    setBusy((running.current = true));
    const good = await attempt(work);
    setBusy((running.current = false));
    return good;
  };
  return [busy, run];
}
