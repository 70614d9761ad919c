"""What narrow.sh does to who reaches sshd, by the kernel's own firewall in a network of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from plexctl_providers._common.on_host.machine import script_text

pytestmark = pytest.mark.real
US, OTHERS = "127.0.0.1", "127.0.0.2"
_PROGRAM = """
import json, socket, subprocess, sys
script, addresses = sys.stdin.read(), sys.argv[1:]

def reach(source):
    try:
        socket.create_connection(("127.0.0.1", 22), 0.5, source_address=(source, 0)).close()
    except TimeoutError:
        return False
    return True

def seen():
    return [reach(one) for one in addresses]

def narrow(to):
    subprocess.run(["bash", "-s", "--", to], input=script, text=True, check=True)
    return seen()

with socket.create_server(("127.0.0.1", 22)):
    rows = [seen(), narrow(addresses[0]), narrow(addresses[0]), narrow(addresses[1])]
rules = subprocess.run(["iptables", "-S"], capture_output=True, text=True, check=True).stdout
print(json.dumps([rows, rules.splitlines()]))
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("iptables") is None, reason="needs root and iptables")
def test_ssh_is_open_to_one_address_alone() -> None:
    """Before, everybody reaches it; then the one named last alone, with no rule twice however often it is told."""
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-c", _PROGRAM, US, OTHERS]
    done = subprocess.run(
        ["unshare", "--net", *inside], input=script_text("narrow"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows, rules = json.loads(done.stdout)
    assert rows == [[True, True], [True, False], [True, False], [False, True]]
    assert [rule for rule in rules if rule.startswith("-A")] == [
        "-A INPUT -p tcp -m tcp --dport 22 -j plexctl-ssh",
        f"-A plexctl-ssh -s {OTHERS}/32 -j RETURN",
        "-A plexctl-ssh -j DROP",
    ]
