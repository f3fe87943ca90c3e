// Hearing of a user's changes without gaps: connect, remember the place, resume. Copy it into any web app; docs/realtime.md explains it.
import { io, type Socket } from 'socket.io-client';

/** A row as the API shows it: `queue_jobs`, `daily_briefs`, `notifications` and so on. */
export interface Row {
  id: string;
  updated_at?: string;
  [column: string]: unknown;
}

/** A committed change of a row. `row` is as it is now; of a deleted one there is the id alone. */
export interface Change {
  type: 'INSERT' | 'UPDATE' | 'DELETE';
  table: string;
  row: Row;
}

/** One of the user's own connections that are online; `mine` is this one. */
export interface Connection {
  id: string;
  since: string;
  mine: boolean;
}

/**
 * connecting: for the first time, or again after `retry()` · online · waiting: the connection was lost, and is tried again by
 * itself · lost: it was tried for 25 seconds, the person has to refresh · refused: the server says no, `reason` says why · closed.
 */
export type Status = 'connecting' | 'online' | 'waiting' | 'lost' | 'refused' | 'closed';

export interface Options {
  /** Whose changes. */
  userId: string;
  /** A user's token or the service key, asked for at every attempt; not needed where the API is open. */
  token?: () => string | undefined | Promise<string | undefined>;
  /** Where the API is; without it, where the page came from. */
  url?: string;
  /** Where the place is kept over a reload of the page; null: nowhere. */
  storage?: Pick<Storage, 'getItem' | 'setItem'> | null;
}

interface Heard {
  /** Changes since the last call, one for each row, oldest first. */
  changes: (changes: Change[]) => void;
  /** brief_completed, brief_failed, brief_email_sent, phases_completed, onboarding_completed, notification: each once. */
  event: (name: string, payload: Record<string, unknown>) => void;
  /** Too much was missed: load everything that is shown again. */
  reload: () => void;
  status: (status: Status, reason: string) => void;
  /** The user's own connections that are online, whenever one comes or goes. Who listens takes part. */
  presence: (connections: Connection[]) => void;
}

const WAITS = [1000, 2000, 4000, 8000, 10_000]; // milliseconds before each attempt to come back
const GATHER = 16; // milliseconds in which changes of one row become one
const ANSWER = 10_000; // milliseconds the server may take to answer

/**
 * A user's changes and events, as they are committed.
 *
 *     const live = new Realtime({ userId });
 *     const stop = live.on('changes', changes => rows.apply(changes));
 *     await live.ready();                       // nothing from here on is missed,
 *     await rows.load(fetchJobs());             // so load what there is now
 */
export class Realtime {
  status: Status = 'connecting';
  /** Why the server refused; empty otherwise. */
  reason = '';
  private readonly socket: Socket;
  private readonly listeners: { [K in keyof Heard]: Set<Heard[K]> } = {
    changes: new Set(), event: new Set(), reload: new Set(), status: new Set(), presence: new Set(),
  };
  private readonly options: Options;
  private readonly key: string;
  private cursor: string | undefined; // of the last event that came in
  private pending = new Map<string, Change>(); // by table and id, in the order in which they are to be told
  private gathering: ReturnType<typeof setTimeout> | undefined;
  private online = new Map<string, Connection>();
  private meanwhile: Change[] | undefined; // what came while it was being asked which are online
  private attempts = 0;
  private waiting: ReturnType<typeof setTimeout> | undefined;

  constructor(options: Options) {
    this.options = { storage: globalThis.sessionStorage ?? null, ...options };
    this.key = `buildos.cursor.${options.userId}`;
    this.cursor = this.options.storage?.getItem(this.key) ?? undefined;
    const given = { transports: ['websocket'], reconnection: false, forceNew: true, auth: (send: (auth: object) => void) => void this.introduce(send) };
    this.socket = options.url ? io(options.url, given) : io(given);
    this.socket.on('connect', () => void this.subscribe());
    this.socket.on('disconnect', reason => this.status !== 'closed' && reason !== 'io client disconnect' && this.wait());
    this.socket.on('connect_error', error => {
      const refused = !this.socket.active && (error as { data?: { code?: string } }).data?.code !== 'unavailable';
      if (refused) this.become('refused', error.message);
      else this.wait();
    });
    this.socket.onAny((name: string, payload: Record<string, unknown>) => this.hear(name, payload));
    globalThis.addEventListener?.('online', this.back);
  }

  /** Listen. Returns how to stop. */
  on<K extends keyof Heard>(name: K, listener: Heard[K]): () => void {
    this.listeners[name].add(listener);
    if (name === 'presence' && this.status === 'online') this.enter().catch(() => this.wait());
    return () => void this.listeners[name].delete(listener);
  }

  /** Resolves once nothing can be missed any more; rejects where it is refused or lost. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.status === 'connecting' || this.status === 'waiting') return;
        stop();
        if (this.status === 'online') resolve();
        else reject(new Error(this.reason || `The connection is ${this.status}`));
      };
      const stop = this.on('status', look);
      look();
    });
  }

  /** Try again at once: what a button "Refresh" does. */
  retry(): void {
    if (this.status === 'online' || this.status === 'closed') return;
    this.attempts = 0;
    this.become('connecting');
    this.again();
  }

  /** Hang up for good. */
  close(): void {
    globalThis.removeEventListener?.('online', this.back);
    clearTimeout(this.waiting);
    this.flush();
    this.become('closed');
    this.socket.disconnect();
  }

  private back = () => this.retry();

  private async introduce(send: (auth: object) => void): Promise<void> {
    const token = await Promise.resolve(this.options.token?.()).catch(() => undefined);
    send({ userId: this.options.userId, ...(token ? { token } : {}), ...(this.cursor ? { cursor: this.cursor } : {}) });
  }

  private async subscribe(): Promise<void> {
    const socket = this.socket.id;
    try {
      const answer = await this.socket.timeout(ANSWER).emitWithAck('subscribe', { channel: `user:${this.options.userId}` });
      if (answer.status !== 'SUBSCRIBED') throw new Error(answer.error);
      if (this.cursor === undefined) this.keep(answer.cursor);
      this.attempts = 0;
      this.become('online');
      if (this.listeners.presence.size > 0) await this.enter();
    } catch {
      if (socket !== undefined && this.socket.id === socket) this.wait(); // not when it was lost meanwhile: that is waited for already
    }
  }

  private async enter(): Promise<void> {
    const meanwhile: Change[] = (this.meanwhile = []);
    const answer = await this.socket.timeout(ANSWER).emitWithAck('presence');
    if (answer.status !== 'OK') throw new Error(answer.error);
    const all = answer.connections as Connection[];
    this.online = new Map(all.map(one => [one.id, { ...one, mine: one.id === answer.connection }]));
    this.follow(meanwhile);
    this.meanwhile = undefined;
    this.tellPresence();
  }

  private follow(changes: Change[]): void {
    for (const { type, row } of changes) {
      if (type === 'DELETE') this.online.delete(row.id);
      else if (!this.online.has(row.id)) this.online.set(row.id, { id: row.id, since: String(row.since), mine: false });
    }
  }

  private tellPresence(): void {
    this.listeners.presence.forEach(listener => listener([...this.online.values()]));
  }

  private wait(): void {
    if (this.status === 'closed') return;
    clearTimeout(this.waiting);
    this.socket.disconnect();
    const wait = WAITS[this.attempts++];
    if (wait === undefined) return this.become('lost');
    this.become('waiting');
    this.waiting = setTimeout(() => this.again(), wait);
  }

  private again(): void {
    clearTimeout(this.waiting);
    this.socket.disconnect();
    this.socket.connect();
  }

  private hear(name: string, payload: Record<string, unknown>): void {
    if (typeof payload?.cursor !== 'string') return;
    if (name === 'postgres_changes') return this.gather(payload, payload.cursor);
    this.flush(); // what was told before an event comes before it
    const { cursor, ...told } = payload;
    this.cursor = payload.cursor;
    if (name === 'reload') this.listeners.reload.forEach(listener => listener());
    else this.listeners.event.forEach(listener => listener(name, told));
    this.keep(this.cursor);
  }

  private gather(payload: Record<string, unknown>, cursor: string): void {
    this.cursor = cursor;
    const { eventType, table } = payload as { eventType: Change['type']; table: string };
    const row = (eventType === 'DELETE' ? payload.old : payload.new) as Row;
    const key = `${table} ${row.id}`;
    const type = eventType === 'UPDATE' && this.pending.get(key)?.type === 'INSERT' ? 'INSERT' : eventType;
    this.pending.delete(key); // the later one takes its own place in the order
    this.pending.set(key, { type, table, row });
    this.gathering ??= setTimeout(() => this.flush(), GATHER);
  }

  private flush(): void {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    if (this.pending.size === 0) return;
    const changes = [...this.pending.values()];
    this.pending.clear();
    const others = changes.filter(change => change.table === 'realtime_connections');
    if (others.length > 0 && this.listeners.presence.size > 0) {
      this.meanwhile?.push(...others);
      this.follow(others);
      this.tellPresence();
    }
    this.listeners.changes.forEach(listener => listener(changes));
    if (this.cursor !== undefined) this.keep(this.cursor);
  }

  // Only what has been shown is kept: what came in and was not shown before a reload of the page is told again after it.
  private keep(cursor: string): void {
    this.cursor = cursor;
    try {
      this.options.storage?.setItem(this.key, cursor);
    } catch {
      // A full or forbidden storage costs what was missed over a reload of the page, nothing else.
    }
  }

  private become(status: Status, reason = ''): void {
    this.status = status;
    this.reason = reason;
    this.listeners.status.forEach(listener => listener(status, reason));
  }
}

/** Rows by id, from what was loaded and what changed since; a row never goes back to an older state. */
export class Rows<T extends Row = Row> {
  private rows = new Map<string, T>();
  private changed: Set<string> | undefined; // what came, changed or went while an answer is awaited
  private readonly table: string;

  constructor(table: string) {
    this.table = table;
  }

  /** The rows, in the order in which they were loaded and came. */
  get all(): T[] {
    return [...this.rows.values()];
  }

  /**
   * What the API answers takes the place of what was there, but for rows that changed, came or went while the answer was awaited.
   * Of two answers that are awaited the one asked for last counts. Rejects as `answer` does.
   */
  async load(answer: Promise<T[]>): Promise<void> {
    const changed = (this.changed = new Set());
    const rows = await answer;
    if (this.changed !== changed) return;
    this.changed = undefined;
    const before = this.rows;
    const here = rows.filter(({ id }) => before.has(id) || !changed.has(id));
    this.rows = new Map(here.map(row => [row.id, newer(before.get(row.id), row)]));
    for (const [id, row] of before) if (changed.has(id) && !this.rows.has(id)) this.rows.set(id, row);
  }

  /** Returns whether anything of it was about these rows. */
  apply(changes: Change[]): boolean {
    const mine = changes.filter(change => change.table === this.table);
    for (const { type, row } of mine) {
      this.changed?.add(row.id);
      if (type === 'DELETE') this.rows.delete(row.id);
      else this.rows.set(row.id, newer(this.rows.get(row.id), row as T));
    }
    return mine.length > 0;
  }
}

function newer<T extends Row>(known: T | undefined, row: T): T {
  return known?.updated_at && row.updated_at && Date.parse(known.updated_at) > Date.parse(row.updated_at) ? known : row;
}
