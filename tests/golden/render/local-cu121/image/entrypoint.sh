#!/bin/sh
# Becomes the gateway, which so gets the container's signals; with arguments it becomes these instead: `run IMAGE sh`.
set -eu
if [ "$#" -eq 0 ]; then
    set -- /opt/plexctl/gateway/bin/python -m plexctl.gateway
fi
exec "$@"
