"""Apps of AI Deploy: made once, found by their labels, ended and read back. Experimental."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import PlexError, PreflightError, ProviderError
from plexctl.model import Deployment, LogLine, Plan, Ref, Removal, Status
from plexctl.states import State
from plexctl_providers._common.files import resource
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, IMAGE, TOKEN, fill, names_in
from plexctl_providers.ovh.ai_deploy import APP
from plexctl_providers.ovh.app_rows import (
    AT_REST,
    GONE,
    LEAVING,
    App,
    app_of,
    chosen,
    endpoint_of,
    read_line,
    read_ref,
    status_of,
)
from plexctl_providers.ovh.client import Client, Json, project_path
from plexctl_providers.ovh.errors import is_absent, is_lost, nonsense
from plexctl_providers.ovh.names import PLACE_PROJECT, PROJECT, REGION
from plexctl_providers.ovh.projects import only_project

_POLL_S = 1.5
_READ_BACK_S = 180.0
"""How long a stop or a delete may take until it is seen."""
_LOST_S = 20.0
"""How long a create whose answer was lost is looked for."""
_FOLLOW_S = 2.0
_PAGE = 500
_MOST_PAGES = 200
_LIST, _CREATE, _READ_LOG = "list the apps", "create the app", "read the app's log"


class Apps:
    """The apps of the account."""

    def __init__(self, client: Client, context: Context) -> None:
        self._client = client
        self._context = context

    def find(self, project: str) -> list[Ref]:
        """Find plexctl's apps in a project."""
        return [ref for app in self._all(project) if (ref := read_ref(app)) is not None]

    def status(self, ref: Ref) -> Status:
        """Say what OVHcloud says of the app."""
        app = next(iter(self._of(ref)), None)
        return Status(State.MISSING, None, "OVHcloud has no such app") if app is None else status_of(app)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Adopt what runs, start what is stopped and as planned, or create; what is of no use makes room first."""
        ref = journal.ref
        path, body = self._filled(plan, ref)
        project = path.split("/")[3]
        there = self._of(ref, project)
        kept = _of_use(there, body, self._context.now())
        for app in there:
            if app is not kept:
                self._delete(app)
        if kept is None:
            made = self._create(path, body, project, journal)
            return self._deployed(made, journal, changed=True)
        recorded = ref.first(APP)
        if recorded is None or recorded.id != kept.id:
            journal.created(journal.intend(APP, ref.label, kept.place), kept.id, kept.place)
        is_started = kept.state in AT_REST
        if is_started:
            self._start(kept)
        return self._deployed(kept, journal, changed=is_started)

    def stop(self, ref: Ref) -> None:
        """End what bills, and read back. Raises ProviderError for what runs on."""
        for app in self._of(ref):
            if app.state not in AT_REST:
                self._change("PUT", app, "stop", "stop")
                self._look_until(app, AT_REST, "stop")

    def destroy(self, ref: Ref) -> Removal:
        """Delete every app of the deployment, and read back."""
        recorded = ref.first(APP)
        is_open = recorded is not None and recorded.id is None
        there = self._come_late(lambda: self._of(ref)) if is_open else self._of(ref)
        for app in there:
            self._delete(app)
        return Removal(tuple(app.resource for app in there if app.state not in GONE))

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read the log; with `follow`, ask again and again until the app has ended."""
        app = next(iter(self._of(ref)), None)
        if app is None:
            return
        if not follow:
            yield from chosen((read_line(row) for row in self._log(app)), since, tail)
            return
        seen: set[tuple[str, ...]] = set()
        while True:
            # Asked before the log is, so that the last look has the last words.
            now = self._read(app)
            rows = [row for row in self._log(app) if _identity(row) not in seen]
            first_tail = None if seen else tail
            seen.update(_identity(row) for row in rows)
            yield from chosen((read_line(row) for row in rows), since, first_tail)
            if now is None or now.state in AT_REST:
                return
            self._client.clock.sleep(_FOLLOW_S)

    def _filled(self, plan: Plan, ref: Ref) -> tuple[str, Json]:
        """Return path and body as they are sent. Raises PreflightError for what nobody can fill in."""
        planned = resource(plan, APP).body
        names = names_in(planned)
        if IMAGE in names:
            hint = "`plexctl image build --push` makes one, or name it with image.name"
            raise PreflightError("no image is named, and AI Deploy can only pull one", hint=hint)
        if REGION in names:
            raise PreflightError("no region is named for AI Deploy", hint="name it with --region, such as GRA")
        secrets = {name: self._context.secrets[name] for name in plan.secrets if name in self._context.secrets}
        values: dict[str, Any] = {ID: ref.id, **secrets}
        if PROJECT in names:
            values[PROJECT] = only_project(self._client)
        ttl_s = cast("float | None", planned.get("ttl_s"))
        if ttl_s is not None:
            values[EXPIRES_AT] = f"{self._context.now() + ttl_s:.0f}"
        filled = cast("Mapping[str, Any]", fill(planned, values))
        return filled["path"], dict(filled["json"])

    def _create(self, path: str, body: Json, project: str, journal: DeploymentJournal) -> App:
        """Create and journal; an answer that was lost is looked for by the app's labels."""
        ref = journal.ref
        place = {PLACE_PROJECT: project, "region": str(body["region"])}
        key = journal.intend(APP, ref.label, place)
        try:
            app = self._known(self._client.change("POST", path, _CREATE, body), project, _CREATE)
        except PlexError as error:
            if not is_lost(error):
                journal.removed(key)
                raise
            # Nobody knows whether it was made: the intent stays until it is seen.
            found = self._come_late(lambda: self._of(ref, project))
            if not found:
                raise
            app = found[0]
        journal.created(key, app.id, app.place | place)
        return app

    def _start(self, app: App) -> None:
        self._change("PUT", app, "start", "start")

    def _delete(self, app: App) -> None:
        """Delete an app and read back. Raises ProviderError for one that is still there."""
        if app.state in GONE:
            return
        if app.state not in LEAVING:
            self._change("DELETE", app, "delete", query="?force=true")
        self._look_until(app, GONE, "delete")

    def _change(self, method: str, app: App, verb: str, *more: str, query: str = "") -> None:
        """Ask for a change; what counts is what is seen afterwards, so that silence is no failure yet."""
        try:
            self._client.change(method, f"{self._path(app, *more)}{query}", f"{verb} app {app.id}")
        except PlexError as error:
            if not is_absent(error) and not is_lost(error):
                raise

    def _look_until(self, app: App, states: tuple[str, ...], verb: str) -> None:
        clock = self._client.clock
        begun = clock.now()
        while True:
            seen = self._read(app)
            if seen is None or seen.state in states:
                return
            if clock.now() - begun >= _READ_BACK_S:
                words = f"app {app.id} was told to {verb}, and OVHcloud says {seen.state} {_READ_BACK_S:g} s later"
                raise ProviderError(words, hint="it may bill on: try again, or delete it in OVHcloud's control panel")
            clock.sleep(_POLL_S)

    def _come_late(self, look: Callable[[], list[App]]) -> list[App]:
        """Look until something is there, for as long as a create may take to show."""
        clock = self._client.clock
        begun = clock.now()
        while not (found := look()) and clock.now() - begun < _LOST_S:
            clock.sleep(_POLL_S)
        return found

    def _of(self, ref: Ref, project: str | None = None) -> list[App]:
        """Return a deployment's apps: those recorded, and those of its labels, wherever they may be."""
        recorded = {one.id for one in ref.resources if one.kind == APP and one.id}
        places = {one.detail[PLACE_PROJECT] for one in ref.resources if PLACE_PROJECT in one.detail}
        places |= {project} if project else set()
        projects = sorted(places) or self._client.projects()
        found = [app for one in projects for app in self._all(one) if app.id in recorded or app.is_of(ref)]
        return sorted(found, key=lambda app: (app.id not in recorded, app.id))

    def _all(self, project: str) -> list[App]:
        found: dict[str, App] = {}
        for page in range(1, _MOST_PAGES + 1):
            rows = self._page(project, page)
            apps = [self._known(row, project, _LIST) for row in rows]
            is_new = any(app.id not in found for app in apps)
            found |= {app.id: app for app in apps}
            if len(rows) < _PAGE or not is_new:
                break
        return [app for app in found.values() if app.state not in GONE]

    def _page(self, project: str, page: int) -> list[Json]:
        """Return a page of apps; none where there is no AI Deploy, as in the United States."""
        try:
            return self._client.rows(project_path(project, "ai", "app"), _LIST, page=str(page), size=str(_PAGE))
        except PlexError as error:
            if is_absent(error):
                return []
            raise

    def _read(self, app: App) -> App | None:
        action = f"read app {app.id}"
        row = self._client.found(self._path(app), action)
        return None if row is None else self._known(row, app.project, action)

    def _log(self, app: App) -> list[Json]:
        found: dict[tuple[str, ...], Json] = {}
        for page in range(1, _MOST_PAGES + 1):
            path = f"{self._path(app, 'log')}?page={page}&size={_PAGE}"
            answer = self._client.found(path, _READ_LOG) or {}
            rows = answer.get("lines") or []
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise nonsense(_READ_LOG, "no list of lines")
            fresh = {_identity(row): row for row in rows if _identity(row) not in found}
            found |= fresh
            if len(rows) < _PAGE or not fresh:
                break
        return list(found.values())

    def _path(self, app: App, *more: str) -> str:
        return project_path(app.project, "ai", "app", app.id, *more)

    def _known(self, row: Any, project: str, action: str) -> App:
        try:
            return app_of(row, project)
        except (LookupError, TypeError, AttributeError):
            raise nonsense(action, "no app") from None

    def _deployed(self, app: App, journal: DeploymentJournal, *, changed: bool) -> Deployment:
        endpoint = endpoint_of(app)
        if endpoint is not None:
            journal.reached(endpoint)
        return Deployment(journal.ref, endpoint, changed)


def _of_use(there: list[App], body: Json, now: float) -> App | None:
    """Return what can be the deployment: what runs or comes up, else what is stopped, as planned and in its time."""
    alive = [app for app in there if app.state not in (*AT_REST, *LEAVING)]
    at_rest = [app for app in there if app.state == "STOPPED" and _is_as_planned(app, body, now)]
    return next(iter([*alive, *at_rest]), None)


def _is_as_planned(app: App, body: Json, now: float) -> bool:
    theirs = dict(app.settings)
    ends = theirs.pop(EXPIRES_AT, "")
    if ends.isascii() and ends.isdigit() and float(ends) <= now:
        return False
    wanted = {one["name"]: one["value"] for one in body["envVars"] if str(one["name"]).startswith("PLEXCTL_")}
    return theirs == {name: value for name, value in wanted.items() if name not in (TOKEN, EXPIRES_AT)}


def _identity(row: Json) -> tuple[str, ...]:
    return str(row.get("id", "")), str(row.get("timestamp", "")), str(row.get("content", ""))
