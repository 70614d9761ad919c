"""The account: what is offered, what is rented, what bills, and every request that came in."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clouds.vast.clock import Clock
from tests.clouds.vast.faults import Answer, Chance, Fault, too_soon
from tests.clouds.vast.instances import Instance
from tests.clouds.vast.limits import INTERVALS_S, SEARCH_WINDOW_S, SEARCHES, beyond, misfits
from tests.clouds.vast.routes import Request, route
from tests.clouds.vast.running import Container, QuickGateway, free_port
from tests.clouds.vast.searching import Ask, search

KEY = "canary-vast-key-5d1e"
PAGE = 25


@dataclass
class Cloud:
    """Vast for one account. Change it at any time; `requests` and `mutations` are what happened."""

    clock: Clock = field(default_factory=Clock)
    gateway: Callable[..., Container] = QuickGateway
    asks: list[Ask] = field(
        default_factory=lambda: [Ask(7001, 501), Ask(7002, 502, dph_base=0.4), Ask(7003, 503, dph_base=0.5)]
    )
    instances: dict[int, Instance] = field(default_factory=dict)
    credit: float = 25.0
    secrets: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    mutations: list[str] = field(default_factory=list)
    too_soon: list[str] = field(default_factory=list)
    """Operations that came before their minimum interval was over."""
    misfits: list[str] = field(default_factory=list)
    """What the description or a limit said against a body."""
    faults: list[Fault] = field(default_factory=list)
    chance: Chance | None = None
    life: tuple[tuple[float, str | None], ...] = ((0.0, "running"),)
    message: str = ""
    """What the next hosts say of their containers."""
    ports_as: str = "map"
    bad_machines: dict[int, str] = field(default_factory=dict)
    """Machine to what it says instead of starting a container."""
    log_polls: int = 0
    """How often a log's address answers 404 before the log is there."""
    keep_deleted: int = 0
    """Destroys that are answered as done and are not."""
    rising_bids: bool = False
    """Whether somebody bids more between a search and a create."""
    sold_out_after: int | None = None
    """Searches after which somebody else has rented everything."""
    spent: float = 0.0
    """USD for instances that are gone."""
    url: str = ""
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="vast-")))
    _last: dict[str, list[float]] = field(default_factory=dict)
    _logs_by_token: dict[str, list[Any]] = field(default_factory=dict)
    _next_id: int = 9000

    def bills(self) -> dict[int, dict[str, float]]:
        """Return what bills now, by instance: USD per hour for the GPU and for the disk."""
        now = self.clock.now()
        return {one.id: one.rate(now) for one in self.instances.values()}

    def running(self, label: str) -> int:
        """Count containers that are up."""
        found = (one for one in self.instances.values() if one.label == label and one.intended == "running")
        return sum(one.container is not None and one.container.is_alive() for one in found)

    def fail(self, operation: str, answer: Answer | None = None, *, after: bool = False, times: int = 1) -> None:
        """Let the next requests of an operation fail."""
        self.faults.append(Fault(operation, answer, after, times))

    def close(self) -> None:
        """End whatever runs."""
        for one in self.instances.values():
            if one.container is not None:
                one.container.kill()

    def answer(self, request: Request) -> Answer | None:
        """Answer a request; None drops the connection."""
        operation, number = route(request)
        request = Request(**{**vars(request), "operation": operation, "number": number})
        self.requests.append(request)
        fault = self._fault(operation)
        if fault is not None and not fault.is_after:
            return fault.answer
        if operation != "result" and (refused := self._refuse(request)) is not None:
            return refused
        answer: Answer = getattr(self, f"_{operation}")(request)
        return answer if fault is None else fault.answer

    def _fault(self, operation: str) -> Fault | None:
        for fault in self.faults:
            if fault.operation == operation and fault.times > 0:
                fault.times -= 1
                return fault
        return self.chance.draw(operation) if self.chance is not None else None

    def _refuse(self, request: Request) -> Answer | None:
        if not self._may(request):
            if request.operation == "search":
                return Answer.refusal(404, "auth_error", "Invalid user key")
            return Answer.refusal(401, "auth_error", "Invalid user key")
        if self._is_too_soon(request.operation):
            self.too_soon.append(request.operation)
            return too_soon(INTERVALS_S.get(request.operation, SEARCH_WINDOW_S / SEARCHES))
        return None

    def _may(self, request: Request) -> bool:
        key = request.authorization.removeprefix("Bearer ")
        own = self.instances.get(int(request.number)) if request.number.isdigit() else None
        of_instance = own is not None and key == own.key and request.operation in ("manage", "destroy")
        return key == KEY or of_instance

    def _is_too_soon(self, operation: str) -> bool:
        now = self.clock.now()
        most, seconds = (SEARCHES, SEARCH_WINDOW_S) if operation == "search" else (1, INTERVALS_S.get(operation, 0.0))
        recent = [one for one in self._last.get(operation, []) if now - one < seconds]
        self._last[operation] = [*recent, now]
        return len(recent) >= most

    def _search(self, request: Request) -> Answer:
        wrong = misfits("SearchOffers", request.body)
        if wrong:
            self.misfits += wrong
            return Answer.refusal(400, "invalid_args", wrong[0])
        if self.sold_out_after is not None:
            self.sold_out_after -= 1
        if self.sold_out_after is not None and self.sold_out_after < 0:
            self.asks.clear()
        rented = {one.ask.id for one in self.instances.values()}
        free = [ask for ask in self.asks if ask.id not in rented]
        return Answer.of(200, {"success": True, "offers": search(free, request.body)})

    def _create(self, request: Request) -> Answer:
        body, number = request.body, int(request.number)
        wrong = [*misfits("CreateInstance", body), *(f"{name} is beyond its limit" for name in beyond(body))]
        if wrong:
            self.misfits += wrong
            return Answer.refusal(400, "invalid_args", f"error 400/3467: Invalid args: {wrong[0]}", ask_id=number)
        ask = next((one for one in self.asks if one.id == number), None)
        if ask is None or any(one.ask.id == number for one in self.instances.values()):
            words = f"error 404/3603: no_such_ask Instance type by id {number} is not available."
            return Answer.refusal(404, "invalid_args", words, ask_id=number)
        if self.credit <= 0:
            return Answer.refusal(400, "missing_billing", "error 400: your account lacks credit", ask_id=number)
        made = self._make(ask, body)
        if self.rising_bids:
            ask.min_bid *= 10
        if body.get("price") is not None and body["price"] < ask.min_bid:
            made.intended = "stopped"
            words = f"bid {body['price']} is below {ask.min_bid}"
            return Answer.refusal(400, "invalid_price", words, ask_id=number, new_contract=made.id)
        self._run(made)
        return Answer.of(200, {"success": True, "new_contract": made.id, "instance_api_key": made.key})

    def _make(self, ask: Ask, body: Any) -> Instance:
        number, now = self._next_id, self.clock.now()
        self._next_id += 1
        log = self.folder / f"{number}.log"
        log.touch()
        bad = self.bad_machines.get(ask.machine_id)
        made = Instance(number, ask, body, f"canary-instance-{number}", log, now, self.clock.wall(), charged_at=now)
        made.life, made.message, made.ports_as = self.life, bad or self.message, self.ports_as
        made.forced = "created" if bad else ""
        self.instances[number] = made
        self.mutations.append(f"create instance {made.label}")
        return made

    def _run(self, one: Instance) -> None:
        one.started_at, one.intended = self.clock.now(), "running"
        if one.forced == "":
            one.port = one.port or free_port()
            own = {"CONTAINER_ID": str(one.id), "CONTAINER_API_KEY": one.key, "PUBLIC_IPADDR": "127.0.0.1"}
            theirs = own | {"VAST_TCP_PORT_8998": str(one.port), "VAST_URL": self.url}
            one.container = self.gateway({**(one.body.get("env") or {}), **theirs}, one.log, one.port)

    def _list(self, request: Request) -> Answer:
        filters = json.loads(request.query.get("select_filters", "{}"))
        after = int(request.query.get("after_token") or 0)
        now = self.clock.now()
        rows = [one.row(now) for number, one in sorted(self.instances.items()) if number > after]
        wanted = filters.get("label", {}).get("eq")
        rows = [row for row in rows if wanted in (None, row["label"])]
        most = min(PAGE, int(request.query.get("limit", PAGE)))
        token = str(rows[most - 1]["id"]) if len(rows) > most else None
        return Answer.of(200, {"success": True, "instances": rows[:most], "next_token": token})

    def _retired(self, request: Request) -> Answer:
        del request
        return Answer.refusal(410, "deprecated_endpoint", "use /api/v1/instances/")

    def _show(self, request: Request) -> Answer:
        one = self.instances.get(int(request.number))
        return Answer.of(200, {"instances": one.row(self.clock.now()) if one else None})

    def _manage(self, request: Request) -> Answer:
        one = self.instances.get(int(request.number))
        if one is None:
            return Answer.refusal(404, "no_such_instance", f"Instance {request.number} not found.")
        if "label" in request.body:
            one.body = {**one.body, "label": request.body["label"]}
        if request.body.get("state") == "stopped":
            self._charge(one)
            one.intended, one.forced = "stopped", ""
            if one.container is not None:
                one.container.stop()
            self.mutations.append(f"stop instance {one.label}")
        elif request.body.get("state") == "running" and one.intended != "running":
            self._charge(one)
            self._run(one)
            self.mutations.append(f"start instance {one.label}")
        return Answer.of(200, {"success": True})

    def _restart(self, request: Request) -> Answer:
        one = self.instances.get(int(request.number))
        if one is None:
            return Answer.refusal(404, "no_such_instance", f"Instance {request.number} not found.")
        if one.container is not None:
            one.container.stop()
        one.forced = ""
        self._run(one)
        self.mutations.append(f"start instance {one.label}")
        return Answer.of(200, {"success": True})

    def _destroy(self, request: Request) -> Answer:
        one = self.instances.get(int(request.number))
        if one is None:
            return Answer.refusal(404, "no_such_instance", f"Instance {request.number} not found.")
        if self.keep_deleted > 0:
            self.keep_deleted -= 1
            return Answer.of(200, {"success": True})
        self._charge(one)
        del self.instances[one.id]
        if one.container is not None:
            one.container.kill()
        self.spent += one.charged
        self.mutations.append(f"destroy instance {one.label}")
        return Answer.of(200, {"success": True})

    def _charge(self, one: Instance) -> None:
        now = self.clock.now()
        one.charged += sum(one.rate(now).values()) * (now - one.charged_at) / 3600
        one.charged_at = now

    def _logs(self, request: Request) -> Answer:
        one = self.instances.get(int(request.number))
        if one is None:
            return Answer.refusal(404, "invalid_id", "Invalid instance id.")
        lines = one.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        token = f"{one.id}-{len(self._logs_by_token)}"
        self._logs_by_token[token] = ["".join(lines[-int(request.body.get("tail", 1000)) :]), self.log_polls]
        return Answer.of(200, {"success": True, "result_url": f"{self.url}/logs/{token}"})

    def _result(self, request: Request) -> Answer:
        assert not request.authorization, "the key was sent to where logs are kept"
        kept = self._logs_by_token[request.number]
        if kept[1] > 0:
            kept[1] -= 1
            return Answer(404 if kept[1] % 2 else 403, b"<Error>NoSuchKey</Error>")
        return Answer(200, str(kept[0]).encode(), {"Content-Type": "text/plain"})

    def _user(self, request: Request) -> Answer:
        del request
        return Answer.of(200, {"id": 42, "email": "someone@example.org", "credit": self.credit, "api_key": KEY})

    def _secrets(self, request: Request) -> Answer:
        if request.method == "GET":
            return Answer.of(200, {"success": True, "secrets": dict(self.secrets)})
        if request.method == "DELETE":
            self.secrets.pop(request.body["key"], None)
        else:
            self.secrets[request.body["key"]] = request.body["value"]
        return Answer.of(200, {"success": True})
