// What the API answers, as far as the pages of operators read it.
export type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'retrying';
export const STATUSES: JobStatus[] = ['pending', 'processing', 'retrying', 'completed', 'failed', 'cancelled'];
export const LIVE: JobStatus[] = ['pending', 'processing', 'retrying'];

export interface Alert { name: string; message: string; value: number }

export interface Health {
  status: 'healthy' | 'degraded' | 'unhealthy';
  uptime: number;
  stats: { job_type: string; status: JobStatus; count: number }[];
  totals: Partial<Record<JobStatus, number>>;
  checks: Record<'database' | 'broker' | 'workers' | 'beat', 'ok' | 'away'>;
  alerts: Alert[];
  paused: string[];
}

export interface Lengths { p50: number; p95: number }
export interface Figure {
  at: string; added: number; completed: number; failed: number; retried: number; cancelled: number;
  waits: Lengths | null; runs: Lengths | null;
}
export interface Figures { step: number; figures: Figure[] }

export interface FailureGroup {
  job_type: string; pattern: string; text: string; failed: number; retried: number;
  last_at: string; last_job: string; last_message: string;
}

export interface Waiting { job_type: string; job_id: string; scheduled_for: string }

export interface Process {
  name: string; kind: 'worker' | 'beat'; host: string; pid: number; queues: string[]; concurrency: number | null;
  running: number; draining: boolean; started_at: string; heartbeat_at: string;
}

export interface Job {
  id: string; queue_job_id: string; user_id: string | null; job_type: string; status: JobStatus; scheduled_for: string;
  metadata: Record<string, unknown>; result: unknown; attempts: number; max_attempts: number; priority: number;
  error_message: string | null; created_at: string; updated_at: string; started_at: string | null; processed_at: string | null;
  completed_at: string | null; progress: { current: number; total: number; message: string };
}

export interface JobEvent { from: JobStatus | null; to: JobStatus; at: string; attempt: number | null; worker: string | null; message: string | null }

export interface Schedule {
  name: string; cron: string; lastRun: string | null; lastOutcome: 'succeeded' | 'failed' | null; lastQueued: number | null;
  lastError: string | null; lastErrorAt: string | null; coveredUntil: string | null; nextRun: string;
}

export interface Mail {
  id: string; user_id: string; subject: string; recipients: string[] | null; status: string; transport: string | null; error: string | null;
  queue_job_id: string | null; created_at: string; sent_at: string | null; open_count: number | null; click_count: number | null;
  opened_at: string | null; clicked_at: string | null;
}
export interface MailTry { attempt: number | null; transport: string; status: string; error: string | null; message_id: string | null; created_at: string }
export interface MailMark { event_type: 'opened' | 'clicked'; clicked_url: string | null; user_agent: string | null; created_at: string }
export interface WholeMail extends Mail { text: string | null; html: string | null; tries: MailTry[]; marks: MailMark[] }
