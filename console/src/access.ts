// Who is looking: found out once from the API, with the key or token that is kept for this tab alone.
import { batch, computed, signal } from '@preact/signals';

export interface Access {
  authMode: 'open' | 'jwt';
  caller: 'open' | 'service' | 'user' | 'anonymous';
  operator: boolean;
  userId: string | null;
}

/** The user whose pages are shown: the token's own, or one that an operator has chosen. */
export interface ChosenUser {
  id: string;
  name: string | null;
  email: string;
  timezone: string;
}

const TOKEN = 'buildos.token';
const USER = 'buildos.user';

/** The service key or a user's token, as it was typed in; empty where none was. */
export const token = signal(sessionStorage.getItem(TOKEN) ?? '');
/** null until the API has answered. */
export const access = signal<Access | null>(null);
/** Why the dialog for the key is open; null while it is closed. */
export const asking = signal<string | null>(null);
export const chosenUser = signal<ChosenUser | null>(read(USER));

export const isOperator = computed(() => access.value?.operator ?? false);
/** The user whose pages are shown; null while nobody is chosen. */
export const userId = computed(() => (access.value?.caller === 'user' ? access.value.userId : chosenUser.value?.id ?? null));
/** What a Socket.IO connection sends to say who it is. */
export const socketAuth = computed(() => ({
  ...(token.value ? { token: token.value } : {}),
  ...(userId.value && access.value?.caller !== 'user' ? { userId: userId.value } : {}),
}));

/** The API does not accept a key. */
class Refused extends Error {}

let latest = 0; // the number of the last question: what an older one is answered does not count any more

/** Ask the API who we are. Opens the dialog where a key is needed, or the one we have is not good. */
export async function findAccess(): Promise<void> {
  try {
    await take(token.peek());
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    keep('');
    asking.value = error.message;
    await take('');
  }
}

/** Take a key or token for this tab, once the API accepts it; until then what we have stays. Raises Error in words for people. */
export function signIn(given: string): Promise<void> {
  return take(given.trim());
}

/** Forget the key: without one nobody is known, which needs no answer. */
export function signOut(): void {
  latest += 1;
  batch(() => {
    chooseUser(null);
    keep('');
    access.value = { authMode: 'jwt', caller: 'anonymous', operator: false, userId: null };
    asking.value = '';
  });
}

async function take(key: string): Promise<void> {
  const mine = ++latest;
  let answer: Response;
  let body: Access & { error?: string };
  try {
    answer = await fetch('/access', { headers: authorization(key), cache: 'no-store' });
    body = (await answer.json()) as typeof body;
  } catch {
    if (mine !== latest) return;
    throw new Error('The API does not answer.');
  }
  if (mine !== latest) return;
  if (answer.status === 401) throw new Refused(body.error ?? 'That key was not accepted.');
  if (!answer.ok) throw new Error(`The API answered ${answer.status}.`);
  batch(() => {
    keep(key);
    access.value = body;
    asking.value = body.caller === 'anonymous' ? (asking.value ?? '') : null;
  });
}

export function chooseUser(user: ChosenUser | null): void {
  chosenUser.value = user;
  if (user) sessionStorage.setItem(USER, JSON.stringify(user));
  else sessionStorage.removeItem(USER);
}

export function authorization(key = token.value): Record<string, string> {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function keep(given: string): void {
  token.value = given;
  if (given) sessionStorage.setItem(TOKEN, given);
  else sessionStorage.removeItem(TOKEN);
}

function read<T>(name: string): T | null {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? 'null') as T | null;
  } catch {
    return null;
  }
}
