#!/usr/bin/env bash
# Run the README's commands on a fresh machine: a Debian 12 container with Python, git, make and a plain user only.
#
# usage: sudo bench/fresh_machine.sh
#   FRESH_TARGETS="demo test"  make targets to run, in this order, in one clone of the checkout's HEAD
#   FRESH_UV=1                 install uv for the user first
#
# Needs root, podman and debootstrap; the image is that of tests/containers/base_image.sh.
set -euo pipefail

readonly image=localhost/plexctl-debian:bookworm
readonly user=dev uid=1000  # of the image
readonly clone=/home/$user/plexctl
readonly last_lines=15
readonly longest_run_s=7200  # podman ends the container by itself, should this script be killed

say() { printf '%s\n' "$*" >&2; }
die() { say "fresh_machine: $*"; exit 2; }

now_ms() { local t=${EPOCHREALTIME/[^0-9]/}; echo $((t / 1000)); }

as_user() { podman exec --user "$user" --env "USER=$user" --workdir "/home/$user" "$container" bash -lc "$@"; }

# Mounts a bare copy, not the checkout: it holds what a linked worktree or a shared object store keeps elsewhere too.
start_container() {
  git clone --quiet --bare --no-local "$checkout" "$work/source.git"
  chown -R "$uid:$uid" "$work/source.git"
  # bash as the first process reaps orphans, as init does on a real machine
  podman run --detach --rm --name "$container" --timeout "$longest_run_s" --network host \
    --volume "$work/source.git:/source.git:ro" "$image" bash -c 'sleep infinity & wait' >/dev/null
  as_user "git clone --quiet /source.git '$clone'"
}

# uv does not read pip.conf.
install_uv() {
  # shellcheck disable=SC2016  # the user's shell expands it
  as_user '
    set -e
    python3 -m venv ~/.uv-venv
    ~/.uv-venv/bin/pip install --quiet uv
    mkdir -p ~/.local/bin
    ln -s ~/.uv-venv/bin/uv ~/.uv-venv/bin/uvx ~/.local/bin/
    for pair in index-url=UV_DEFAULT_INDEX extra-index-url=UV_INDEX; do
      if value=$(~/.uv-venv/bin/pip config get "global.${pair%=*}" 2>/dev/null); then
        printf "export %s=%q\n" "${pair#*=}" "$value" >>~/.profile
      fi
    done
  ' >"$logs/uv.log" 2>&1 || { tail -n "$last_lines" "$logs/uv.log" >&2; die "uv did not install"; }
}

run_target() {
  local target=$1 log=$logs/make-$1.log rc=0 start_ms spent_ms
  say "make $target, log: $log"
  start_ms=$(now_ms)
  as_user "cd '$clone' && exec make \"\$1\"" bash "$target" >"$log" 2>&1 || rc=$?
  spent_ms=$(($(now_ms) - start_ms))
  printf '%s\n' "--- make $target, last lines"
  tail -n "$last_lines" "$log"
  summary+=("$(printf 'make %s: rc=%d %d.%d s' "$target" "$rc" $((spent_ms / 1000)) $((spent_ms % 1000 / 100)))")
  if ((rc != 0)); then failed=1; fi
}

# shellcheck disable=SC2329  # called by trap
clean_up() {
  podman rm --force --ignore --time 0 "$container" >/dev/null 2>&1 || true
  rm -rf "$work"
}

((EUID == 0)) || die "the image and the container need root"
for tool in podman git; do
  command -v "$tool" >/dev/null || die "$tool is not installed"
done
checkout=$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)
read -ra targets <<<"${FRESH_TARGETS:-demo test}"
container=plexctl-fresh-$$
summary=()
failed=0
work=$(mktemp -d -t plexctl-fresh-work.XXXXXX)
trap clean_up EXIT
trap 'exit 130' INT  # podman exec swallows it
logs=$(mktemp -d -t plexctl-fresh-logs.XXXXXX)

say "full logs: $logs"
if [[ -n $(git -C "$checkout" status --porcelain) ]]; then say "note: HEAD is tested, uncommitted changes are not"; fi
"$checkout/tests/containers/base_image.sh" >"$logs/image.log"
start_container
if [[ ${FRESH_UV:-0} == 1 ]]; then install_uv; fi
for target in "${targets[@]}"; do run_target "$target"; done

versions=$(as_user "cd '$clone' && git log -1 --format='commit %h,' && python3 --version" | xargs)
printf '%s\n' "--- $versions, full logs: $logs"
printf '%s\n' "${summary[@]}"
exit "$failed"
