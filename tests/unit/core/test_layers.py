"""plexctl.toml, the environment and the flags: which wins, and how each wrong word is told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from plexctl.config import load_spec
from plexctl.errors import ConfigurationError, PlexError, UsageError
from plexctl.layers import spec_variables
from plexctl.spec import Gateway, Limits, Spec

VALUES = {
    "name": ("a", "b", "c"),
    "provider": ("local", "modal", "vast"),
    "engine": ("echo", "personaplex", "echo"),
    "model.repo": ("a/a", "b/b", "c/c"),
    "model.revision": ("a", "b", "c"),
    "model.cpu_offload": (False, True, False),
    "gateway.port": (9001, 9002, 9003),
    "gateway.engines": (1, 2, 3),
    "gateway.voice": ("a", "b", "c"),
    "gateway.text_prompt": ("a", "b", "c"),
    "gateway.idle_timeout_s": (1.5, 2.5, 3.5),
    "gateway.max_session_s": (1.5, 2.5, 3.5),
    "limits.start_timeout_s": (1.5, 2.5, 3.5),
    "limits.max_tries": (1, 2, 3),
    "limits.deadline_s": (1.5, 2.5, 3.5),
    "limits.ttl_s": (1.5, 2.5, 3.5),
    "local.engine_python": ("a", "b", "c"),
    "local.runtime": ("process", "docker", "process"),
    "image.name": ("a.example/x", "b.example/x:1", "c.example/x"),
    "image.profile": ("cu121", "cu128", "echo"),
    "image.repository": ("a.example/x", "b.example/x", "c.example/x"),
    "image.base": ("a.example/x", "b.example/x", "c.example/x"),
    "templates.folder": ("a", "b", "c"),
    "host.runtime": ("docker", "python", "auto"),
    "host.public": ("a.example", "ip", "c.example"),
    "host.ssh_from": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    "ssh.hosts": (("a@example",), ("b@example", "b@[2001:db8::1]:22"), ("c@example",)),
    "ssh.identity": ("a", "b", "c"),
    "ssh.jump": ("a@example", "b@example", "c@example"),
    "ssh.accept_host_key": (("SHA256:a",), ("SHA256:b", "SHA256:c"), ("SHA256:d",)),
    "modal.environment": ("a", "b", "c"),
    "modal.min_containers": (1, 2, 3),
    "modal.max_containers": (1, 2, 3),
    "cloudrun.project": ("a", "b", "c"),
    "ovh.project": ("a", "b", "c"),
}


def _toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "plexctl.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _line(key: str, value: object) -> str:
    section, _, field = key.rpartition(".")
    return (f"[{section}]\n" if section else "") + f"{field} = {msgspec.json.encode(value).decode()}\n"


def _value(spec: Spec, key: str) -> object:
    found: object = spec
    for part in key.split("."):
        found = getattr(found, part)
    return found


def test_every_key_that_has_a_variable_is_in_the_table_below() -> None:
    """A new field of the spec is a new row of these tests."""
    assert set(VALUES) == set(spec_variables().values())


@pytest.mark.parametrize("key", VALUES)
def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path, key: str) -> None:
    """For each key: file < environment < flags, and a flag that is not given takes nothing away."""
    in_file, in_environment, on_command_line = VALUES[key]
    variable = {key: variable for variable, key in spec_variables().items()}[key]
    path = _toml(tmp_path, _line(key, in_file))
    environ = {variable: ", ".join(in_environment) if isinstance(in_environment, tuple) else str(in_environment)}
    assert _value(load_spec({}, {key: None}, path), key) == in_file
    assert _value(load_spec(environ, {key: None}, path), key) == in_environment
    assert _value(load_spec(environ, {key: on_command_line}, path), key) == on_command_line


def test_layers_mix_key_by_key(tmp_path: Path) -> None:
    """A flag for one key leaves its neighbours in the file as they are."""
    path = _toml(tmp_path, 'provider = "local"\n[gateway]\nport = 9000\nengines = "auto"\n[limits]\nttl_s = 60\n')
    spec = load_spec({"PLEXCTL_PORT": "9001"}, {"gateway.engines": "2"}, path)
    assert spec == Spec(provider="local", gateway=Gateway(port=9001, engines=2), limits=Limits(ttl_s=60))


def test_a_variable_of_the_server_on_the_command_line_leaves_the_others(tmp_path: Path) -> None:
    """`env` is a table: `--env` adds to the file's and wins name by name."""
    path = _toml(tmp_path, '[env]\nLOG_LEVEL = "info"\nCOLOUR = "red"\n')
    assert load_spec({}, {"env": {"COLOUR": "blue"}}, path).env == {"LOG_LEVEL": "info", "COLOUR": "blue"}


def test_an_empty_variable_is_no_variable() -> None:
    """`PLEXCTL_PORT=` in a unit file or a CI job means unset."""
    assert load_spec({"PLEXCTL_PORT": "", "PLEXCTL_ENGINE": ""}, {}) == Spec()


def test_no_file_is_no_error_unless_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """plexctl.toml in the working directory is used when there; a file that was named must be."""
    monkeypatch.chdir(tmp_path)
    assert load_spec({}, {}) == Spec()
    _toml(tmp_path, 'name = "here"')
    assert load_spec({}, {}).name == "here"
    with pytest.raises(ConfigurationError, match=r"no such file: .*there\.toml") as caught:
        load_spec({}, {}, tmp_path / "there.toml")
    assert "plexctl init" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nmae = 'x'", ["plexctl.toml", "'nmae'", "did you mean 'name'?"]),
        ("[gatewya]\nport = 1", ["plexctl.toml", "'gatewya.port'", "did you mean 'gateway.port'?"]),
        ("[gateway]\nprot = 1", ["plexctl.toml", "'gateway.prot'", "did you mean 'gateway.port'?"]),
        ("[gateway.port]\nx = 1", ["plexctl.toml", "'gateway.port.x'"]),
        ("[zzzzzz]\nqqqq = 1", ["plexctl.toml", "'zzzzzz.qqqq'"]),
        ("zzzzzz = {}", ["plexctl.toml", "'zzzzzz'"]),
        ("gateway = 5", ["plexctl.toml", "gateway"]),
        ("provider = 3", ["plexctl.toml", "provider", "3 is not text"]),
        ("engine = 'echoo'", ["plexctl.toml", "engine", "did you mean 'echo'?"]),
        ("name = 'Voice'", ["plexctl.toml", "name", "'Voice' is not valid"]),
        ('name = "voice\\n"', ["plexctl.toml", "name", "is not valid"]),
        ("[gateway]\nport = '9000'", ["plexctl.toml", "gateway.port", "'9000' is not a number"]),
        ("[gateway]\nport = 0", ["plexctl.toml", "gateway.port", "at least 1"]),
        ("[gateway]\nport = 65536", ["plexctl.toml", "gateway.port", "at most 65535"]),
        ("[gateway]\nport = true", ["plexctl.toml", "gateway.port"]),
        ("[gateway]\nengines = 'all'", ["plexctl.toml", "gateway.engines", "'all'"]),
        ("[gateway]\ntext_prompt = ''", ["plexctl.toml", "gateway.text_prompt"]),
        ("[limits]\nttl_s = 0", ["plexctl.toml", "limits.ttl_s"]),
        ("[limits]\nttl_s = inf", ["plexctl.toml", "limits.ttl_s"]),
        ("[limits]\nttl_s = nan", ["plexctl.toml", "limits.ttl_s"]),
        ("[model]\nrepo = 'nvidia'", ["plexctl.toml", "model.repo", "'nvidia' is not valid"]),
        ("[model]\ncpu_offload = 'yes'", ["plexctl.toml", "model.cpu_offload", "true or false"]),
        ("env = 3", ["plexctl.toml", "env"]),
        ("secrets = 'HF_TOKEN'", ["plexctl.toml", "secrets"]),
        ("x = [1,", ["plexctl.toml", "not valid TOML"]),
        ("name = 'a'\nname = 'b'", ["plexctl.toml", "not valid TOML"]),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    """The file, the key, what is wrong with it, and the nearest word that would be right."""
    with pytest.raises(ConfigurationError) as caught:
        load_spec({}, {}, _toml(tmp_path, text))
    assert all(word in caught.value.message for word in words), caught.value.message


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"PLEXCTL_PROT": "1"}, ["environment", "PLEXCTL_PROT", "did you mean 'PLEXCTL_PORT'?"]),
        ({"PLEXCTL_PORT": "many"}, ["environment", "gateway.port", "'many' is not a number"]),
        ({"PLEXCTL_PORT": "70000"}, ["environment", "gateway.port", "at most 65535"]),
        ({"PLEXCTL_ENGINE": "ecko"}, ["environment", "engine", "did you mean 'echo'?"]),
        ({"PLEXCTL_CPU_OFFLOAD": "perhaps"}, ["environment", "model.cpu_offload", "true or false"]),
        ({"PLEXCTL_TTL_S": "soon"}, ["environment", "limits.ttl_s", "'soon' is not a number"]),
        ({"PLEXCTL_TEXT_PROMPT": "caf\udce9"}, ["environment", "gateway.text_prompt", "UTF-8"]),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(environ: dict[str, str], words: list[str]) -> None:
    """The environment, the key or the variable, and the nearest right one."""
    with pytest.raises(ConfigurationError) as caught:
        load_spec(environ, {})
    assert all(word in caught.value.message for word in words), caught.value.message


@pytest.mark.parametrize("variable", ["PLEXCTL_HOME", "PLEXCTL_TOKEN", "PLEXCTL_TEST_ANYTHING", "PLEXCTL_X_MINE", "X"])
def test_variables_that_are_no_settings_are_passed_over(variable: str) -> None:
    """Plexctl's other variables, those of tests and of other people's adapters, and everybody else's."""
    assert load_spec({variable: "1"}, {}) == Spec()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"gateway.port": 0}, ["command line", "gateway.port", "at least 1"]),
        ({"name": "Voice"}, ["command line", "name", "'Voice' is not valid"]),
        ({"engine": "ecko"}, ["command line", "engine", "did you mean 'echo'?"]),
        ({"gateway.engines": "65"}, ["command line", "gateway.engines"]),
        ({"env": {"A": "caf\udce9"}}, ["command line", "env", "UTF-8"]),
        ({"env": {"A-B": "x"}}, ["command line", "env"]),
    ],
)
def test_what_is_wrong_on_the_command_line_is_a_usage_error(flags: dict[str, object], words: list[str]) -> None:
    """The same words, and the exit code of a wrong command line."""
    with pytest.raises(UsageError) as caught:
        load_spec({}, flags)
    assert all(word in caught.value.message for word in words), caught.value.message


@pytest.mark.parametrize(
    "text",
    ["[env]\nA = 5\nTOKEN = 'canary'", '[env]\nA = "canary\\u0000"', "env = ['canary']", "secrets = ['canary!']"],
)
def test_what_tables_and_lists_hold_is_not_repeated(tmp_path: Path, text: str) -> None:
    """A value in `env` may be what nobody should see; the error names the key only."""
    with pytest.raises(PlexError) as caught:
        load_spec({}, {}, _toml(tmp_path, text))
    assert "canary" not in f"{caught.value.message} {caught.value.hint}"


def test_a_file_has_types_whatever_it_is_called(tmp_path: Path) -> None:
    """Text is no number in a file, also when its name does not end in .toml."""
    path = tmp_path / "settings.conf"
    path.write_text("[gateway]\nport = '9000'")
    with pytest.raises(ConfigurationError, match="is not a number"):
        load_spec({}, {}, path)


def test_bytes_that_are_no_text_are_an_error_in_words(tmp_path: Path) -> None:
    """A file in another encoding is named, not a traceback."""
    path = tmp_path / "plexctl.toml"
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_spec({}, {}, path)
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_spec({}, {}, tmp_path)
