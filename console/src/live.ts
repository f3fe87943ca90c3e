// Looking again and again: every few seconds while the tab is seen, not at all while it is hidden.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { token } from './access';
import type { ApiError } from './api';

export interface Live<T> {
  /** The last answer; it stays while a later look fails. */
  data: T | undefined;
  /** Why the last look failed; undefined once one succeeds. */
  error: ApiError | undefined;
  /** When the last answer came, in milliseconds since 1970. */
  at: number;
  /** Look again now. */
  refresh: () => void;
}

const LONGEST_WAIT = 30_000;

/**
 * What `load` answers, asked again `every` milliseconds (0: once) and whenever `key` changes. After a failure it waits longer
 * each time, 30 s at most; a tab that is shown again looks at once. `keep` shows the answer of the key before until the new one
 * is there: for a list whose filter changes, not for a page about something else.
 */
export function useLive<T>(key: string, load: (signal: AbortSignal) => Promise<T>, every = 3000, keep = false): Live<T> {
  const [state, setState] = useState<Omit<Live<T>, 'refresh'>>({ data: undefined, error: undefined, at: 0 });
  const look = useRef<() => void>(() => {});
  const loader = useRef(load);
  loader.current = load;
  const known = token.value;

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asked: AbortController | undefined;
    let failures = 0;
    if (!keep) setState({ data: undefined, error: undefined, at: 0 });

    const later = () => {
      clearTimeout(timer);
      if (every && !document.hidden) timer = setTimeout(now, Math.min(every * 2 ** failures, Math.max(every, LONGEST_WAIT)));
    };
    const now = async () => {
      clearTimeout(timer);
      asked?.abort();
      const mine = (asked = new AbortController());
      try {
        const data = await loader.current(mine.signal);
        if (mine.signal.aborted) return;
        failures = 0;
        setState({ data, error: undefined, at: Date.now() });
      } catch (error) {
        if (mine.signal.aborted) return;
        failures += 1;
        setState(before => ({ ...before, error: error as ApiError }));
      }
      later();
    };
    const seen = () => (document.hidden ? clearTimeout(timer) : every && void now());

    look.current = () => void now();
    void now();
    document.addEventListener('visibilitychange', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      clearTimeout(timer);
      asked?.abort();
    };
  }, [key, every, known]);

  return { ...state, refresh: useCallback(() => look.current(), []) };
}
