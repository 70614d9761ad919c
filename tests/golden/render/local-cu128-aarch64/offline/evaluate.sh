#!/usr/bin/env bash
# Batch only, never real time: NVIDIA's offline evaluation reads a whole recording and writes the answer to it.
# Nobody can talk to it; for conversations there is the gateway.
#
# usage: evaluate.sh INPUT.wav OUTPUT.wav OUTPUT.json [further flags of moshi.offline, such as --greedy or --seed 1]
#   ENGINE_PYTHON  python of the environment with moshi-personaplex (/opt/plexctl/engine/bin/python)
#   HF_TOKEN       for the gated weights, when they are not in the cache (HF_HOME) yet
set -euo pipefail

if [ "$#" -lt 3 ]; then
    sed -n '5p' "$0" >&2
    exit 2
fi
input=$1 output=$2 text=$3
shift 3

export PYTHONUNBUFFERED=1
# Any value switches compiling off; without a C compiler it cannot work.
export NO_TORCH_COMPILE=1
exec "${ENGINE_PYTHON:-/opt/plexctl/engine/bin/python}" -m moshi.offline \
    --hf-repo nvidia/personaplex-7b-v1 \
    --voice-prompt NATF2.pt \
    --input-wav "$input" --output-wav "$output" --output-text "$text" "$@"
