"""The rendered app, run by Modal's client in this process: deployed, served, or its fetcher called.

What the client prints goes to `told`, never to standard output; git, which it asks for commit and author, finds no
repository.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from plexctl_providers.modal.files import APP_FILE
from plexctl_providers.modal.launch import CLASS, FETCH

if TYPE_CHECKING:
    import io

    import modal

_MODULE = "plexctl_modal_app"
"""In no table of modules: so that classes and functions travel by value, not by a name that no container knows."""
_TREE = ("✓", "├", "└", "│", "View ")
"""How the client's own words about its objects begin."""


class Told:
    """What Modal's client prints, line by line: passed on, and the last ones kept."""

    def __init__(self, tell: Callable[[str], None], kept: int = 30) -> None:
        self.last: list[str] = []
        self._tell = tell
        self._kept = kept
        self._begun = ""

    def write(self, text: str) -> int:
        """Take a piece of text."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip() and not line.strip().startswith(_TREE):
                self.last = [*self.last, line.rstrip()][-self._kept :]
                self._tell(line.rstrip())
        return len(text)

    def flush(self) -> None:
        """Do nothing: what is begun is told when its line ends."""

    def isatty(self) -> bool:
        """Say that nobody watches spinners here."""
        return False


class SdkApp:
    """A rendered app as a module, and the client that it goes by."""

    def __init__(self, module: ModuleType, client: modal.Client, environment: str) -> None:
        self._module: Any = module
        self._client = client
        self._environment = environment

    def deploy(self) -> str:
        """Deploy the app and return its id; the containers that run go when their requests have ended."""
        app = cast("modal.App", self._module.app)
        app.deploy(client=self._client, environment_name=self._environment, strategy="rolling")
        return str(app.app_id)

    @contextmanager
    def serving(self) -> Iterator[tuple[str, str]]:
        """Have the app run until the context ends; gives its id and its address."""
        app = cast("modal.App", self._module.app)
        with self._running(app):
            yield str(app.app_id), self.url()

    def fetch(self) -> None:
        """Call the fetcher, in an app that is there meanwhile, and wait for its end."""
        app = cast("modal.App", self._module.fetching)
        with self._running(app):
            getattr(self._module, FETCH).remote()

    @contextmanager
    def _running(self, app: modal.App) -> Iterator[None]:
        """Run an app until the context ends; Modal's own context takes Ctrl-C for an end like any other."""
        has_ended = False
        with app.run(client=self._client, environment_name=self._environment):
            yield
            has_ended = True
        if not has_ended:
            raise KeyboardInterrupt

    def url(self) -> str:
        """Return the address of the app that was just deployed."""
        return str(getattr(self._module, CLASS)().web.get_web_url())


@contextmanager
def loaded(files: Mapping[str, str], client: modal.Client, environment: str, told: Told) -> Iterator[SdkApp]:
    """Run the rendered file (it only defines) in a folder of its own, and give what it defines."""
    import modal

    with TemporaryDirectory(prefix="plexctl-modal-") as folder, _quiet(told), modal.enable_output():
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        module = ModuleType(_MODULE)
        module.__file__ = str(Path(folder, APP_FILE))
        code = compile(files[APP_FILE], module.__file__, "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102 - our own template's text, as `plexctl render` shows it
        with chdir(folder):
            yield SdkApp(module, client, environment)


@contextmanager
def _quiet(told: Told) -> Iterator[None]:
    """Let the client print to `told`, and warn nobody."""
    with warnings.catch_warnings(), redirect_stdout(cast("io.TextIOBase", told)):
        warnings.simplefilter("ignore")
        yield
