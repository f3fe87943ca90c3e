"""The journey of a job through this code.

① `app.web` (or SQL, or a schedule) calls `enqueue_job` through `app.queue.adding`: one row, `pending`, in the caller's transaction.
② `tasks.dispatcher.dispatch`, in every worker, is woken by NOTIFY, claims what its worker can begin, the most urgent first,
   and sends one Celery message each; `tasks.request` gives the message its claim back.
③ `tasks.mirror` (Celery's signals) finds the claim, or claims; `tasks.base` runs the processor only with one.
④ A thin function in `tasks` calls the feature's service in `app.features`, which works with a `RunningJob`: progress, checkpoints,
   and transactions that commit only while the job is its own.
⑤ `tasks.mirror` hands the outcome to `tasks.outcomes`, which commits it; failures go to `retrying` or `failed` with their reason.
⑥ Triggers have written history and feed with each change; `app.realtime.feed` turns what is committed into events for browsers.

`app.wiring` joins settings, adapters and services; `app.web` serves; `app.cli` is `buildos`; `app.embedded` runs it all on one machine.
"""
