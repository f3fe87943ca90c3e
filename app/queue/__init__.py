"""The life of a job: add, dispatch, claim, finish, recover. The only code that touches `queue_jobs`."""
