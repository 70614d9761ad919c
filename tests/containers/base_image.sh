#!/usr/bin/env bash
# Make the images that tests and bench/fresh_machine.sh start from. Idempotent. Prints their names, one a line:
#   localhost/plexctl-debian:bookworm  Debian 12 with Python 3.11, git, make and a plain user `dev`
#   localhost/plexctl-python:3.12      the same and this machine's Python 3.12 in /usr/local, where it has one
#
# Needs root, podman and debootstrap. The first run bootstraps Debian (minutes); `podman rmi --force` of all tags makes
# the next run start over. The host's extra CA certificates and pip's index settings go in, so that builds work behind
# a private mirror. They may hold a password: never push these images.
set -euo pipefail

readonly debian_base=localhost/plexctl-debian:bookworm-base
readonly debian=localhost/plexctl-debian:bookworm
readonly python312=localhost/plexctl-python:3.12
readonly packages=ca-certificates,git,make,python3,python3-venv
readonly ca_bundle=/etc/ssl/certs/ca-certificates.crt  # where Debian's update-ca-certificates writes
readonly user=dev uid=1000
readonly last_lines=15
readonly lock=/run/lock/plexctl-base-image.lock

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
die() { say "base_image: $*"; exit 2; }

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

bootstrap_debian() {
  local root=$work/root mirror start_ms
  if podman image exists "$debian_base"; then return; fi
  start_ms=$(now_ms)
  mirror=$(host_debian_mirror)
  say "building $debian_base (once)"
  debootstrap --variant=minbase --include="$packages" bookworm "$root" ${mirror:+"$mirror"} \
    >"$work/debootstrap.log" 2>&1 || { tail -n "$last_lines" "$work/debootstrap.log" >&2; die "debootstrap failed"; }
  tar -C "$root" --exclude='./var/cache/apt/archives/*.deb' -c . | podman import --quiet - "$debian_base" >/dev/null
  say "built $debian_base in $((($(now_ms) - start_ms) / 1000)) s"
}

# The layers are podman's to cache: unchanged files cost about a second.
build() {
  local tag=$1 context=$2
  chmod -R u=rwX,go=rX "$context"
  podman build --pull=never --layers --force-rm --network host --tag "$tag" "$context" >"$work/build.log" 2>&1 \
    || { tail -n "$last_lines" "$work/build.log" >&2; die "podman build of $tag failed"; }
  echo "$tag"
}

build_debian() {
  local context=$work/debian config pip_cert
  mkdir -p "$context/ca"
  config=$(host_pip_config)
  python3 -c "$pip_settings" <<<"$config" >"$context/pip.conf"
  if [[ -d /usr/local/share/ca-certificates ]]; then cp -rL /usr/local/share/ca-certificates/. "$context/ca/"; fi
  pip_cert=$(python3 -c "$pip_settings" cert <<<"$config")
  if [[ -f $pip_cert && $pip_cert != "$ca_bundle" ]]; then cp -L "$pip_cert" "$context/ca/host-pip.crt"; fi
  {
    echo "FROM $debian_base"
    echo "COPY ca/ /usr/local/share/ca-certificates/"
    echo "RUN update-ca-certificates && useradd --create-home --uid $uid --shell /bin/bash $user"
    if [[ -n $(find "$context/ca" -name '*.crt' -print -quit) ]]; then
      echo "cert = $ca_bundle" >>"$context/pip.conf"
      echo "ENV SSL_CERT_FILE=$ca_bundle"  # uv and Python's own ssl
    fi
    echo "COPY pip.conf /etc/pip.conf"
  } >"$context/Containerfile"
  build "$debian" "$context"
}

# Prints the folder of a Python 3.12 of this machine that can be copied: not the distribution's own, which is spread.
host_python312() {
  local candidate prefix
  for candidate in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3.12; do
    prefix=$("$candidate" -c 'import sys; print(sys.base_prefix)' 2>/dev/null) || continue
    if [[ $prefix != /usr && -x $prefix/bin/python3.12 ]]; then echo "$prefix"; return; fi
  done
}

build_python312() {
  local context=$work/python prefix
  prefix=$(host_python312)
  if [[ -z $prefix ]]; then say "no Python 3.12 to copy on this machine: $python312 is left out"; return; fi
  mkdir -p "$context/python"
  tar -C "$prefix" --exclude='__pycache__' --exclude='lib/python3.12/site-packages/*' --exclude='*/test' \
    --exclude='*/config-3.12*' --exclude='*/idlelib' --exclude='*/tkinter' --exclude='_tkinter*' --exclude='*.a' \
    -c bin/python3.12 bin/python3 include lib | tar -C "$context/python" -x
  {
    echo "FROM $debian"
    echo "COPY python/ /usr/local/"
    # the modules that link against the system's libraries
    echo "RUN ldconfig && python3 -c 'import bz2, ctypes, lzma, sqlite3, ssl, sys; assert sys.version_info[:2] == (3, 12)'"
  } >"$context/Containerfile"
  build "$python312" "$context"
}

((EUID == 0)) || die "debootstrap needs root"
for tool in podman debootstrap flock python3; do
  command -v "$tool" >/dev/null || die "$tool is not installed"
done
work=$(mktemp -d -t plexctl-base-image.XXXXXX)
# shellcheck disable=SC2329  # called by trap
clean_up() {
  umount -q "$work/root/proc" "$work/root/sys" 2>/dev/null || true  # an interrupted debootstrap leaves them
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT
exec 9>"$lock"
flock 9
bootstrap_debian
build_debian
build_python312
