// The API as the pages use it: JSON in and out, errors as one class, the key of the tab sent along.
import { asking, authorization, token } from './access';

export type Values = Record<string, string | number | boolean | null | undefined>;

/** An answer other than success, in the API's own words. `status` is 0 where the API could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string,
    readonly details?: unknown,
    /** All that was answered. */
    readonly body?: unknown,
  ) {
    super(message);
  }
}

/** GET a path; values that are null, undefined or empty are left out of the query. */
export function get<T>(path: string, values: Values = {}, signal?: AbortSignal): Promise<T> {
  return call<T>(path + query(values), { signal });
}

/** POST, PUT or DELETE with a JSON body. */
export function send<T>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const content = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  return call<T>(path, { method, ...content });
}

/** `?a=1&b=2`, or nothing. */
export function query(values: Values): string {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const key = token.peek();
  let answer: Response;
  let body: unknown;
  try {
    answer = await fetch(path, { ...init, headers: { ...authorization(key), ...init.headers } });
    // An answer that breaks off is none.
    body = await (answer.ok && answer.status !== 204 ? answer.json() : answer.json().catch(() => null));
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'The API does not answer.', 'unreachable');
  }
  if (answer.ok) return body as T;
  const told = (body ?? {}) as { error?: string; code?: string; details?: unknown };
  // Not for what was asked with a key that has been changed for another one since.
  if (answer.status === 401 && key === token.peek()) asking.value ??= told.error ?? 'A key or token is needed.';
  throw new ApiError(answer.status, told.error ?? `The API answered ${answer.status}.`, told.code ?? 'error', told.details, body);
}
