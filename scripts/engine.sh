# Which Docker Engine is meant, and whether it answers. Read by the other scripts (`. scripts/engine.sh`), not run.
# Needs curl and no `docker` command: an engine is often there by its socket alone.
# shellcheck shell=bash

# The engine that DOCKER_HOST names, else the one behind the usual socket: the same choice that Launchway makes.
engine_host() { printf '%s\n' "${DOCKER_HOST:-unix:///var/run/docker.sock}"; }

# engine_call PATH [curl options]: one request to the engine's API. 22 where the engine answers with an error.
engine_call() {
  local path=$1 host; shift
  host=$(engine_host)
  case "$host" in
    unix://*) curl --silent --show-error --fail --unix-socket "${host#unix://}" "$@" "http://engine$path" ;;
    tcp://*) curl --silent --show-error --fail "$@" "http://${host#tcp://}$path" ;;
    *) printf 'scripts: no plain HTTP to %s\n' "$host" >&2; return 2 ;;
  esac
}

# By the API, else by the `docker` command, which also knows ssh:// and TLS.
engine_answers() {
  if command -v curl >/dev/null && [ "$(engine_call /_ping --max-time 3 2>/dev/null)" = OK ]; then return 0; fi
  case "$(engine_host)" in unix://* | tcp://*) return 1 ;; esac
  command -v docker >/dev/null && timeout 10 docker version >/dev/null 2>&1
}

# Whether the usual socket is there and this user may not use it.
engine_is_forbidden() {
  local socket; socket=$(engine_host); socket=${socket#unix://}
  [ -S "$socket" ] && ! [ -w "$socket" ]
}

# Whether this user may use the socket, but only from a new login (or `sg`), since the group came after this one.
engine_needs_new_login() {
  local socket group; socket=$(engine_host); socket=${socket#unix://}
  engine_is_forbidden || return 1
  group=$(stat -c %G "$socket")
  case " $(id -nG "$(id -un)") " in *" $group "*) ;; *) return 1 ;; esac
}

# The address that the current context of the `docker` command names, where it is another one than ours.
engine_of_context() {
  [ -z "${DOCKER_HOST:-}" ] && command -v docker >/dev/null || return 1
  local host; host=$(timeout 5 docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) || return 1
  [ -n "$host" ] && [ "$host" != "$(engine_host)" ] && printf '%s\n' "$host"
}
