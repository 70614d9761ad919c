#!/usr/bin/env bash
# What `plexctl deploy --provider local` starts, here in the foreground: the gateway, which starts its engine.
# PYTHON is one in which plexctl is installed; other settings of the gateway can be given in the environment.
set -euo pipefail

export PYTHONUNBUFFERED=1
export PLEXCTL_PORT="${PLEXCTL_PORT:-8998}"
export PLEXCTL_DEPLOYMENT=personaplex
export PLEXCTL_ENGINE=personaplex
export PLEXCTL_ENGINES=auto
export PLEXCTL_ENGINE_PYTHON=/opt/personaplex/bin/python
export PLEXCTL_HOST=127.0.0.1
export PLEXCTL_MODEL_REPO=nvidia/personaplex-7b-v1
export PLEXCTL_START_TIMEOUT_S=1800

exec "${PYTHON:-python3}" -m plexctl.gateway
