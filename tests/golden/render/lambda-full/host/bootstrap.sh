#!/usr/bin/env bash
# Brings this host (Debian or Ubuntu) to a running plexctl gateway. Run as root from the folder that it came in:
#
#   bootstrap.sh               stage by stage; what is done is skipped, so run it again after any interruption
#   bootstrap.sh --list        say what of plexctl is on this host
#   bootstrap.sh --uninstall   say it, and remove exactly that
#
# Before it, /etc/plexctl/secrets.env (root, 0600) holds the secrets. The gateway listens on the loopback only. Progress
# goes to standard output as `plexctl: stage 3/9 packages started|done|skipped|failed: why`, and everything else to
# /var/lib/plexctl/bootstrap.log, with what it says and `plexctl: ended with CODE`. To outlive the connection, start it
# with `setsid` or `systemd-run`.
#
# Exit codes: 0 done, 2 usage, 10 not root, 11 another run is at work, 12 system not supported, 13 disk full,
# 14 port taken, 15 no GPU or driver, 16 driver too old, 17 image profile does not fit, 18 packages, 19 Docker,
# 20 no GPU inside Docker, 21 image, 22 Python environment, 23 gateway, 24 TLS, 25 secrets missing,
# 26 another deployment is here, 143 told to end
# shellcheck disable=SC2329 # stages are called by their names
set -euo pipefail
umask 022
trap '' PIPE # a reader that went away ends nothing
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly ENGINE=personaplex
readonly RUNTIME=python
readonly PROFILE=cu121
readonly IMAGE=''
readonly PORT=8998
readonly CACHE=/data/plexctl
readonly DISK_GB=40
readonly PUBLIC=address
readonly CERTIFICATE_NAME=plexctl.internal
readonly MACHINE=x86_64
readonly CUDA=12.1
readonly DRIVER=530
readonly NEWEST_GPU=9.0
readonly TORCH=2.4.1
readonly ARCHITECTURES='sm_80 sm_86 sm_90'
readonly UPSTREAM_ARCHIVE=https://github.com/NVIDIA/personaplex/archive/3428dfd95309a7f3c84fd93259ded0f810d1ff91.tar.gz
readonly UPSTREAM_FOLDER=moshi
readonly UPSTREAM_SHA256=2fda4be5c026200399845933848f21e5bf25c2b19ef2ff97a235933f0686ff7f

# --- the ground: where things are ---

readonly STATE=/var/lib/plexctl
readonly STAMPS=$STATE/stages
readonly CREATED=$STATE/created # a file for each thing that was not there before
readonly OWNER=$STATE/deployment # whose host this is: its label, then what one must know to reach it
readonly ROOT=/opt/plexctl
readonly VERSIONS=$ROOT/versions # everything is built under a name of its own there, then linked
readonly SETTINGS=/etc/plexctl
readonly SECRETS=$SETTINGS/secrets.env
readonly UNITS=/etc/systemd/system
readonly LOG=$STATE/bootstrap.log
readonly STAGES=9
number=0
current=start
runtime=

has_systemd() { [ -d /run/systemd/system ]; }

owner() { head -n 1 "$OWNER" 2>/dev/null || true; }

is_held() { # FILE: somebody holds its lock; shared, so that two who look do not take each other for the one
    [ -f "$1" ] && ! flock --shared --nonblock "$1" true
}

# --- words ---

say() {
    printf 'plexctl: %s\n' "$*" || true
    if [ -d "$STATE" ]; then printf 'plexctl: %s\n' "$*" >>"$LOG"; fi
}

die() { # CODE WORDS: one line on standard output for plexctl, the end of the log on standard error for people
    if [ -f "$LOG" ]; then tail -n 20 "$LOG" >&2 || true; fi
    say "stage $current failed: $2"
    exit "$1"
}

quietly() { # CODE WORDS COMMAND...: run it with its output in the log
    local code=$1 words=$2
    shift 2
    if ! "$@" >>"$LOG" 2>&1 8>&-; then
        if tail -n 20 "$LOG" | grep -q 'No space left on device'; then die 13 "the disk is full: $words"; fi
        die "$code" "$words"
    fi
}

has() { command -v "$1" >/dev/null 2>&1; }

at_least() { # VERSION LEAST
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort --version-sort | head -n 1)" = "$2" ]
}

# --- stages: each leaves a stamp with a hash of its inputs, and is skipped while that is the same ---

stage() { # NAME INPUTS FUNCTION [STILL]: run it, unless it was done with these inputs and, if asked, STILL holds
    number=$((number + 1))
    current="$number/$STAGES $1"
    if [ "$(stamp "$1")" = "$2" ] && "${4:-true}"; then
        say "stage $current skipped"
        return
    fi
    say "stage $current started"
    "$3"
    if [ "$2" != always ]; then printf '%s\n' "$2" | put "$STAMPS/$1" 0600; fi
    say "stage $current done"
}

leave_out() { # NAME
    number=$((number + 1))
    say "stage $number/$STAGES $1 skipped"
}

stamp() { cat "$STAMPS/$1" 2>/dev/null || printf 'never\n'; }

put() { # PATH MODE: standard input becomes that file, whole or not at all
    install --mode="$2" /dev/stdin "$1.new"
    mv --force "$1.new" "$1"
}

link() { # TARGET PATH: in one step
    ln --symbolic --force --no-dereference "$1" "$2.new"
    mv --force --no-target-directory "$2.new" "$2"
}

hash_of() { # PATH...: of the files there, and below the folders there
    local path
    for path in "$@"; do
        if [ -e "$path" ]; then
            find "$path" -type f -print0 | sort --zero-terminated | xargs --null --no-run-if-empty sha256sum
        fi
    done | sha256sum | cut --characters=1-16
}

# --- 1 system: what would be found out late is found out first; changes nothing ---

check_system() {
    has apt-get || die 12 "not Debian or Ubuntu: apt-get is missing"
    if [ -n "$MACHINE" ] && [ "$(uname -m)" != "$MACHINE" ]; then
        die 17 "this is $(uname -m), and image profile $PROFILE is for $MACHINE: name another in image.profile"
    fi
    check_owner
    check_disk
    check_port "$PORT" gateway
    if [ -n "$PUBLIC" ]; then check_port 443 caddy; fi
    if [ -n "$CUDA" ]; then check_gpu; fi
    if [ "$(stat --format='%a %U' "$SECRETS" 2>/dev/null)" != "600 root" ]; then
        die 25 "$SECRETS must be there before, owned by root with mode 0600"
    fi
}

check_owner() {
    local mine
    mine=$(head -n 1 deployment)
    if [ -n "$(owner)" ] && [ "$(owner)" != "$mine" ]; then
        die 26 "deployment $(owner) is on this host already, and a host has one: destroy it first"
    fi
    if ! cmp --quiet deployment "$OWNER"; then put "$OWNER" 0644 <deployment; fi
}

check_disk() {
    local free
    if [ "$(stamp service)" != never ]; then return; fi
    free=$(df --output=avail --block-size=1G "$STATE" | tail -n 1 | tr -d ' ')
    if [ "$free" -lt "$DISK_GB" ]; then die 13 "$free GB are free below $STATE, and $DISK_GB are needed"; fi
}

check_port() { # PORT SERVICE
    if ! is_running "$2" && listens "$1"; then
        die 14 "port $1 is taken by another program"
    fi
}

check_gpu() {
    local found driver capability cuda
    has nvidia-smi || die 15 "no NVIDIA driver: nvidia-smi is missing; install driver $DRIVER or newer"
    found=$(nvidia-smi --query-gpu=driver_version,compute_cap --format=csv,noheader 2>>"$LOG") ||
        die 15 "no NVIDIA GPU, or its driver does not work: nvidia-smi fails"
    IFS=', ' read -r driver capability <<<"$found"
    cuda=$(nvidia-smi | sed -n 's/.*CUDA Version: *\([0-9][0-9.]*\).*/\1/p')
    if ! at_least "${cuda:-0}" "$CUDA"; then
        die 16 "driver $driver is for CUDA ${cuda:-unknown}, and CUDA $CUDA is needed: install driver $DRIVER or newer"
    fi
    if [ -n "$NEWEST_GPU" ] && ! at_least "$NEWEST_GPU" "$capability"; then
        die 17 "this GPU ($capability) is newer than image profile $PROFILE knows: set image.profile to cu128"
    fi
}

# --- 2 runtime: Docker, or Python environments of its own; decided once ---

has_toolkit() { [ -z "$CUDA" ] || has nvidia-container-cli || has nvidia-ctk; }

choose_runtime() {
    local chosen=$RUNTIME
    if [ "$RUNTIME" = docker ] && ! has_systemd; then
        die 12 "Docker is run by systemd here, which is not running: set host.runtime to python"
    fi
    if [ "$RUNTIME" = auto ]; then
        chosen=python
        if has_systemd && has_toolkit && docker info >>"$LOG" 2>&1; then chosen=docker; fi
    fi
    if [ "$chosen" = docker ]; then check_toolkit; else check_python; fi
    printf '%s\n' "$chosen" | put "$STATE/runtime" 0644
}

check_toolkit() { # where apt has lists already, they tell whether it can be installed
    if ! has_toolkit && [ -n "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit)" ]; then require_toolkit; fi
}

require_toolkit() {
    if ! apt-cache show nvidia-container-toolkit >>"$LOG" 2>&1; then
        die 20 "apt knows no nvidia-container-toolkit: add NVIDIA's repository, or set host.runtime to python"
    fi
}

check_python() { # where there is one already
    if ! has python3; then return; fi
    if python_is 3.9 || python_is 3.10; then
        die 12 "this Python is older than 3.11: use a newer system, or set host.runtime to docker"
    fi
    if [ "$ENGINE" = echo ]; then return; fi
    python_is 3.12 ||
        die 12 "PersonaPlex's pins need Python 3.12, as on Ubuntu 24.04: use that, or set host.runtime to docker"
    if [ "$MACHINE" != x86_64 ]; then
        die 12 "on $MACHINE a part of it has to be compiled, which only the image does: set host.runtime to docker"
    fi
}

python_is() { # SERIES: 3.12
    [ "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$1" ]
}

# --- 3 packages: only what is missing; what came is written down, for the removal ---

packages() {
    printf 'ca-certificates\n'
    if [ -n "$PUBLIC" ]; then printf 'caddy\nopenssl\n'; fi
    if [ "$runtime" = python ]; then
        printf 'python3\npython3-venv\n'
        return
    fi
    if ! has docker; then printf 'docker.io\n'; fi
    if ! has_toolkit; then printf 'nvidia-container-toolkit\n'; fi
}

install_packages() {
    local package missing=()
    finish_packages
    for package in $(packages); do
        if ! is_installed "$package"; then missing+=("$package"); fi
    done
    if [ -z "${missing[*]}" ]; then return; fi
    installed | put "$STATE/packages.before" 0644
    apt_get update
    if [ "$runtime" = docker ] && ! has_toolkit; then require_toolkit; fi
    if [ -n "$PUBLIC" ] && ! id caddy >/dev/null 2>&1; then touch "$CREATED/caddy"; fi # which its package leaves behind
    apt_get install --no-install-recommends "${missing[@]}"
    record_packages
    settle_packages
}

finish_packages() { # of a run that was ended in the middle
    if [ ! -f "$STATE/packages.before" ]; then return; fi
    quietly 18 "dpkg cannot finish what was begun" dpkg --configure --pending
    record_packages
}

apt_get() { # waits while another holds apt's lock
    quietly 18 "apt-get $1 failed" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get --yes -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

is_installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

installed() { dpkg-query --show --showformat='${binary:Package}\n' | sort; }

record_packages() {
    touch "$STATE/packages"
    installed | comm -13 "$STATE/packages.before" - | sort --unique - "$STATE/packages" | put "$STATE/packages.all" 0644
    mv "$STATE/packages.all" "$STATE/packages"
    rm --force "$STATE/packages.before"
}

settle_packages() {
    if ! has_systemd; then return; fi
    if grep -qx caddy "$STATE/packages"; then # its own service would take the port
        quietly 18 "caddy.service does not stop" systemctl disable --now caddy.service
    fi
    if [ "$runtime" = docker ] && [ -z "$(docker ps --quiet)" ]; then # it looks for the toolkit when it starts
        quietly 19 "Docker does not start" systemctl restart docker.service
    fi
}

# --- 4 account: who runs it, and the folder for the weights ---

make_account() {
    if ! id plexctl >/dev/null 2>&1; then
        touch "$CREATED/user"
        quietly 12 "no user plexctl could be made" useradd --system --user-group --home-dir "$CACHE" --no-create-home \
            --shell /usr/sbin/nologin plexctl
    fi
    quietly 12 "$CACHE could not be made" install --directory --mode=0750 --owner=plexctl --group=plexctl "$CACHE"
    printf 'RUN_AS=%s:%s\n' "$(id -u plexctl)" "$(id -g plexctl)" | put "$SETTINGS/account.env" 0644
}

# --- 5, 6 what runs: an image, or what is in one, at the same paths ---

image_name() { printf '%s' "${IMAGE:-localhost/plexctl:$PROFILE}"; }

make_image() {
    if ! docker image inspect "$(image_name)" >/dev/null 2>&1; then image_name | put "$CREATED/image" 0644; fi
    if [ -n "$IMAGE" ]; then
        quietly 21 "$IMAGE cannot be pulled" docker pull "$IMAGE"
    else
        quietly 21 "the image cannot be built" docker build --force-rm --tag "$(image_name)" image
    fi
    if [ -n "$CUDA" ]; then # container engines may take --gpus and do nothing
        quietly 20 "no GPU is seen inside a container: the NVIDIA container toolkit does not work" \
            docker run --rm --gpus all --entrypoint nvidia-smi "$(image_name)" --list-gpus
    fi
}

build() { # NAME FUNCTION PATH...: fill a folder named by the hash of these, then link it; what runs keeps its own
    local name=$1 fill=$2 target
    shift 2
    target="$VERSIONS/$name-$(hash_of "$@")"
    if [ ! -f "$target/complete" ]; then
        rm --recursive --force "$target"
        "$fill" "$target"
        touch "$target/complete"
    fi
    link "$target" "$ROOT/$name"
}

pip_install() { # FOLDER ARGUMENTS...
    local python="$1/bin/python"
    shift
    quietly 22 "Python packages could not be installed" "$python" -m pip --no-input --disable-pip-version-check \
        --cache-dir "$STATE/pip-cache" install --no-deps "$@"
}

check_packages() { # FOLDER
    quietly 22 "Python packages do not fit together" "$1/bin/python" -m pip --disable-pip-version-check check
}

make_gateway_environment() {
    check_python
    build gateway fill_gateway image/gateway-requirements.txt
    build src fill_sources image/plexctl
}

fill_gateway() { # FOLDER
    quietly 22 "no Python environment could be made" python3 -m venv "$1"
    pip_install "$1" --requirement image/gateway-requirements.txt
    check_packages "$1"
}

fill_sources() { # FOLDER
    install --directory "$1"
    cp --recursive image/plexctl "$1/plexctl"
    quietly 22 "the gateway's sources do not compile" "$ROOT/gateway/bin/python" -m compileall -q \
        --invalidation-mode unchecked-hash "$1/plexctl"
}

ENGINE_INPUTS=(image/engine-requirements.txt image/torch-requirements.txt image/fetch_upstream.py image/check_engine.py)

make_engine_environment() {
    build engine fill_engine "${ENGINE_INPUTS[@]}"
}

fill_engine() { # FOLDER: what the Dockerfile does
    local source="$1/upstream"
    quietly 22 "no Python environment could be made" python3 -m venv "$1"
    pip_install "$1" --requirement image/engine-requirements.txt
    pip_install "$1" --requirement image/torch-requirements.txt
    check_packages "$1"
    quietly 22 "upstream's sources could not be fetched" \
        python3 image/fetch_upstream.py "$UPSTREAM_ARCHIVE" "$UPSTREAM_FOLDER" "$UPSTREAM_SHA256" "$source"
    pip_install "$1" --no-build-isolation "$source"
    # shellcheck disable=SC2086 # an architecture a word
    quietly 22 "the engine's environment is not what it should be" \
        "$1/bin/python" image/check_engine.py "$TORCH" "$CUDA" $ARCHITECTURES
}

remove_old_versions() { # and what pip keeps for another try
    local version
    rm --recursive --force "$STATE/pip-cache"
    for version in "$VERSIONS"/*; do
        case "$version" in
        "$(readlink "$ROOT/gateway")" | "$(readlink "$ROOT/engine")" | "$(readlink "$ROOT/src")") ;;
        *) rm --recursive --force "$version" ;;
        esac
    done
}

# --- 7 service: by systemd, or detached where there is none ---

start_gateway() {
    put "$SETTINGS/plexctl.env" 0644 <plexctl.env
    if has_systemd; then
        start_unit gateway "units/$runtime" 23
    else
        stop gateway
        start_detached gateway run_gateway
    fi
}

start_unit() { # NAME FOLDER CODE
    put "$UNITS/plexctl-$1.service" 0644 <"$2/plexctl-$1.service"
    quietly "$3" "systemd refuses the unit plexctl-$1" systemctl daemon-reload
    quietly "$3" "systemd refuses the unit plexctl-$1" systemctl enable "plexctl-$1.service"
    quietly "$3" "plexctl-$1 does not start" systemctl restart "plexctl-$1.service"
}

start_detached() { # NAME FUNCTION: in a clean environment; alive exactly as long as the lock on its pid file is held
    (
        trap - PIPE
        exec 8>&- 9<>"$STATE/$1.pid" </dev/null >>"$STATE/$1.log" 2>&1
        flock --timeout 5 9 || exit 0 # it runs already, and nobody just looks
        printf '%s\n' "$BASHPID" >"$STATE/$1.pid"
        exec setsid env --ignore-environment "PATH=$PATH" bash -c "$(declare -f "$2"); $2 \"\$@\"" "plexctl-$1" \
            "$SETTINGS" "$STATE" "$ROOT" "$CACHE" "$PORT" "$CUDA"
    ) &
}

run_gateway() { # what the unit says. Its arguments keep their numbers: no variable of the user's can hide a number
    set -o allexport
    # shellcheck disable=SC1091 # plexctl's own two files
    . "$1/plexctl.env" && . "$1/secrets.env"
    export PLEXCTL_HOST=127.0.0.1 PLEXCTL_PORT="$5" PLEXCTL_PID_FD=9
    export HOME="$4" HF_HOME="$4/huggingface" PYTHONPATH="$3/src" PYTHONUNBUFFERED=1
    if [ -n "$6" ]; then export PLEXCTL_ENGINE_PYTHON="$3/engine/bin/python"; fi
    cd "$4" || exit
    exec setpriv --reuid plexctl --regid plexctl --init-groups --no-new-privs \
        "$3/gateway/bin/python" -m plexctl.gateway
}

is_running() { # NAME
    if has_systemd; then
        systemctl --quiet is-active "plexctl-$1.service"
    else
        is_held "$STATE/$1.pid"
    fi
}

is_gateway_running() { is_running gateway; }

stop() { # NAME: without systemd; asks, waits for the lock, and only then insists
    local pid
    if ! is_running "$1"; then return; fi
    pid=$(cat "$STATE/$1.pid")
    kill -TERM "$pid" 2>>"$LOG" || true
    if ! flock --timeout 60 "$STATE/$1.pid" true; then
        kill -KILL -- "-$pid" 2>>"$LOG" || true
        quietly 23 "plexctl-$1 does not end" flock --timeout 10 "$STATE/$1.pid" true
    fi
}

# --- 8 tls: Caddy with files of plexctl's own, beside any Caddy of the host's ---

start_caddy() {
    local file=caddy/Caddyfile
    quietly 24 "$STATE/caddy could not be made" \
        install --directory --mode=0750 --owner=plexctl --group=plexctl "$STATE/caddy"
    # It makes a folder in HOME whatever it is asked.
    if [ "$PUBLIC" = address ] && ! at_least "$(HOME=$STATE caddy version | sed 's/^v//; s/ .*//')" 2.10; then
        make_certificate
        file=caddy/Caddyfile.pinned
    fi
    put "$SETTINGS/Caddyfile" 0644 <"$file"
    if has_systemd; then
        start_unit caddy caddy 24
    else
        stop caddy
        start_detached caddy run_caddy
    fi
}

run_caddy() { # what its unit says
    export XDG_DATA_HOME="$2/caddy" XDG_CONFIG_HOME="$2/caddy" HOME="$2/caddy"
    exec setpriv --reuid plexctl --regid plexctl --init-groups --inh-caps +net_bind_service \
        --ambient-caps +net_bind_service caddy run --adapter caddyfile --config "$1/Caddyfile"
}

is_caddy_running() { is_running caddy; }

make_certificate() { # ten years: callers pin it, and nobody else has to trust it
    local folder=$SETTINGS/tls
    install --directory --mode=0750 --group=plexctl "$folder"
    if [ -f "$folder/certificate.pem" ]; then return; fi
    quietly 24 "no certificate could be made" openssl req -x509 -nodes -days 3650 -newkey ec \
        -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=plexctl -addext "subjectAltName=DNS:$CERTIFICATE_NAME" \
        -keyout "$folder/certificate.key" -out "$folder/certificate.pem.new"
    chgrp plexctl "$folder/certificate.key"
    chmod 0640 "$folder/certificate.key"
    mv "$folder/certificate.pem.new" "$folder/certificate.pem"
}

say_certificate() {
    local file=$SETTINGS/tls/certificate.pem
    if [ -f "$file" ]; then
        say "certificate sha256:$(openssl x509 -in "$file" -outform DER | sha256sum | cut --characters=1-64)"
    fi
}

# --- 9 ready: its processes answer; how far the model is, /health tells ---

wait_for_gateway() {
    wait_for gateway 23 "does not answer on port $PORT" answers
    if [ -n "$PUBLIC" ]; then wait_for caddy 24 "does not listen on port 443" listens 443; fi
    remove_old_versions
}

wait_for() { # NAME CODE WORDS COMMAND...: two minutes; ten seconds for one that is not even running
    local name=$1 code=$2 words=$3 left=240
    shift 3
    until "$@"; do
        left=$((left - 1))
        if [ "$left" -eq 0 ] || { [ "$left" -lt 220 ] && ! is_running "$name"; }; then
            show_log "$name" >>"$LOG" 2>&1
            die "$code" "plexctl-$name $words"
        fi
        sleep 0.5
    done
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$PORT"
        printf 'GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
        head -n 1 <&3 | grep -q ' 200 '
    ) 2>/dev/null
}

show_log() { # NAME
    if has_systemd; then
        journalctl --unit "plexctl-$1" --lines 20 --no-pager || true
    else
        tail -n 20 "$STATE/$1.log" || true
    fi
}

# --- ending: how it ended is said in the log, but by who was killed; and the next boot has nothing to go on with ---

leave() {
    local code=$?
    if [ "$code" -lt 128 ]; then
        printf 'plexctl: ended with %s\n' "$code" >>"$LOG"
        if has_systemd && [ -f "$UNITS/plexctl-bootstrap.service" ]; then
            systemctl --quiet disable plexctl-bootstrap.service >>"$LOG" 2>&1
        fi
    fi
}

end_bootstrap() { # a run that is under way: asks its whole group, waits, and only then insists
    local pid target
    if has_systemd && [ -f "$UNITS/plexctl-bootstrap.service" ]; then
        systemctl disable --now plexctl-bootstrap.service >>"$LOG" 2>&1 || true
    fi
    if ! is_held "$STATE/lock"; then return; fi
    pid=$(cat "$STATE/lock")
    target=$pid
    if [ "$(cut --delimiter=' ' --fields=5 "/proc/$pid/stat" 2>/dev/null)" = "$pid" ]; then target=-$pid; fi
    kill -TERM -- "$target" 2>/dev/null || true
    if ! flock --timeout 10 "$STATE/lock" true; then
        kill -KILL -- "$target" 2>/dev/null || true
        flock --timeout 10 "$STATE/lock" true || die 11 "another run is at work on this host, and does not end"
    fi
}

# --- removal: exactly what came with it, said before ---

list() {
    local path
    for path in "$UNITS"/plexctl-{bootstrap,gateway,caddy}.service "$SETTINGS" "$ROOT" "$STATE"; do
        if [ -e "$path" ]; then say "has $path"; fi
    done
    if [ -f "$CREATED/user" ]; then say "has user plexctl"; fi
    if [ -f "$CREATED/caddy" ]; then say "has user caddy"; fi
    if [ -f "$CREATED/image" ]; then say "has image $(cat "$CREATED/image")"; fi
    if [ -s "$STATE/packages" ]; then say "has packages $(tr '\n' ' ' <"$STATE/packages")"; fi
}

uninstall() {
    current=removal
    list
    remove_service bootstrap
    remove_service caddy
    remove_service gateway
    finish_packages
    if [ -f "$CREATED/image" ]; then docker image rm "$(cat "$CREATED/image")" >>"$LOG" 2>&1 || true; fi
    if [ -s "$STATE/packages" ]; then remove_packages; fi
    if [ -f "$CREATED/caddy" ] && ! is_installed caddy; then userdel caddy >>"$LOG" 2>&1 || true; fi
    if [ -f "$CREATED/user" ]; then userdel plexctl >>"$LOG" 2>&1 || true; fi
    say "removed"
    cd /
    rm --recursive --force "$ROOT" "$SETTINGS"
    find "$STATE" -mindepth 1 ! -path "$OWNER" -delete # whose it is, is known to the last
    rm --recursive "$STATE"
}

remove_service() { # NAME
    if ! has_systemd; then
        stop "$1"
    elif [ -f "$UNITS/plexctl-$1.service" ]; then
        systemctl disable --now "plexctl-$1.service" >>"$LOG" 2>&1 || true
        rm --force "$UNITS/plexctl-$1.service"
        systemctl daemon-reload >>"$LOG" 2>&1
    fi
}

remove_packages() { # unless others need one by now
    local packages others
    mapfile -t packages <"$STATE/packages"
    others=$(apt-get --simulate purge "${packages[@]}" 2>>"$LOG" | sed -n 's/^Purg \([^ ]*\).*/\1/p' | sort |
        comm -23 - <(sed 's/:.*//' "$STATE/packages" | sort))
    if [ -n "$others" ]; then
        say "keeps packages that others need by now: ${packages[*]}"
    else
        apt_get purge "${packages[@]}"
    fi
}

# --- the order of it all ---

bring_up() {
    trap leave EXIT
    trap 'exit 143' HUP INT TERM
    printf 'plexctl: started\n' >>"$LOG"
    stage system always check_system
    stage runtime "$RUNTIME $IMAGE $CUDA" choose_runtime
    runtime=$(cat "$STATE/runtime")
    stage packages "$runtime $PUBLIC" install_packages
    stage account "$CACHE" make_account
    if [ "$runtime" = docker ]; then
        stage image "$IMAGE $(hash_of image)" make_image
        leave_out engine-environment
    else
        stage gateway-environment "$(hash_of image/gateway-requirements.txt image/plexctl)" make_gateway_environment
        if [ "$ENGINE" = echo ]; then
            leave_out engine-environment
        else
            stage engine-environment "$(hash_of "${ENGINE_INPUTS[@]}")" make_engine_environment
        fi
    fi
    stage service "$runtime $PORT $CACHE $(hash_of plexctl.env "$SECRETS" units image)" start_gateway is_gateway_running
    if [ -n "$PUBLIC" ]; then
        stage tls "$(hash_of caddy)" start_caddy is_caddy_running
        say_certificate
    else
        leave_out tls
    fi
    stage ready always wait_for_gateway
    say "ready on 127.0.0.1:$PORT"
}

main() {
    case "$*" in
    '' | --list | --uninstall) ;;
    *) printf 'usage: bootstrap.sh [--list | --uninstall]\n' >&2 && exit 2 ;;
    esac
    if [ "$(id -u)" != 0 ]; then printf 'plexctl: run it as root, or with sudo\n' >&2 && exit 10; fi
    if [ "$*" = --list ]; then list && exit 0; fi
    install --directory "$STATE" "$CREATED" "$SETTINGS" "$ROOT" "$VERSIONS"
    install --directory --mode=0700 "$STAMPS"
    exec 8<>"$STATE/lock"
    flock --timeout 2 8 || { printf 'plexctl: another run is at work on this host\n' >&2 && exit 11; } # or just a look
    printf '%s\n' "$$" >"$STATE/lock"
    if [ "$*" = --uninstall ]; then uninstall; else bring_up; fi
    exit 0
}

main "$@"
