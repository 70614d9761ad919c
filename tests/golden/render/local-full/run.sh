#!/usr/bin/env bash
# What `plexctl deploy --provider local` starts, here in the foreground: the gateway, which starts its engine.
# PYTHON is one in which plexctl is installed; other settings of the gateway can be given in the environment.
set -euo pipefail

: "${EXTRA:?set EXTRA in the environment}"
export EXTRA
export PYTHONUNBUFFERED=1
export PLEXCTL_PORT="${PLEXCTL_PORT:-8998}"
PLEXCTL_EXPIRES_AT=$(($(date +%s) + 28800))
export PLEXCTL_EXPIRES_AT
export LOG_LEVEL=debug
export PLEXCTL_DEPLOYMENT=voice
export PLEXCTL_ENGINE=personaplex
export PLEXCTL_ENGINES=auto
export PLEXCTL_ENGINE_PYTHON=/opt/personaplex/bin/python
export PLEXCTL_HOST=127.0.0.1
export PLEXCTL_IDLE_TIMEOUT_S=900
export PLEXCTL_MAX_SESSION_S=1800
export PLEXCTL_MODEL_REPO=nvidia/personaplex-7b-v1
export PLEXCTL_MODEL_REVISION=0123456789abcdef0123456789abcdef01234567
export PLEXCTL_SECRETS=EXTRA
export PLEXCTL_START_TIMEOUT_S=1800
export PLEXCTL_TEXT_PROMPT='Be "brief", it'"'"'s a $HOME test.'
export PLEXCTL_VOICE=NATF2.pt

exec "${PYTHON:-python3}" -m plexctl.gateway
