#!/usr/bin/env bash
# Rents the instance of create-instance.json and prints its id; made by `plexctl render`. Needs bash, curl 7.55, jq 1.6.
# An instance that has the label already is left as it is, and its id is printed.
# From the environment: VAST_API_KEY, HF_TOKEN, PLEXCTL_IMAGE, PLEXCTL_TOKEN; PLEXCTL_ID becomes part of the label.
# VAST_ASK_ID is the offer to rent; without it, the first that search.json finds.
set -euo pipefail
set +x # a trace would show secrets

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
api=${VAST_URL:-https://console.vast.ai}

# The same from run to run, so that a second run finds what the first one made.
export PLEXCTL_ID=${PLEXCTL_ID:-byhand}

for name in VAST_API_KEY HF_TOKEN PLEXCTL_IMAGE PLEXCTL_TOKEN; do
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
    --header @<(printf 'Authorization: Bearer %s\n' "${VAST_API_KEY}") \
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

body=$(fill create-instance.json)
label=$(printf '%s' "$body" | jq -r .label)

find_instance() {
  local answer
  answer=$(call GET /api/v1/instances/ --get --data-urlencode "select_filters={\"label\":{\"eq\":\"$label\"}}") || true
  [[ $(status_of "$answer") == 200 ]] || refuse "cannot list instances" "$answer"
  text_of "$answer" | jq -r --arg wanted "$label" 'first(.instances[] | select(.label == $wanted) | .id)'
}

find_ask() {
  local answer
  answer=$(call POST /api/v0/bundles/ --data-binary @"$here/search.json") || true
  [[ $(status_of "$answer") == 200 ]] || refuse "cannot search" "$answer"
  text_of "$answer" | jq -r '.offers[0].id // empty'
}

unknown() {
  echo "whether the instance was made is not known: run this again to see" >&2
  exit 1
}

create_instance() {
  local answer found
  answer=$(printf '%s' "$body" | call PUT "/api/v0/asks/${VAST_ASK_ID}/" --data-binary @-) || true
  found=$(text_of "$answer" | jq -r '.new_contract // empty' 2>/dev/null) || found=
  case $(status_of "$answer") in
    200) [[ -n $found ]] || refuse "no instance was created" "$answer" ;;
    000 | 5*) # the answer may be lost and the instance be there
      found=$(find_instance) || unknown
      [[ -n $found ]] || refuse "no instance was created" "$answer"
      ;;
    *) # a bid that is too low leaves an instance behind
      refuse "${found:+instance $found is there all the same and bills: destroy it; }it was not rented" "$answer"
      ;;
  esac
  echo "$found"
}

id=$(find_instance) || exit 1
if [[ -n $id ]]; then
  echo "$label is there already: nothing was created" >&2
else
  VAST_ASK_ID=${VAST_ASK_ID:-$(find_ask)}
  if [[ -z $VAST_ASK_ID ]]; then
    echo "no offer passes the filters of search.json" >&2
    exit 1
  fi
  id=$(create_instance)
fi
echo "$id"
echo "its address will stand in public_ipaddr and ports of GET /api/v0/instances/$id/" >&2
echo "it bills, stopped or not, until you end it: DELETE /api/v0/instances/$id/" >&2
