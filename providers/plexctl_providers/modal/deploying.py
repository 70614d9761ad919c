"""The steps that make a plan real at Modal: volume, secret, weights, app. Each looks first at what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import PlexError, ProviderError
from plexctl.images import CACHE, HF_HOME
from plexctl.model import Deployment, Endpoint, Plan, Resource
from plexctl_providers._common.files import resource
from plexctl_providers._common.placeholders import fill
from plexctl_providers.modal.client import Account
from plexctl_providers.modal.errors import as_plexctl, is_unsure
from plexctl_providers.modal.files import PLAN_TAG, deployed_files
from plexctl_providers.modal.progress import failure_in, words_of
from plexctl_providers.modal.requests import APP, SECRET, VOLUME
from plexctl_providers.modal.sdk_app import SdkApp, Told, loaded

ENVIRONMENT = "environment"
"""The detail of a resource that tells in which of Modal's environments it is."""
_MARKERS = f"{HF_HOME.removeprefix(CACHE)}/hub/.plexctl"
"""Where the fetcher leaves a file for each commit that is whole (`plexctl.gateway.weights.cache`), in the volume."""


class Deploying:
    """One deployment on its way."""

    def __init__(self, context: Context, account: Account, plan: Plan, journal: DeploymentJournal) -> None:
        self._context = context
        self._account = account
        self._plan = plan
        self._journal = journal
        self._app = resource(plan, APP)
        asked = cast("str | None", self._app.body.get("environment_name"))
        self._environment = account.environment(asked)
        self._label = journal.ref.label
        self._files, self._digest = deployed_files(plan, journal.ref.id, self._expires_at())

    def deploy(self) -> Deployment:
        """Bring what is there to the plan by the least change."""
        live = self._account.app(self._label, self._environment)
        tags = self._account.tags(live) if live else {}
        is_changed = self._prepare(is_made=live is None)
        if live is not None and tags.get(PLAN_TAG) == self._digest and not is_changed:
            self._record(APP, str(live.app_id))
            web = self._account.web(self._label, self._environment)
            return self._reached(web.url if web else None, changed=is_changed)
        with self._intended(APP) as created:
            app_id, url = self._publish()
            created(app_id)
        self._stop_others(app_id)
        return self._reached(url, changed=True)

    @contextmanager
    def serve(self) -> Iterator[Deployment]:
        """Have the app for as long as the context lasts; Modal ends it when this process is gone."""
        self._prepare(is_made=True)
        told = Told(self._context.progress)
        with (
            self._intended(APP) as created,
            self._told(told, "serve the app on Modal") as app,
            app.serving() as (app_id, url),
        ):
            created(app_id)
            yield self._reached(url, changed=True)

    def _prepare(self, *, is_made: bool) -> bool:
        """Have volume, secret and weights; tell whether the app must be deployed because of it."""
        volumes = [one for one in self._plan.resources if one.kind == VOLUME]
        for one in volumes:
            self._ensure_volume(one.name)
        is_sent = self._ensure_secret(is_made=is_made)
        for one in volumes:
            self._ensure_weights(one.name)
        return is_sent

    def _ensure_volume(self, name: str) -> None:
        found = self._account.volume(name, self._environment)
        if found is not None:
            self._record(VOLUME, found, name)
            return
        with self._intended(VOLUME, name) as created:
            created(self._account.make_volume(name, self._environment))

    def _ensure_secret(self, *, is_made: bool) -> bool:
        """Send the secret when the app is made, when it is not there as needed, and when it is asked for."""
        names = list(self._plan.secrets)
        found = self._account.secret_with(self._label, names, self._environment)
        if found is not None and not is_made and not self._context.renews_secrets:
            self._record(SECRET, found)
            return False
        values = fill(resource(self._plan, SECRET).body["env_dict"], self._context.secrets)
        with self._intended(SECRET) as created:
            created(self._account.send_secret(self._label, dict(cast("Mapping[str, str]", values)), self._environment))
        return True

    def _ensure_weights(self, volume: str) -> None:
        """Fetch what the volume has not, without a GPU."""
        if self._has_weights(volume):
            self._context.progress(f"the volume {volume} has the weights already")
            return
        told = Told(self._tell)
        # It needs no record: Modal ends it when this process's heartbeats end, and a destroy looks for its name.
        with self._told(told, "fetch the weights") as app:
            app.fetch()

    def _has_weights(self, volume: str) -> bool:
        settings = cast("Mapping[str, str]", self._app.body["env"])
        repository, revision = settings.get("PLEXCTL_MODEL_REPO", ""), settings.get("PLEXCTL_MODEL_REVISION")
        folder = f"{_MARKERS}/models--{repository.replace('/', '--')}"
        found = self._account.files_in(volume, folder, self._environment)
        whole = {name.removesuffix(".json") for name in found if name.endswith(".json")}
        return bool(whole) if revision is None or len(revision) < len("0" * 40) else revision in whole

    def _publish(self) -> tuple[str, str]:
        """Deploy the app; one whose answer was lost is found by its name and its hash."""
        try:
            with self._told(Told(self._context.progress), "deploy the app to Modal") as app:
                return app.deploy(), app.url()
        except PlexError as failure:
            cause = failure.__cause__
            published = self._published() if isinstance(cause, Exception) and is_unsure(cause) else None
            if published is None:
                raise
            return published

    def _stop_others(self, app_id: str) -> None:
        """Stop what a create left whose answer was lost and which Modal's client then sent again."""
        for one in self._account.apps(self._environment):
            if one.name == self._label and one.id != app_id:
                self._account.stop(one.id, self._environment)

    def _published(self) -> tuple[str, str] | None:
        live = self._account.app(self._label, self._environment)
        web = self._account.web(self._label, self._environment) if live else None
        if live is None or web is None or web.url is None or self._account.tags(live).get(PLAN_TAG) != self._digest:
            return None
        return str(live.app_id), web.url

    @contextmanager
    def _told(self, told: Told, action: str) -> Iterator[SdkApp]:
        """Give the rendered app; what fails is said with the last that was printed."""
        try:
            with loaded(self._files, self._account.client, self._environment, told) as app:
                yield app
        except PlexError:
            raise
        except Exception as error:
            failure = failure_in(told.last) or as_plexctl(error, action)
            failure.data = {"log": told.last}
            raise failure from error

    def _tell(self, line: str) -> None:
        words = words_of(line)
        if words is not None:
            self._context.progress(words)

    @contextmanager
    def _intended(self, kind: str, name: str | None = None) -> Iterator[_Created]:
        key = self._journal.intend(kind, name or self._label, self._detail())
        yield _Created(self._journal, key, self._detail())

    def _record(self, kind: str, resource_id: str, name: str | None = None) -> None:
        """Record what is there, unless the journal has it."""
        known = Resource(kind, name or self._label, resource_id, self._detail())
        if known not in self._journal.ref.resources:
            self._journal.created(self._journal.intend(kind, known.name, self._detail()), resource_id, self._detail())

    def _detail(self) -> dict[str, str]:
        return {ENVIRONMENT: self._environment}

    def _expires_at(self) -> str:
        ttl_s = cast("float | None", self._app.body["ttl_s"])
        return "" if ttl_s is None else f"{self._context.now() + ttl_s:.0f}"

    def _reached(self, url: str | None, *, changed: bool) -> Deployment:
        if not url:
            raise ProviderError(f"Modal tells no address for {self._label}", hint="deploy again")
        endpoint = endpoint_of(url)
        self._journal.reached(endpoint)
        return Deployment(self._journal.ref, endpoint, changed)


class _Created:
    """Records the id of one intended resource."""

    def __init__(self, journal: DeploymentJournal, key: int, detail: Mapping[str, str]) -> None:
        self._journal = journal
        self._key = key
        self._detail = detail

    def __call__(self, resource_id: str) -> None:
        self._journal.created(self._key, resource_id, self._detail)


def endpoint_of(url: str) -> Endpoint:
    """Return the endpoint of a web app; http is the loopback's, Modal's own are https."""
    plain = url.rstrip("/")
    return Endpoint(
        url=plain,
        wss_url=f"ws{plain.removeprefix('http')}/api/chat",
        tls="none" if plain.startswith("http://") else "system",
    )
