"""The table of ways to fail: what is typed, what stands around it, and what must be said. Data and set-ups only."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.process import Plexctl

from plexctl.journal.schema import APPLICATION_ID

DEPLOY = "deploy -p local --engine echo --no-probe"
NEVER_SHOWN = "canary-5f1d"
"""Stands where a value must not be repeated."""


@dataclass(frozen=True)
class Row:
    """One failure. `typed` is split at blanks, `{blank}`, `{line}` and `{none}` stand for what is no word."""

    typed: str
    exit_code: int
    code: str
    words: str
    """Each of these, split at `|`, is in the message or the hint."""
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What lies in the working directory."""
    prepare: Callable[[Plexctl], None] | None = None
    reports: bool = False
    """The command has a report to print even though it fails."""

    @property
    def argv(self) -> list[str]:
        """The command line."""
        odd = {
            "port": "{port}",
            "blank": " ",
            "line": "\n",
            "none": "",
            "long": "a" * 41,
            "prompt": "a" * 1001,
            "canary": NEVER_SHOWN,
        }
        return [word.format(**odd) for word in self.typed.split()]


def newer_journal(one: Plexctl) -> None:
    """Write a journal of a schema that is not known yet."""
    one.home.mkdir()
    with sqlite3.connect(one.home / "journal.db") as connection:
        connection.execute("CREATE TABLE deployments (id)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def damaged_journal(one: Plexctl) -> None:
    """Write rubbish where the journal belongs."""
    one.home.mkdir()
    (one.home / "journal.db").write_bytes(b"rubbish" * 1000)


def home_is_a_file(one: Plexctl) -> None:
    """Put a file where plexctl's folder belongs."""
    one.home.write_text("not a folder")


def local_is_a_file(one: Plexctl) -> None:
    """Put a file where the local provider's folder belongs."""
    one.home.mkdir()
    (one.home / "local").write_text("not a folder")


def stray(one: Plexctl) -> None:
    """Leave a deployment's folder where no journal is."""
    (one.home / "local" / "plexctl-voice-abc234").mkdir(parents=True)


def plugins(one: Plexctl) -> None:
    """Install a distribution with four providers: one lacks its package, one is none, one is empty, one sells a GPU."""
    info = one.work / "ghost-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ghost\nVersion: 1.0\n")
    lines = (
        "ghost = no_such_package.adapter:Ghost",
        "broken = json:JSONDecoder",
        "empty = empty_provider:Empty",
        "shop = shop_provider:Shop",
    )
    (info / "entry_points.txt").write_text("\n".join(("[plexctl.providers]", *lines)))
    (one.work / "empty_provider.py").write_text(
        "from plexctl.contract import Capabilities\n"
        "class Empty:\n    name = 'empty'\n    capabilities = Capabilities()\n    def __init__(self, context): pass\n"
        "    def preflight(self, spec): return []\n    def offers(self, need): return []\n"
    )

    (one.work / "shop_provider.py").write_text(_SHOP)


_SHOP = """
from plexctl.contract import Capabilities
from plexctl.model import Offer, Plan
class Shop:
    name = 'shop'
    capabilities = Capabilities()
    def __init__(self, context): pass
    def preflight(self, spec): return []
    def offers(self, need): return [Offer('shop', 'L40S', 1, 'east', 1.5, 'its list', None)]
    def plan(self, spec, offer): return Plan('shop', spec.name, offer, (), (), ('PLEXCTL_TOKEN',))
"""
"""Sells one GPU in one region, and makes nothing."""
PLUGINS = {"PYTHONPATH": "."}
IN_THE_SHOP = {**PLUGINS, "HF_HUB_OFFLINE": "1"}
COMMAND_LINE = (
    Row("staus", 2, "usage", "No such command 'staus'|'status'"),
    Row("status --jsno", 2, "usage", "No such option: --jsno|--json|plexctl status --help"),
    Row("status a b", 2, "usage", "unexpected extra argument|(b)"),
    Row("deploy --port", 2, "usage", "--port|requires an argument"),
    Row("deploy --port x", 2, "usage", "--port|'x'"),
    Row("deploy", 2, "usage", "No provider is named|--provider local"),
    Row("deploy -p locla", 3, "configuration", "'locla'|did you mean 'local'|known providers"),
    Row("deploy -p vast --engine echo --yes", 4, "credentials", "no key for Vast is set|VAST_API_KEY"),
    Row(
        "deploy -p auto --yes --engine echo", 4, "credentials", "none of these providers is set up here|modal token new"
    ),
    Row("deploy -p modal,vats", 3, "configuration", "unknown provider 'vats'|known providers"),
    Row("deploy -p local,modal", 2, "usage", "local is your own hardware|name it alone"),
    Row("deploy -p modal,cloudrun --dev", 2, "usage", "--dev takes one provider, not 'modal,cloudrun'"),
    Row(f"{DEPLOY} --max-tries 0", 2, "usage", "limits.max_tries: must be at least 1, not 0"),
    Row(f"{DEPLOY} --deadline soon", 2, "usage", "--deadline 'soon' is no duration|15m"),
    Row("open --port 65536", 2, "usage", "--port|65536"),
    Row(f"{DEPLOY} --host me@gpu.example", 2, "usage", "--host is for ssh, not for local|leave it out"),
    Row("deploy -p modal,vast --public ip", 2, "usage", "--public is for ssh or lambda or ovh, not for modal, vast"),
    Row("plan -p lambda --product ai-deploy", 2, "usage", "--product is for ovh, not for lambda"),
    Row("deploy -p ovh --product vm", 2, "usage", "ovh.product: 'vm' is not valid|instance: a virtual machine"),
    Row("deploy -p ssh --engine echo", 6, "preflight", "no host is named|--host|PLEXCTL_SSH_HOST"),
    Row("deploy -p ssh --engine echo --host -oProxyCommand=x", 3, "configuration", "user@host[:port]"),
    Row("deploy -p ssh --engine echo --host me@127.0.0.1:1", 8, "provider", "127.0.0.1:1"),
    Row("deploy -p lambda --engine echo --yes", 4, "credentials", "LAMBDA_API_KEY"),
    Row("deploy -p ovh --engine echo --yes", 4, "credentials", "OVH_"),
    Row("deploy -p modal --engine echo --yes", 4, "credentials", "Modal|modal token new"),
    Row(f"{DEPLOY} --private", 2, "usage", "--private is for cloudrun, not for local"),
    Row(f"{DEPLOY} --dev", 2, "usage", "local has no --dev"),
    Row(f"{DEPLOY} --region east", 2, "usage", "no regions are known of local"),
    Row(f"{DEPLOY} --gpu L4OS", 2, "usage", "no GPU is called 'L4OS'; did you mean 'L40S'"),
    Row(f"{DEPLOY} --max-price -1", 2, "usage", "--max-price -1 is no price"),
    Row("scale", 2, "usage", "Neither --min nor --max"),
    Row("init -p modl", 3, "configuration", "unknown provider 'modl'"),
    Row("deploy -p local --engine ecko", 2, "usage", "engine: 'ecko' is not valid|did you mean 'echo'|personaplex"),
    Row(
        "deploy -p local --engine personaplex",
        6,
        "preflight",
        "personaplex needs the Python|local.engine_python",
        env={"HF_HUB_OFFLINE": "1"},
    ),
    Row(f"{DEPLOY} --port 0", 2, "usage", "gateway.port: must be at least 1, not 0"),
    Row(f"{DEPLOY} --port 65536", 2, "usage", "gateway.port: must be at most 65535, not 65536"),
    Row(f"{DEPLOY} --engines 0", 2, "usage", "gateway.engines: must be at least 1"),
    Row(f"{DEPLOY} --text-prompt {{none}}", 2, "usage", "text_prompt: must have at least 1 char"),
    Row(f"{DEPLOY} --text-prompt {{prompt}}", 2, "usage", "text_prompt: must have at most 1000 char"),
    Row(f"{DEPLOY} --model weights", 2, "usage", "model.repo: 'weights' is not valid|Hugging Face repository"),
    Row(f"{DEPLOY} --ttl soon", 2, "usage", "--ttl 'soon' is no duration|15m"),
    Row(f"{DEPLOY} --timeout 0", 2, "usage", "--timeout '0' is no duration"),
    Row(f"{DEPLOY} --ttl 99999999999d", 2, "usage", "--ttl '99999999999d' is too long"),
    Row(f"{DEPLOY} --env LEVEL", 2, "usage", "--env takes KEY=VALUE|--env LOG_LEVEL=debug"),
    Row(f"{DEPLOY} --env a-b=c", 2, "usage", "--env 'a-b' is no variable's name"),
    Row(f"{DEPLOY} --env PLEXCTL_EXPIRES_AT=5", 3, "configuration", "set by plexctl itself|limits.ttl_s"),
    Row(f"{DEPLOY} --env VAST_URL=https://elsewhere.example", 3, "configuration", "set by plexctl itself|leave it out"),
    Row(f"{DEPLOY} --env HF_TOKEN={{canary}}", 3, "configuration", "HF_TOKEN is a secret|--secret HF_TOKEN"),
    Row(f"{DEPLOY} --secret KEY={{canary}}", 2, "usage", "--secret KEY|does not belong on the command line|=@FILE"),
    Row(f"{DEPLOY} --secret KEY {{canary}}", 2, "usage", "unexpected extra argument|may be a secret"),
    Row(f"{DEPLOY} --secret a{{blank}}{{canary}}", 2, "usage", "--secret takes KEY|letters, digits and _"),
    Row(f"{DEPLOY} --name ../../x", 2, "usage", "name: '../../x' is not valid|at most 40"),
    Row(f"{DEPLOY} --name a{{line}}b", 2, "usage", "name: 'a\\nb' is not valid"),
    Row(f"{DEPLOY} --name \U0001f99c", 2, "usage", "name: '\U0001f99c' is not valid"),
    Row(f"{DEPLOY} --name {{long}}", 2, "usage", "is not valid|at most 40"),
    Row("logs --tail -1", 2, "usage", "--tail"),
)
SETTINGS = (
    Row(f"{DEPLOY} --secret KEY", 3, "configuration", "the secret KEY is not set|export KEY|KEY=@FILE"),
    Row(f"{DEPLOY} --secret KEY=@none", 3, "configuration", "secret's file none|No such file|name a text file"),
    Row(f"{DEPLOY} --secret KEY=@e", 3, "configuration", "secret's file e is empty", files={"e": b"\n"}),
    Row(f"{DEPLOY} --secret KEY=@b", 3, "configuration", "secret's file b|not UTF-8", files={"b": b"\xff\xfe\0"}),
    Row(f"{DEPLOY} --token-file none", 3, "configuration", "secret's file none|No such file"),
    Row("status", 3, "configuration", "access token|no header carries", env={"PLEXCTL_TOKEN": f"{NEVER_SHOWN} x"}),
    Row(f"{DEPLOY} -c none.toml", 3, "configuration", "no such file: none.toml|plexctl init"),
    Row(DEPLOY, 3, "configuration", "not valid TOML|line 1", files={"plexctl.toml": b"name = \n"}),
    Row(DEPLOY, 3, "configuration", "plexctl.toml is not valid TOML", files={"plexctl.toml": b"\xff"}),
    Row(DEPLOY, 3, "configuration", "unknown key 'nmae'|did you mean 'name'", files={"plexctl.toml": b"nmae = 'a'"}),
    Row(
        DEPLOY,
        3,
        "configuration",
        "unknown key 'gateway.prot'|did you mean 'gateway.port'",
        files={"plexctl.toml": b"[gateway]\nprot = 1"},
    ),
    Row(DEPLOY, 3, "configuration", "gateway is a table|[gateway]", files={"plexctl.toml": b"gateway = 1"}),
    Row(
        DEPLOY,
        3,
        "configuration",
        "plexctl.toml: gateway.port: '80' is not a number",
        files={"plexctl.toml": b"[gateway]\nport = '80'"},
    ),
    Row(
        DEPLOY,
        3,
        "configuration",
        "secrets: a name in it is not made of letters",
        files={"plexctl.toml": f"secrets = ['KEY={NEVER_SHOWN}']".encode()},
    ),
    Row(DEPLOY, 3, "configuration", "unknown variable PLEXCTL_PROT|PLEXCTL_PORT", env={"PLEXCTL_PROT": "1"}),
    Row(DEPLOY, 3, "configuration", "environment: gateway.port: 'x' is not a number", env={"PLEXCTL_PORT": "x"}),
    Row("init plexctl.toml", 11, "conflict", "plexctl.toml exists already|--yes", files={"plexctl.toml": b""}),
    Row("init none/plexctl.toml", 3, "configuration", "cannot write none/plexctl.toml|No such file"),
    Row("list", 3, "journal", "damaged|not touched", prepare=damaged_journal),
    Row(DEPLOY, 3, "journal", "damaged|not touched", prepare=damaged_journal),
    Row("status", 3, "journal", "newer plexctl|schema 99|upgrade plexctl", prepare=newer_journal),
    Row("list", 3, "configuration", "is a file|PLEXCTL_HOME", prepare=home_is_a_file),
    Row(DEPLOY, 3, "configuration", "cannot write|PLEXCTL_HOME", env={"PLEXCTL_HOME": "/proc/plexctl"}),
    Row(DEPLOY, 8, "provider", "lock: Not a directory", prepare=local_is_a_file),
    Row("deploy -p ghost", 12, "extra_missing", "no_such_package|pip install", env=PLUGINS, prepare=plugins),
    Row("deploy -p broken", 1, "bug", "TypeError|bug in plexctl", env=PLUGINS, prepare=plugins),
    Row(
        "deploy -p shop --yes",
        3,
        "configuration",
        "callers elsewhere need an access token|export PLEXCTL_TOKEN=$(openssl rand -hex 24)|--token-file",
        env=IN_THE_SHOP,
        prepare=plugins,
    ),
    Row(
        "deploy -p shop",
        2,
        "usage",
        "personaplex takes L40S of shop in east for 1.50 USD per hour; idle it bills|--yes",
        env=IN_THE_SHOP | {"PLEXCTL_TOKEN": "right"},
        prepare=plugins,
    ),
    Row("deploy -p shop --region wets", 2, "usage", "no region 'wets' of shop|east", env=IN_THE_SHOP, prepare=plugins),
    Row("deploy -p shop --gpu L4", 7, "no_capacity", "L40S is not L4", env=IN_THE_SHOP, prepare=plugins),
    Row(
        "deploy -p shop --max-price 1",
        7,
        "no_capacity",
        "costs 1.50 USD per hour; the limit is 1",
        env=IN_THE_SHOP,
        prepare=plugins,
    ),
    Row("deploy -p empty", 7, "no_capacity", "empty offers nothing", env=PLUGINS, prepare=plugins),
)
LEFTOVERS = (
    Row("gc", 13, "drift", "plexctl-voice-abc234 on local (young)|gc --delete --young", prepare=stray, reports=True),
    Row(
        "gc --delete --young",
        2,
        "usage",
        "end plexctl-voice-abc234? Nobody can be asked|--yes",
        prepare=stray,
        reports=True,
    ),
    Row("gc --all-providers", 3, "journal", "damaged|not touched", prepare=damaged_journal),
)
UNKNOWN = tuple(
    Row(f"{command} {name}", 10, "not_found", f"no deployment named|{word}|plexctl list")
    for command in (
        "status",
        "stop",
        "start",
        "destroy --yes",
        "logs",
        "stop --dry-run",
        "destroy --dry-run",
        "scale --min 0",
        "open",
        "ssh",
    )
    for name, word in (("nobody", "'nobody'"), ("..{line}x", "'..\\nx'"))
) + tuple(
    Row(command, 10, "not_found", "there are no deployments|plexctl deploy")
    for command in ("stop", "start", "destroy --yes", "logs", "probe", "open", "ssh")
)
PROBES = (
    Row("probe nobody", 10, "not_found", "no deployment named 'nobody'"),
    Row("probe http://127.0.0.1:1", 9, "unhealthy", "unreachable|nothing listens at 127.0.0.1 port 1", reports=True),
    Row("probe https://nowhere.invalid", 9, "unhealthy", "there is no host nowhere.invalid", reports=True),
    Row("probe ftp://127.0.0.1", 2, "usage", "a URL cannot begin with ftp://|use https"),
    Row("probe http://", 2, "usage", "no host in 'http://'|for example"),
    Row("probe http://127.0.0.1:99999", 2, "usage", "is not a port|1 to 65535"),
    Row("probe https://u:{canary}@127.0.0.1", 2, "usage", "no user name or password|--token"),
    Row("probe https://127.0.0.1/?token={canary}", 2, "usage", "no token|--token"),
    Row("probe http://127.0.0.1:1 --level deep", 2, "usage", "--level 'deep'|connect, upgrade, handshake, audio"),
    Row("probe http://127.0.0.1:1 --timeout 5x", 2, "usage", "--timeout '5x' is no duration"),
    Row("probe http://127.0.0.1:1 --seconds 2h", 2, "usage", "cannot send 7200 s|at most 3600 s"),
    Row("probe http://127.0.0.1:1 --sessions 0", 2, "usage", "cannot hold 0 sessions|1 to 1000"),
    Row("probe http://127.0.0.1:1 --voice {none}", 2, "usage", "empty voice|leave the flag out"),
    Row("probe https://127.0.0.1:1 --fingerprint ab:cd", 2, "usage", "64 hexadecimal digits|openssl x509"),
    Row("probe https://127.0.0.1:1 --cacert none", 2, "usage", "none|No such file"),
    Row("probe http://127.0.0.1:1 --audio none", 2, "usage", "cannot read none: No such file"),
    Row("probe http://127.0.0.1:1 --audio w", 2, "usage", "not a voice|opusenc", files={"w": b"RIFF" + bytes(99)}),
)
ENGINES = (
    Row(f"{DEPLOY} --env PLEXCTL_ECHO_FAULT=oom", 9, "unhealthy", "out of GPU memory|nothing of it is left"),
    Row(f"{DEPLOY} --env PLEXCTL_ECHO_FAULT=gated", 9, "unhealthy", "model is gated|licence|nothing of it is left"),
    Row(f"{DEPLOY} --env PLEXCTL_ECHO_FAULT=crash-at-start", 9, "unhealthy", "exited with 1|told to crash at start"),
    Row(f"{DEPLOY} --voice NOBODY.pt", 9, "unhealthy", "PLEXCTL_VOICE='NOBODY.pt'|NATF2.pt|nothing of it is left"),
    Row(f"{DEPLOY} --env PLEXCTL_ECHO_LOAD_S=60 --timeout 1s", 9, "unhealthy", "not ready within 1 s|--timeout"),
    Row(
        "deploy -p local --engine echo --env PLEXCTL_ECHO_FAULT=silent",
        9,
        "unhealthy",
        "silent|nothing came back|nothing of it is left",
    ),
    Row(
        f"deploy -p local --engine personaplex --no-probe --engine-python {Path(sys.executable)}",
        9,
        "unhealthy",
        "missing module|nothing of it is left",
        env={"HF_HUB_OFFLINE": "1"},
    ),
)
