"""Modal's public API as plexctl needs it: each function asks or tells once, and says what came of it.

The only module that reads and changes things at Modal, but for logs (`logs.py`) and the app itself (`sdk_app.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from plexctl.errors import ProviderError
from plexctl_providers.modal.errors import is_missing, is_unsure, modal_errors
from plexctl_providers.modal.launch import CLASS

if TYPE_CHECKING:
    import modal


@dataclass(frozen=True, slots=True)
class Life:
    """An app as Modal tells of it; `state` in the words of `modal.types.AppState`."""

    id: str
    name: str
    state: str
    stopped_by: str | None = None
    created_at: object = None
    """As the SDK tells it: a datetime."""


@dataclass(frozen=True, slots=True)
class Web:
    """The deployed class: its address, its containers that are up, and the requests that wait for one."""

    url: str | None
    containers: int
    waiting: int


class Account:
    """One user's Modal, by a client that is open."""

    def __init__(self, client: modal.Client) -> None:
        self.client = client

    def hello(self) -> None:
        """Be known by Modal. Raises CredentialsError when we are not."""
        with modal_errors("log in to Modal"):
            self.client.hello()

    def environments(self) -> list[str]:
        """Return the names of all environments."""
        import modal

        with modal_errors("list Modal's environments"):
            return [str(one.name) for one in modal.Environment.objects.list(client=self.client)]

    def environment(self, name: str | None) -> str:
        """Return the name of an environment, of the profile's own for None. Raises ProviderError for an unknown one."""
        with modal_errors(f"find the environment {name or 'of the profile'} at Modal"):
            return str(self._environment(name).hydrate().name)

    def apps(self, environment: str) -> list[Life]:
        """Return the live apps of an environment, those that are being made included."""
        with modal_errors(f"list the apps in Modal's environment {environment}"):
            found = self._environment(environment).apps.list()
            return [_life(app.info(), app.name or app.description or "") for app in found]

    def app(self, name: str, environment: str) -> modal.App | None:
        """Return the deployed app of a name, or the one that has an id, also when it is stopped; None for no such."""
        import modal

        with modal_errors(f"look up the app {name}"):
            try:
                return modal.App.lookup(name, client=self.client, environment_name=environment)
            except modal.exception.NotFoundError:
                return None

    def life(self, app: modal.App) -> Life:
        """Return how an app is now."""
        with modal_errors("ask Modal for the app"):
            return _life(app.info(refresh=True), app.name or "")

    def tags(self, app: modal.App) -> dict[str, str]:
        """Return an app's tags."""
        with modal_errors("read the app's tags"):
            return dict(app.get_tags(client=self.client))

    def web(self, name: str, environment: str) -> Web | None:
        """Return what a deployed app's class says of itself; None when there is no such."""
        import modal

        with modal_errors(f"ask Modal for the containers of {name}"):
            try:
                found = modal.Cls.from_name(name, CLASS, environment_name=environment, client=self.client)
                method = found().web
                now = method.get_current_stats()
                return Web(method.get_web_url(), now.num_total_runners, now.backlog)
            except modal.exception.NotFoundError:
                return None

    def stop(self, app_id: str, environment: str) -> None:
        """Begin to stop an app; one that is gone or stopped already is fine."""
        import modal

        app = self.app(app_id, environment)
        if app is None:
            return
        with modal_errors("stop the app"):
            try:
                app.stop(client=self.client)
            except (modal.exception.NotFoundError, modal.exception.ConflictError):
                return

    def secrets(self, environment: str) -> dict[str, str]:
        """Return the named secrets of an environment: name to id."""
        import modal

        with modal_errors(f"list the secrets in Modal's environment {environment}"):
            found = modal.Secret.objects.list(environment_name=environment, client=self.client)
            return {str(one.name): one.object_id for one in found}

    def secret_with(self, name: str, keys: list[str], environment: str) -> str | None:
        """Return the id of a secret that has all the keys, or None."""
        import modal

        with modal_errors(f"look up the secret {name}"):
            try:
                found = modal.Secret.from_name(name, environment_name=environment, required_keys=keys)
                return str(found.hydrate(self.client).object_id)
            except modal.exception.NotFoundError:
                return None

    def send_secret(self, name: str, values: dict[str, str], environment: str) -> str:
        """Make a secret or bring it up to date; returns its id. The values go to Modal and nowhere else."""
        import modal

        def create() -> None:
            modal.Secret.objects.create(
                name, values, allow_existing=True, environment_name=environment, client=self.client
            )

        with modal_errors(f"send the secret {name} to Modal"):
            try:
                create()
            except Exception as error:
                # By its name it is there once, whichever call's answer was lost.
                if not is_unsure(error) or self.secret_with(name, [], environment) is None:
                    raise
            secret = modal.Secret.from_name(name, environment_name=environment).hydrate(self.client)
            secret.update(values)
            return str(secret.object_id)

    def delete_secret(self, name: str, environment: str) -> None:
        """Delete a secret and read back that it is gone."""
        import modal

        with modal_errors(f"delete the secret {name}"):
            modal.Secret.objects.delete(name, allow_missing=True, environment_name=environment, client=self.client)
        if name in self.secrets(environment):
            raise ProviderError(f"Modal says that the secret {name} is deleted, and still lists it", hint="try again")

    def volume(self, name: str, environment: str) -> str | None:
        """Return the id of a volume, or None."""
        return self._volume(name, environment, create=False)

    def make_volume(self, name: str, environment: str) -> str:
        """Make a volume unless there is one of that name; returns its id."""
        made = self._volume(name, environment, create=True)
        if made is None:
            raise ProviderError(f"Modal made no volume {name}")
        return made

    def files_in(self, volume: str, folder: str, environment: str) -> list[str]:
        """Return the names in a folder of a volume; none when there is no such folder."""
        import modal

        with modal_errors(f"list the volume {volume}"):
            try:
                found = modal.Volume.from_name(volume, environment_name=environment).hydrate(self.client)
                return [entry.path.rpartition("/")[2] for entry in found.listdir(folder)]
            except modal.exception.NotFoundError:
                return []

    def delete_volume(self, name: str, environment: str) -> None:
        """Delete a volume and read back that it is gone."""
        import modal

        with modal_errors(f"delete the volume {name}"):
            modal.Volume.objects.delete(name, allow_missing=True, environment_name=environment, client=self.client)
        if self.volume(name, environment) is not None:
            raise ProviderError(f"Modal says that the volume {name} is deleted, and still has it", hint="try again")

    def rates(self) -> dict[str, Decimal]:
        """Return this workspace's prices by what they are for."""
        import modal

        with modal_errors("read Modal's prices"):
            return dict(modal.Workspace.from_context(client=self.client).billing.rates().items())

    def billed(self, tag: tuple[str, str], since: float, environment: str) -> Decimal:
        """Return what apps with a tag have cost since then (epoch seconds), in USD; the running hour is not in it."""
        with modal_errors("read Modal's billing report"):
            start = datetime.fromtimestamp(since, UTC)
            found = self._environment(environment).billing.report(start=start, resolution="h", tag_names=[tag[0]])
            return sum((one.cost for one in found if one.tags.get(tag[0]) == tag[1]), Decimal(0))

    def _environment(self, name: str | None) -> modal.Environment:
        import modal

        if name is None:
            return modal.Environment.from_context(client=self.client)
        return modal.Environment.from_name(name, client=self.client)

    def _volume(self, name: str, environment: str, *, create: bool) -> str | None:
        import modal

        with modal_errors(f"look up the volume {name}"):
            try:
                found = modal.Volume.from_name(name, environment_name=environment, create_if_missing=create)
                return str(found.hydrate(self.client).object_id)
            except Exception as error:
                if is_missing(error):
                    return None
                if not create or not is_unsure(error):
                    raise
            return self._volume(name, environment, create=False)


def _life(info: modal.types.AppInfo, name: str) -> Life:
    life = info.lifecycle
    return Life(info.app_id, name or info.description, str(life.state.value), life.stopped_by, life.created_at)
