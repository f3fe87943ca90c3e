// Looking again and again: every few seconds while the tab is seen, not at all while it is hidden.
import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { token } from './access';
import type { ApiError } from './api';

export interface Live<T> {
  /** The last answer; it stays while a later look fails. */
  data: T | undefined;
  /** Why the last look failed; undefined once one succeeds. */
  error: ApiError | undefined;
  /** When the look began that `data` is the answer to, in milliseconds since 1970; 0 without one. */
  asked: number;
  /** Look again now. */
  refresh: () => void;
}

type Answer<T> = Omit<Live<T>, 'refresh'> & { key: string };

const LONGEST_WAIT = 30_000;
const PATIENCE = 10_000; // milliseconds for which a look is left alone by a wish for another one

/**
 * What `load` answers, asked again `every` milliseconds (0: once) and whenever `key` changes. After a failure it waits longer
 * each time, 30 s at most; a tab that is shown again looks at once. `keep` shows the answer of the key before until the new one
 * is there: for a list whose filter changes, not for a page about something else.
 */
export function useLive<T>(name: string, load: (signal: AbortSignal) => Promise<T>, every: number | ((data: T | undefined) => number) = 3000, keep = false): Live<T> {
  const key = `${token.value} ${name}`;
  const nothing: Answer<T> = { key, data: undefined, error: undefined, asked: 0 };
  const [answer, setAnswer] = useState(nothing);
  const look = useRef<() => void>(() => {});
  const given = useRef({ load, every });
  given.current = { load, every };

  useLayoutEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asked: AbortController | undefined;
    let began = 0;
    let again = false;
    let failures = 0;
    let latest: T | undefined;

    const later = () => {
      clearTimeout(timer);
      const { every } = given.current;
      const pause = typeof every === 'number' ? every : every(latest);
      if (pause && !document.hidden) timer = setTimeout(now, Math.min(pause * 2 ** failures, Math.max(pause, LONGEST_WAIT)));
    };
    const now = async () => {
      clearTimeout(timer);
      asked?.abort();
      const mine = (asked = new AbortController());
      const at = (began = Date.now());
      again = false;
      try {
        const data = (latest = await given.current.load(mine.signal));
        if (mine.signal.aborted) return;
        failures = 0;
        setAnswer({ key, data, error: undefined, asked: at });
      } catch (error) {
        if (mine.signal.aborted) return;
        failures += 1;
        setAnswer(before => ({ ...(keep || before.key === key ? before : nothing), key, error: error as ApiError }));
      }
      asked = undefined;
      if (again) void now();
      else later();
    };
    // A look is not cut off by a wish for another one: where changes come faster than answers there would never be an answer.
    const soon = () => {
      if (asked && Date.now() - began < PATIENCE) again = true;
      else void now();
    };
    const seen = () => (document.hidden ? clearTimeout(timer) : given.current.every && soon());

    look.current = soon;
    void now();
    document.addEventListener('visibilitychange', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      clearTimeout(timer);
      asked?.abort();
    };
  }, [key]);

  const { data, error, asked } = keep || answer.key === key ? answer : nothing;
  return { data, error: answer.key === key ? error : undefined, asked, refresh: useCallback(() => look.current(), []) };
}

/** Whether what is shown is from before something ended that was `busy`, and what came of it is not loaded yet; it is looked for. */
export function useOutdated(busy: boolean, { asked, refresh }: Pick<Live<unknown>, 'asked' | 'refresh'>): boolean {
  const was = useRef(busy);
  const ended = useRef(0);
  if (was.current && !busy) ended.current = Date.now();
  was.current = busy;
  useLayoutEffect(() => {
    if (!busy && ended.current) refresh();
  }, [busy]);
  return !busy && asked < ended.current;
}
