"""What goes wrong at Modal: each with plexctl's error and the way out, nothing made twice, nothing left behind."""

from __future__ import annotations

import inspect
import signal
import threading
from pathlib import Path

import modal.exception
import pytest
from grpclib.const import Status as Code
from grpclib.exceptions import GRPCError, StreamTerminatedError
from tests.clouds.modal import Fault, unavailable
from tests.contract.worlds import until
from tests.modal.ground import Ground, spec_of

from plexctl.contract import Context
from plexctl.errors import (
    ConfigurationError,
    CredentialsError,
    ExtraMissingError,
    LicenceError,
    PlexError,
    PreflightError,
    ProviderError,
)
from plexctl.model import Need, Ref
from plexctl.states import State
from plexctl_providers.modal import connection
from plexctl_providers.modal.adapter import ModalProvider
from plexctl_providers.modal.errors import as_plexctl

RAISED = [
    one
    for one in vars(modal.exception).values()
    if inspect.isclass(one) and issubclass(one, Exception) and not one.__name__.startswith("_")
]


def test_the_map_of_errors_is_total() -> None:
    """Whatever Modal's client, grpclib or Python raise is plexctl's error in one line, with what was being done."""
    made = [one.__new__(one) for one in RAISED]
    made += [GRPCError(Code.UNAVAILABLE, "gone"), StreamTerminatedError("cut"), OSError(111, "refused"), KeyError("x")]
    for error in made:
        found = as_plexctl(error, "deploy")
        assert isinstance(found, PlexError)
        assert found.message.startswith("cannot deploy: ")
        assert "\n" not in found.message
    assert len(RAISED) > 30


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("AuthError", CredentialsError),
        ("PermissionDeniedError", CredentialsError),
        ("ResourceExhaustedError", PreflightError),
        ("InvalidError", PreflightError),
        ("ImageBuildError", ProviderError),
        ("ServiceError", ProviderError),
        ("VersionError", ExtraMissingError),
    ],
)
def test_an_error_has_its_code(name: str, kind: type[PlexError]) -> None:
    """Who we are, what could never work, what failed, and what is not installed are told apart."""
    error = getattr(modal.exception, name)
    assert type(as_plexctl(error.__new__(error), "deploy")) is kind


def test_without_credentials(tmp_path: Path) -> None:
    """A server of one's own gets the two variables' token or nothing: never the one in the user's configuration."""
    provider = ModalProvider(Context(tmp_path, {"MODAL_SERVER_URL": "http://127.0.0.1:9"}, {}, lambda: 0.0))
    for ask in (lambda: provider.offers(Need()), lambda: provider.preflight(spec_of())):
        with pytest.raises(CredentialsError) as caught:
            ask()
        assert caught.value.hint == "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"


@pytest.mark.parametrize("url", ["http://modal.example", "http://10.0.0.1:80", "ftp://127.0.0.1", "https://x,http://y"])
def test_no_token_goes_in_the_clear(tmp_path: Path, url: str) -> None:
    """Plain http is for the loopback alone."""
    environment = {"MODAL_SERVER_URL": url, "MODAL_TOKEN_ID": "ak-x", "MODAL_TOKEN_SECRET": "as-x"}
    with pytest.raises(ConfigurationError, match="in the clear"):
        ModalProvider(Context(tmp_path, environment, {}, lambda: 0.0)).find(None)


@pytest.mark.parametrize("version", [None, "1.6.2", "1.5.4", "0.73.1"])
def test_without_modals_client(version: str | None) -> None:
    """Missing, or too old: the error names the command that mends it."""
    with pytest.raises(ExtraMissingError) as caught:
        connection.require_client(lambda _: version)
    assert "plexctl[modal]" in str(caught.value.hint)
    assert connection.require_client(lambda _: "1.6.3") == "1.6.3"
    assert connection.require_client(lambda _: "1.10.0rc1") == "1.10.0rc1"


def test_a_wrong_token_is_told_in_doctors_words(ground: Ground) -> None:
    """The check of credentials is a finding, and names the command."""
    assert ground.provider().check_credentials().level == "ok"
    ground.cloud.token = ("ak-other", "as-other")
    found = ground.provider().check_credentials()
    assert found.level == "fail"
    assert "modal token new" in str(found.fix)


def test_a_failed_build_shows_its_last_lines(ground: Ground) -> None:
    """What the builder said last is in the error, was told while it went, and nothing but the secret is there."""
    ground.cloud.build_failure = ("#9 ERROR: no matching distribution", "#9 exit code 1")
    entry = ground.begin(spec_of("echo"))
    with pytest.raises(ProviderError) as caught:
        ground.deploy(spec_of("echo"), entry)
    assert caught.value.data["log"][-2:] == ["#9 ERROR: no matching distribution", "#9 exit code 1"]  # type: ignore[index]
    assert "#9 exit code 1" in ground.told
    assert ground.left() == [entry.ref.label]
    ground.provider().destroy(entry.ref)
    assert ground.left() == []


@pytest.mark.parametrize("method", ["AppCreate", "AppPublish", "FunctionCreate", "SecretGetOrCreate", "SecretUpdate"])
def test_twice_unavailable_is_no_failure(ground: Ground, method: str) -> None:
    """A server that is restarted twice in a row is outlasted, and there is one of everything."""
    ground.cloud.fail(unavailable(method, times=2))
    entry, done = ground.deploy(spec_of("echo"))
    assert done.changed
    assert ground.left() == [entry.ref.label] * 2


@pytest.mark.parametrize(
    ("method", "times"),
    [("AppPublish", 1), ("AppPublish", 4), ("SecretGetOrCreate", 1), ("SecretGetOrCreate", 4), ("AppCreate", 4)],
)
def test_a_lost_answer_is_looked_up(ground: Ground, method: str, times: int) -> None:
    """The call took effect and its answer was lost, once or for good: what is there has its name, and is there once."""
    ground.cloud.fail(Fault(method, is_lost=True, times=times))
    entry = ground.begin(spec_of("echo"))
    try:
        ground.deploy(spec_of("echo"), entry)
    except ProviderError:
        assert (method, times) == ("AppCreate", 4)
        ground.deploy(spec_of("echo"), entry)
    assert ground.left() == [entry.ref.label] * 2
    assert all(one.id for one in entry.ref.resources)
    ground.provider().destroy(entry.ref)
    assert ground.left() == []


@pytest.mark.parametrize("method", ["AppPublish", "FunctionCreate", "ImageJoinStreaming", "FunctionGetOutputs"])
def test_an_interrupt_leaves_what_a_destroy_removes(ground: Ground, method: str) -> None:
    """Ctrl-C while the app is half made, built or its weights fetched: a destroy ends with nothing."""
    ground.cloud.fail(Fault(method, delay_s=30.0))
    entry = ground.begin(spec_of())
    interrupting = threading.Thread(target=_interrupt_at, args=(ground, method))
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        ground.deploy(spec_of(), entry)
    interrupting.join()
    ground.provider().destroy(entry.ref, everything=True)
    assert ground.left() == []


def _interrupt_at(ground: Ground, method: str) -> None:
    until(lambda: bool(ground.cloud.calls_of(method)), method)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_slow_answers_are_waited_for(ground: Ground) -> None:
    """Answers that take their time are no failure."""
    ground.cloud.fail(Fault("AppPublish", delay_s=0.5))
    ground.cloud.fail(Fault("SecretGetOrCreate", delay_s=0.2))
    assert ground.deploy(spec_of("echo"))[1].changed


def test_a_licence_is_told_as_such(ground: Ground) -> None:
    """What the fetcher says of the model's licence is the licence's error, not the provider's."""
    ground.cloud.fetch_failure = ("access to nvidia/personaplex-7b-v1 was not granted", "licence")
    entry = ground.begin(spec_of())
    with pytest.raises(LicenceError, match="was not granted"):
        ground.deploy(spec_of(), entry)
    assert ground.provider().destroy(entry.ref, everything=True).kept == ()
    assert ground.left() == []


def test_a_gpu_that_modal_does_not_sell(ground: Ground) -> None:
    """Refused by Modal itself, in its words, as what could never work."""
    ground.cloud.gpus.discard("L40S")
    with pytest.raises(PreflightError, match="Invalid GPU type: 'L40S'"):
        ground.deploy(spec_of())


def test_an_environment_that_is_not_there(ground: Ground) -> None:
    """Found before anything is made."""
    found = ground.provider().preflight(spec_of(modal={"environment": "elsewhere"}))
    assert [(one.check, one.level) for one in found] == [("credentials", "ok"), ("environment", "fail")]
    assert ground.left() == []


def test_an_app_that_does_not_stop_is_no_success(ground: Ground) -> None:
    """Stopping is believed when it was read back; what may still bill is said."""
    entry, _ = ground.deploy(spec_of("echo"))
    ground.cloud.unstoppable.add(ground.app(entry.ref).id)
    clock = iter(range(0, 10_000, 50))
    ground.now = lambda: float(next(clock))
    with pytest.raises(ProviderError, match="did not stop") as caught:
        ground.provider().stop(entry.ref)
    assert "may still bill" in str(caught.value.hint)
    ground.cloud.unstoppable.clear()
    ground.provider().stop(entry.ref)
    assert ground.provider().status(entry.ref).state is State.STOPPED


def test_a_secret_that_is_gone_is_made_again(ground: Ground) -> None:
    """Deleted behind our back, it is sent again, and the app is deployed with the new one."""
    entry, _ = ground.deploy(spec_of("echo"))
    ground.cloud.secrets = {key: one for key, one in ground.cloud.secrets.items() if not one.name}
    assert ground.deploy(spec_of("echo"), entry)[1].changed
    (secret,) = [one for one in ground.cloud.secrets.values() if one.name]
    assert secret.id in ground.definition(entry.ref).secret_ids


def test_nothing_is_there_for_an_unknown_deployment(ground: Ground) -> None:
    """Missing is no error."""
    ref = Ref("modal", "voice", "abc234")
    assert ground.provider().status(ref).state is State.MISSING
    assert ground.provider().usage(ref, 0.0).replicas == 0
