#!/usr/bin/env bash
# Makes the pod of create-pod.json and prints its id; made by `plexctl render`. Needs bash, curl 7.55 and jq 1.6.
# A pod that has the name already is left as it is, and its id is printed.
# From the environment: RUNPOD_API_KEY, HF_TOKEN, PLEXCTL_IMAGE, PLEXCTL_TOKEN; PLEXCTL_ID becomes part of the name.
set -euo pipefail
set +x # a trace would show secrets

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
api=${PLEXCTL_RUNPOD_URL:-https://api.runpod.io}

# The same from run to run, so that a second run finds what the first one made.
export PLEXCTL_ID=${PLEXCTL_ID:-byhand}

for name in RUNPOD_API_KEY HF_TOKEN PLEXCTL_IMAGE PLEXCTL_TOKEN; do
  if [[ -z ${!name:-} ]]; then
    echo "$name is not set: export it first" >&2
    exit 2
  fi
done

# Prints a file with each ${NAME} in its texts taken from the environment, escaped for JSON as it must be.
fill() {
  jq 'walk(if type == "string" then gsub("\\$\\{(?<name>[A-Za-z_][A-Za-z0-9_]*)\\}"; $ENV[.name]) else . end)' "$here/$1"
}

# Prints the answer and, on a line of its own, its status: 000 when none came. The key goes through a pipe: what stands
# on a command line can be read by everyone on the machine.
call() { # METHOD PATH [OPTION...]
  local method=$1 path=$2
  shift 2
  curl --silent --show-error --max-time 60 --request "$method" --write-out '\n%{http_code}' \
    --header @<(printf 'Authorization: Bearer %s\n' "${RUNPOD_API_KEY}") \
    --header 'Content-Type: application/json' "$@" "$api$path"
}

status_of() { printf '%s' "${1##*$'\n'}"; }
text_of() { printf '%s' "${1%$'\n'*}"; }

# Answers echo the environment that was sent, so that only the API's own words are shown.
refuse() { # WORDS ANSWER
  local said
  said=$(text_of "$2" | jq -r '.detail // .msg // .error // empty' 2>/dev/null) || said=
  echo "$1: HTTP $(status_of "$2")${said:+: $said}" >&2
  exit 1
}

body=$(fill create-pod.json)
name=$(printf '%s' "$body" | jq -r .name)

find_pod() {
  local answer
  answer=$(call GET /v2/pods) || true
  [[ $(status_of "$answer") == 200 ]] || refuse "cannot list pods" "$answer"
  text_of "$answer" | jq -r --arg name "$name" 'first(.pods[] | select(.name == $name) | .id)'
}

unknown() {
  echo "whether the pod was made is not known: run this again to see" >&2
  exit 1
}

create_pod() {
  local answer found
  answer=$(printf '%s' "$body" | call POST "/v2/pods" --data-binary @-) || true
  case $(status_of "$answer") in
    201) text_of "$answer" | jq -er .id || unknown ;;
    000 | 5*) # the answer may be lost and the pod be there
      found=$(find_pod) || unknown
      [[ -n $found ]] || refuse "no pod was created" "$answer"
      echo "$found"
      ;;
    *) refuse "no pod was created" "$answer" ;;
  esac
}

id=$(find_pod) || exit 1
if [[ -n $id ]]; then
  echo "$name is there already: nothing was created" >&2
else
  id=$(create_pod)
fi
echo "$id"
echo "it will answer at https://$id-8998.proxy.runpod.net/health" >&2
echo "it bills until you end it: DELETE /v2/pods/$id" >&2
