// Who is looking: found out once from the API, with the key or token that is kept for this tab alone.
import { computed, signal } from '@preact/signals';

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

/** Ask the API who we are. Opens the dialog where a key is needed, or the one we have is not good. */
export async function findAccess(): Promise<void> {
  const answer = await fetch('/access', { headers: authorization(), cache: 'no-store' });
  if (answer.status === 401) {
    const problem = ((await answer.json()) as { error?: string }).error;
    keep('');
    asking.value = problem ?? 'That key was not accepted.';
    return findAccess();
  }
  if (!answer.ok) throw new Error(`The API answered ${answer.status}`);
  access.value = (await answer.json()) as Access;
  if (access.value.caller === 'anonymous') asking.value ??= '';
  else asking.value = null;
}

/** Take a key or token for this tab; an empty one signs out. */
export async function signIn(given: string): Promise<void> {
  keep(given.trim());
  asking.value = null;
  await findAccess();
}

export function signOut(): Promise<void> {
  chooseUser(null);
  return signIn('');
}

export function chooseUser(user: ChosenUser | null): void {
  chosenUser.value = user;
  if (user) sessionStorage.setItem(USER, JSON.stringify(user));
  else sessionStorage.removeItem(USER);
}

export function authorization(): Record<string, string> {
  return token.value ? { Authorization: `Bearer ${token.value}` } : {};
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
