// What a page shows lies in its address, so that it can be shared, reloaded and gone back to.
import { useLocation, useRoute } from 'preact-iso';
import { useCallback } from 'preact/hooks';
import { query as write } from './api';

export type Query = Record<string, string>;

/**
 * The query of the page's address, and a way to change parts of it; an empty value takes a part away. `replace` adds no step to go
 * back. A change counts from what the address says by then, and not at all once the person has gone on to another page.
 */
export function useQuery(): [Query, (changes: Record<string, string | null | undefined>, replace?: boolean) => void] {
  const { path, query } = useRoute();
  const { route } = useLocation();
  const change = useCallback(
    (changes: Record<string, string | null | undefined>, replace = false) => {
      if ((location.pathname.replace(/\/+$/, '') || '/') !== path) return;
      route(path + write({ ...Object.fromEntries(new URLSearchParams(location.search)), ...changes }), replace);
    },
    [path, route],
  );
  return [query, change];
}
