// What a page shows lies in its address, so that it can be shared, reloaded and gone back to.
import { useLocation } from 'preact-iso';
import { useCallback } from 'preact/hooks';
import { query as write } from './api';

export type Query = Record<string, string>;

/** The query of the address, and a way to change parts of it; an empty value takes a part away. `replace` adds no step to go back. */
export function useQuery(): [Query, (changes: Record<string, string | null | undefined>, replace?: boolean) => void] {
  const { path, query, route } = useLocation();
  const change = useCallback(
    (changes: Record<string, string | null | undefined>, replace = false) => route(path + write({ ...query, ...changes }), replace),
    [path, query, route],
  );
  return [query, change];
}
