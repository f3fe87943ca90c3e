"""The processes that do the work: who is there, and having a worker take nothing more before it is stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from flask import Blueprint, Response
from pydantic import Field

from app.db.commit import transaction
from app.queue.processes import drain, running_by_worker
from app.queue.reads import iso, process_status
from app.web.endpoint import endpoint, reading, services
from app.web.errors import not_found
from app.web.fields import Text
from app.web.schemas import Reply, Request
from app.web.unchanged import unless_unchanged

blueprint = Blueprint("workers", __name__)


class Process(Reply):
    name: str = Field(description="Of this life of it; one that starts again has another.")
    kind: Literal["worker", "beat"]
    host: str
    pid: int
    queues: list[str]
    concurrency: int | None = Field(description="Jobs it runs at once.")
    running: int = Field(description="Jobs it holds now, those included that are to begin at once.")
    draining: bool = Field(description="It takes nothing more.")
    started_at: datetime
    heartbeat_at: datetime


class WorkersReply(Reply):
    processes: list[Process] = Field(description="That gave a sign of life within the last minute.")


class WorkerRequest(Request):
    worker: Annotated[Text, Field(min_length=1, max_length=300)]


class DrainReply(Reply):
    success: Literal[True] = True
    worker: str
    draining: bool


@endpoint(blueprint, "GET", "/workers", reply=WorkersReply, operator=True)
def get_workers() -> Response:
    """Workers and beats that are alive, and what they do"""
    with reading() as conn:
        running = running_by_worker(conn)
        processes = process_status(conn)
    shown = [
        {
            "name": row["name"], "kind": row["kind"], "host": row["host"], "pid": row["pid"], "queues": row["queues"],
            "concurrency": row["concurrency"], "running": running.get(row["name"], 0), "draining": row["draining"],
            "started_at": iso(row["started_at"]), "heartbeat_at": iso(row["heartbeat_at"]),
        }
        for row in processes
    ]  # fmt: skip
    return unless_unchanged({"processes": shown})


@endpoint(blueprint, "POST", "/workers/drain", body=WorkerRequest, reply=DrainReply, errors=(404,), operator=True)
def post_drain(body: WorkerRequest) -> DrainReply:
    """Have a worker finish what it runs and take nothing more"""
    return _set(body.worker, True)


@endpoint(blueprint, "POST", "/workers/resume", body=WorkerRequest, reply=DrainReply, errors=(404,), operator=True)
def post_resume(body: WorkerRequest) -> DrainReply:
    """Have a draining worker take jobs again"""
    return _set(body.worker, False)


def _set(worker: str, draining: bool) -> DrainReply:
    with transaction(services().engine) as conn:
        if not drain(conn, worker, draining=draining):
            raise not_found("Worker")
    return DrainReply(worker=worker, draining=draining)
