#!/usr/bin/env bash
# Run the README's commands on a fresh machine: a Debian 12 container with Python, git, make and a plain user only.
#
# usage: sudo bench/fresh_machine.sh
#   FRESH_TARGETS="demo test"  make targets to run, in this order, in one clone of the checkout's HEAD
#   FRESH_UV=1                 install uv for the user first
#
# Needs root, podman and debootstrap. The first run bootstraps the base image (minutes); `podman rmi --force` of both
# tags makes the next run start over. The host's extra CA certificates and pip's index settings go into the second
# image, so that it also serves as a test base behind a private mirror. They may hold a password: never push it.
set -euo pipefail

readonly base_image=localhost/plexctl-debian:bookworm-base
readonly image=localhost/plexctl-debian:bookworm
readonly packages=ca-certificates,git,make,python3,python3-venv
readonly ca_bundle=/etc/ssl/certs/ca-certificates.crt  # where Debian's update-ca-certificates writes
readonly user=dev uid=1000
readonly clone=/home/$user/plexctl
readonly last_lines=15
readonly longest_run_s=7200  # podman ends the container by itself, should this script be killed

# Index settings of the host's pip as a pip.conf. Local folders do not exist in the container: those are left out.
# Reads `pip config list`, where the environment outranks [install] and [global]. With an argument: that one only.
readonly pip_settings='
import ast, sys
ranks = {"global": 0, "install": 1, ":env:": 2}
names = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries", "cert")
found = {}
for line in sys.stdin:
    key, _, value = line.strip().partition("=")
    section, _, name = key.rpartition(".")
    if section in ranks and name in names:
        found[name] = max(found.get(name, (-1, "")), (ranks[section], ast.literal_eval(value)))
remote = lambda name, word: not name.endswith("index-url") or "://" in word and not word.startswith("file:")
settings = {name: " ".join(w for w in value.split() if remote(name, w)) for name, (_, value) in found.items()}
if sys.argv[1:]:
    print(settings.get(sys.argv[1], ""))
else:
    print("[global]", *(f"{n} = {v}" for n, v in settings.items() if v and n != "cert"), sep="\n")
'

say() { printf '%s\n' "$*" >&2; }
die() { say "fresh_machine: $*"; exit 2; }

now_ms() { local t=${EPOCHREALTIME/[^0-9]/}; echo $((t / 1000)); }

host_pip_config() {
  if [[ -n ${SUDO_USER:-} ]]; then
    sudo -H -u "$SUDO_USER" python3 -m pip config list 2>/dev/null || true
  else
    python3 -m pip config list 2>/dev/null || true
  fi
}

host_debian_mirror() {  # empty: debootstrap's own default
  apt-get indextargets --format "\$(REPO_URI)" \
    'Created-By: Packages' 'Codename: bookworm' 'Component: main' 2>/dev/null | head -n 1 || true
}

build_base_image() {
  local root=$work/root mirror start_ms
  if podman image exists "$base_image"; then return; fi
  start_ms=$(now_ms)
  mirror=$(host_debian_mirror)
  say "building $base_image (once), log: $logs/debootstrap.log"
  debootstrap --variant=minbase --include="$packages" bookworm "$root" ${mirror:+"$mirror"} \
    >"$logs/debootstrap.log" 2>&1 || { tail -n "$last_lines" "$logs/debootstrap.log" >&2; die "debootstrap failed"; }
  tar -C "$root" --exclude='./var/cache/apt/archives/*.deb' -c . | podman import --quiet - "$base_image" >/dev/null
  say "built $base_image in $((($(now_ms) - start_ms) / 1000)) s"
}

# The layers are podman's to cache: unchanged certificates and settings cost about a second.
build_image() {
  local context=$work/context config pip_cert
  mkdir -p "$context/ca"
  config=$(host_pip_config)
  python3 -c "$pip_settings" <<<"$config" >"$context/pip.conf"
  if [[ -d /usr/local/share/ca-certificates ]]; then cp -rL /usr/local/share/ca-certificates/. "$context/ca/"; fi
  pip_cert=$(python3 -c "$pip_settings" cert <<<"$config")
  if [[ -f $pip_cert && $pip_cert != "$ca_bundle" ]]; then cp -L "$pip_cert" "$context/ca/host-pip.crt"; fi
  {
    echo "FROM $base_image"
    echo "COPY ca/ /usr/local/share/ca-certificates/"
    echo "RUN update-ca-certificates && useradd --create-home --uid $uid --shell /bin/bash $user"
    if [[ -n $(find "$context/ca" -name '*.crt' -print -quit) ]]; then
      echo "cert = $ca_bundle" >>"$context/pip.conf"
      echo "ENV SSL_CERT_FILE=$ca_bundle"  # uv and Python's own ssl
    fi
    echo "COPY pip.conf /etc/pip.conf"
  } >"$context/Containerfile"
  chmod -R u=rwX,go=rX "$context"
  podman build --pull=never --layers --force-rm --network host --tag "$image" "$context" >"$logs/image.log" 2>&1 \
    || { tail -n "$last_lines" "$logs/image.log" >&2; die "podman build failed"; }
}

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
  umount -q "$work/root/proc" "$work/root/sys" 2>/dev/null || true  # an interrupted debootstrap leaves them
  rm -rf --one-file-system "$work"
}

((EUID == 0)) || die "debootstrap and the container need root"
for tool in podman debootstrap git python3; do
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
build_base_image
build_image
start_container
if [[ ${FRESH_UV:-0} == 1 ]]; then install_uv; fi
for target in "${targets[@]}"; do run_target "$target"; done

versions=$(as_user "cd '$clone' && git log -1 --format='commit %h,' && python3 --version" | xargs)
printf '%s\n' "--- $versions, full logs: $logs"
printf '%s\n' "${summary[@]}"
exit "$failed"
