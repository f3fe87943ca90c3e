"""The API from its own description: every operation with values that fit and values that do not, alone and one after the other."""

from __future__ import annotations

from itertools import islice
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, FlakyStrategyDefinition, Unsatisfiable
from schemathesis.generation.modes import GenerationMode
from schemathesis.generation.stateful import APIStateMachine

from tests.fuzz.drive import JSON, caught, drive
from tests.fuzz.world import SERVICE_KEY, Fault, World

NAMES = {"userId": "user_id", "projectId": "project_id", "calendarId": "connection_id", "messageId": "message_id", "jobId": "job_id", "id": "job_id"}

ROUND = 20  # sequences


def description(world: World) -> Any:
    """What the API says of itself, as schemathesis reads it."""
    answer = requests.get(f"{world.api.url}/openapi.json", timeout=10)
    answer.raise_for_status()
    return schemathesis.openapi.from_dict(answer.json())


def fuzz_operations(world: World, *, examples: int, start: int, each: int = 1) -> list[str]:
    """So many requests of every `each`-th operation and kind of value. Returns what went wrong, the smallest example of each operation."""
    wrong = []
    for number, found in enumerate(islice(description(world).get_all_operations(), 0, None, each)):
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            kind = f"described, {'fitting' if mode.is_positive else 'wrong'}"
            strategy = st.tuples(operation.as_strategy(generation_mode=mode), st.integers(0, 3), st.sampled_from([SERVICE_KEY, world.token(0), world.token(1)]))

            def send(case: tuple[Any, int, str], kind: str = kind) -> None:
                request, real, bearer = case
                world.ask(kind, _prepared(world, request, bearer, real=real > 0))

            name = f"{operation.label}, {mode}"
            wrong += drive(name, strategy, send, examples=examples, start=start + number) + caught(name, world.read_log)
    return wrong


def fuzz_bodies(world: World, *, examples: int, start: int, each: int = 1) -> list[str]:
    """Any JSON as the body of every `each`-th operation that takes one, and any bytes."""
    wrong = []
    kinds = st.sampled_from(["application/json", "application/json; charset=utf-16", "application/vnd.x+json", "text/plain", "multipart/form-data; boundary=x", ""])
    for number, found in enumerate(islice(description(world).get_all_operations(), 0, None, each)):
        operation = found.ok()
        if not operation.body:
            continue
        fields = sorted(operation.body[0].raw_schema.get("properties", {})) if hasattr(operation.body[0], "raw_schema") else []
        body = st.fixed_dictionaries({}, optional=dict.fromkeys([*fields, "userId", "metadata", "options"], JSON)) | JSON
        path = operation.path
        for name, value in world.ids.items():
            path = path.replace(f"{{{name}}}", value)

        def send(case: tuple[Any, bytes, str, int], method: str = operation.method, path: str = path) -> None:
            value, raw, kind, how = case
            if how and isinstance(value, dict):
                value = _real(world, value)
            sent = {"json": value, "headers": _bearer(SERVICE_KEY)} if how < 3 else {"data": raw, "headers": {**_bearer(SERVICE_KEY), "Content-Type": kind}}
            try:
                world.ask("bodies of any shape", requests.Request(method.upper(), world.api.url + path, **sent))
            except requests.exceptions.InvalidJSONError:
                return

        name, cases = f"{operation.label}, any body", st.tuples(body, st.binary(max_size=200), kinds, st.integers(0, 3))
        wrong += drive(name, cases, send, examples=examples, start=start + number) + caught(name, world.read_log)
    return wrong


def fuzz_sequences(world: World, *, examples: int, start: int) -> list[str]:
    """Requests that follow each other: what one answers is what the next one asks for. `examples` sequences of up to twelve steps,
    the same ones for `start` 0 alone."""
    faults: list[str] = []

    class Sequence(description(world).as_state_machine()):  # type: ignore[misc]
        def call(self, case: Any, **_: Any) -> Any:
            prepared = _prepared(world, case, SERVICE_KEY, real=False)
            try:
                return _as_response(prepared, world.ask("in sequence", prepared))
            except Fault as fault:
                faults.append(f"in sequence: {fault}")
                raise

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            return

    machine: type[APIStateMachine] = Sequence
    limits = settings(
        max_examples=min(examples, ROUND), stateful_step_count=12, deadline=None, database=None, derandomize=start == 0,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate,),
    )  # fmt: skip
    for _ in range(0, examples, ROUND):
        try:
            machine.run(settings=limits)
        except (Fault, Unsatisfiable, Flaky, FlakyStrategyDefinition):
            continue  # what the API answers is different each time, which hypothesis does not like: the round ends there
    return faults[:5] + caught("in sequence", world.read_log)


def _prepared(world: World, case: Any, bearer: str, *, real: bool) -> requests.PreparedRequest:
    """The case as a request, with ids that exist in place of made-up ones where `real`."""
    if real:
        case.path_parameters = {name: world.ids.get(name, value) for name, value in (case.path_parameters or {}).items()}
        case.query = _real(world, case.query) if isinstance(case.query, dict) else case.query
        case.body = _real(world, case.body) if isinstance(case.body, dict) else case.body
    given = case.as_transport_kwargs(base_url=world.api.url)
    given["headers"] = {**dict(given.get("headers") or {}), **_bearer(bearer)}
    known = {name: given[name] for name in ("method", "url", "headers", "params", "json", "data", "files", "cookies") if given.get(name) is not None}
    try:
        return requests.Request(**known).prepare()
    except (requests.RequestException, ValueError, TypeError, UnicodeError):
        return requests.Request("GET", f"{world.api.url}/health").prepare()  # cannot be written down as HTTP


def _real(world: World, value: dict[str, Any]) -> dict[str, Any]:
    return {name: world.ids[NAMES[name]] if name in NAMES else inner for name, inner in value.items()}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _as_response(request: requests.PreparedRequest, answer: Any) -> Any:
    """What schemathesis reads the next step's input from."""
    response = requests.Response()
    response.request, response.url = request, request.url or ""
    if answer is not None:
        response.status_code, response._content = answer.status, answer.body
        response.headers.update(dict(answer.headers))
    else:
        response.status_code, response._content = 400, b"{}"
    return schemathesis.Response.from_requests(response, verify=True)
