"""What a new machine is told, as scripts for its shell: who may log in, and what cloud-init does with a cloud-config.

Of cloud-init, only what plexctl sends is known, in the order of its stages; anything else is an error, as a misspelt
key would be ignored by the real one. Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from tests.machines.gpu import PATH, Gpu

Sudo = Literal["nopasswd", "password", "none"]
USER = "ubuntu"
PASSWORD = "correct horse battery staple"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
USER_DATA = "/var/lib/cloud/instance/user-data.txt"
_RULES = {"nopasswd": "ALL=(ALL) NOPASSWD:ALL", "password": "ALL=(ALL:ALL) ALL"}
_NOT_AS_ROOT = (
    'no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo \'Please login as the user \\"{user}\\" '
    'rather than the user \\"root\\".\';echo;sleep 10;exit 142" '
)
"""What cloud-init writes before root's keys where `disable_root` is set (cloudinit/config/cc_ssh.py)."""
_BEFORE_SSHD = {"ssh_deletekeys", "ssh_keys", "ssh_authorized_keys", "ssh_pwauth", "disable_root", "write_files"}
_AFTER_SSHD = {"package_update", "packages", "runcmd"}


class Wanted(TypedDict, total=False):
    """What a machine is to be; each by its default where it is left out."""

    user: str
    """Who logs in; `ubuntu`."""
    authorized_keys: Sequence[str]
    host_key: str | None
    """The private half of the ssh host key, OpenSSH's form; a new one."""
    cloud_config: str | None
    gpu: Gpu | None
    sudo: Sudo
    """What sudo asks of the user; nothing."""


def before_sshd(wanted: Wanted) -> str:
    """Return the script that runs before anybody can log in."""
    lines = ["set -e", "mkdir --parents /run/sshd /run/lock", f"rm --force {HOST_KEY} {HOST_KEY}.pub"]
    user = wanted.get("user", USER)
    lines += _account(user, wanted.get("sudo", "nopasswd"))
    lines += _authorized(user, wanted.get("authorized_keys", ()))
    if host_key := wanted.get("host_key"):
        lines += [*_written(HOST_KEY, host_key, "600"), f"ssh-keygen -y -f {HOST_KEY} >{HOST_KEY}.pub"]
    if gpu := wanted.get("gpu"):
        lines += _written(PATH, gpu.program(), "755")
    if cloud_config := wanted.get("cloud_config"):
        lines += _first_stages(cloud_config, user)
    # Nothing is generated where a key came in one of these ways.
    lines.append(f"[ -e {HOST_KEY} ] || ssh-keygen -q -t ed25519 -N '' -C '' -f {HOST_KEY}")
    return "\n".join(lines) + "\n"


def after_sshd(wanted: Wanted) -> str | None:
    """Return the script of cloud-init's last stage, during which sshd is up already; None without a cloud-config."""
    cloud_config = wanted.get("cloud_config")
    if cloud_config is None:
        return None
    config = _parsed(cloud_config)
    lines = []
    # `package_update` does nothing: what there is came with the image, and a machine has no network to wait for.
    if packages := config.get("packages"):
        lines.append(f"apt-get install --yes --no-install-recommends {shlex.join(packages)}")
    # One command that fails does not keep cloud-init from the next.
    lines += [one if isinstance(one, str) else shlex.join(one) for one in config.get("runcmd", [])]
    return "\n".join([*lines, "mkdir --parents /run/cloud-init", "touch /run/cloud-init/result.json"]) + "\n"


def _first_stages(cloud_config: str, user: str) -> list[str]:
    config = _parsed(cloud_config)
    lines = _written(USER_DATA, cloud_config, "600")
    for name, text in config.get("ssh_keys", {}).items():
        kind, _, half = name.rpartition("_")
        path = f"/etc/ssh/ssh_host_{kind}_key" + (".pub" if half == "public" else "")
        lines += _written(path, text if text.endswith("\n") else text + "\n", "644" if half == "public" else "600")
    keys = config.get("ssh_authorized_keys", [])
    lines += _authorized(user, keys)
    limits = _NOT_AS_ROOT.format(user=user) if config.get("disable_root", True) else ""
    lines += _authorized("root", [limits + key for key in keys])
    for file in config.get("write_files", []):
        assert set(file) <= {"path", "content", "owner", "permissions"}, f"unknown in write_files: {sorted(file)}"
        lines += _written(file["path"], file.get("content", ""), file.get("permissions", "0644"))
        lines.append(f"chown {shlex.quote(file.get('owner', 'root:root'))} {shlex.quote(file['path'])}")
    if config.get("ssh_pwauth") is False:
        lines += _written("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication no\n", "600")
    return lines


def _parsed(text: str) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    assert text.startswith("#cloud-config\n"), "cloud-init takes only what begins like this"
    assert len(text.encode()) <= 16384, "more user data than clouds take"
    found: dict[str, Any] = yaml.safe_load(text)
    assert set(found) <= _BEFORE_SSHD | _AFTER_SSHD, f"keys that are not known here: {sorted(found)}"
    return found


def _account(user: str, sudo: Sudo) -> list[str]:
    name = shlex.quote(user)
    lines = []
    if user != "root":
        lines.append(f"id {name} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {name}")
    if sudo == "password":
        lines.append(f"printf '%s:%s\\n' {name} {shlex.quote(PASSWORD)} | chpasswd")
    if sudo != "none":
        lines += _written("/etc/sudoers.d/90-cloud-init-users", f"{user} {_RULES[sudo]}\n", "440")
    return lines


def _authorized(user: str, keys: Sequence[str]) -> list[str]:
    home = "/root" if user == "root" else f"/home/{user}"
    folder, path = f"{home}/.ssh", f"{home}/.ssh/authorized_keys"
    owner = shlex.quote(user)
    lines = "".join(f"{key.strip()}\n" for key in keys)
    return [
        f"install --directory --mode=0700 --owner={owner} {folder}",
        f"printf '%s' {shlex.quote(lines)} >>{path}",
        f"chown {owner} {path} && chmod 600 {path}",
    ]


def _written(path: str, text: str, mode: str) -> list[str]:
    quoted = shlex.quote(path)
    return [
        f"mkdir --parents {shlex.quote(path.rpartition('/')[0])}",
        f"printf '%s' {shlex.quote(text)} >{quoted} && chmod {mode} {quoted}",
    ]
