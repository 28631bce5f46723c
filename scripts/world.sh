# The world in which Launchway is shown and tested from outside: a bare repository with its hook, a clone that pushes,
# the statuses that come back, and what an app leaves on the engine. Read by scripts (`. scripts/world.sh`), not run.
# Expects: $work (a folder), $url (Launchway's), $app (the app's Compose project), failed WORDS, server_runs.
# shellcheck shell=bash disable=SC2154,SC2034

# Nobody's own settings of git shall matter here.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@example.com
export GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@example.com

# A port that nothing listens on.
free_port() {
  local port
  for _ in $(seq 50); do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
  done
  failed "no free port between 20000 and 32000"
}

# make_repository HOOK_URL: $work/shop.git, whose hook signs with $work/secret.
make_repository() {
  (umask 077 && od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n' >"$work/secret")
  git init --quiet --bare --initial-branch=main "$work/shop.git"
  install -m 755 hooks/post-receive "$work/shop.git/hooks/post-receive"
  git -C "$work/shop.git" config launchway.url "$1"
  git -C "$work/shop.git" config launchway.secret-file "$work/secret"
}

# make_clone FOLDER: $work/shop, with that folder's files, ready for `push`.
make_clone() {
  git init --quiet --initial-branch=main "$work/shop"
  cp -a "$1/." "$work/shop/"
  # Whoever goes on by hand has no variables of ours.
  git -C "$work/shop" config user.name Demo
  git -C "$work/shop" config user.email demo@example.com
  git -C "$work/shop" remote add origin "$work/shop.git"
  git -C "$work/shop" config branch.main.remote origin
  git -C "$work/shop" config branch.main.merge refs/heads/main
}

# Until Launchway answers, 20 s at most.
wait_for_server() {
  local end=$((SECONDS + 20))
  until curl --silent --fail --output /dev/null --max-time 2 "$url/healthz"; do
    server_runs || failed "launchway serve has ended"
    [ $SECONDS -lt $end ] || failed "launchway serve does not answer at $url/healthz"
    sleep 0.1
  done
}

# status_of COMMIT: waits for its final status as any clone of the repository can read it, a minute at most. Sets
# `status`, the whole line (`context state time url description`), and `state`.
status_of() {
  local end=$((SECONDS + 60))
  while [ $SECONDS -lt $end ]; do
    git -C "$work/shop" fetch --quiet origin '+refs/notes/launchway:refs/notes/launchway' 2>/dev/null || true
    status=$(git -C "$work/shop" notes --ref=launchway show "$1" 2>/dev/null || true)
    read -r _ state _ <<<"$status" || true
    case "$state" in success | failure | error | cancelled) return ;; esac
    server_runs || failed "Launchway has ended"
    sleep 0.2
  done
  failed "no final status for $1 within a minute; it says: ${status:-nothing}"
}

# ---- the app on the engine

# ids KIND [PATH] [MORE]: the ids of the app's containers or networks, or the names of its volumes.
ids() {
  local key=Id; if [ "$1" = volumes ]; then key=Name; fi
  engine_call "/$1${2:-}" --get --data-urlencode all=1 \
    --data-urlencode "filters={\"label\":[\"com.docker.compose.project=$app\"${3:-}]}" |
    grep -o "\"$key\":\"[^\"]*\"" | cut -d'"' -f4 || true
}

container_of() { ids containers /json ",\"com.docker.compose.service=$1\""; }
image_of() { engine_call "/containers/$(container_of "$1")/json" | grep -o '"Image":"sha256:[0-9a-f]*"' || true; }

# Everything that the app has on the engine, its volumes and images too.
remove_app() {
  local id images
  images=$(ids images /json)
  for id in $(ids containers /json); do engine_call "/containers/$id?force=1&v=1" -X DELETE >/dev/null 2>&1 || true; done
  for id in $(ids networks); do engine_call "/networks/$id" -X DELETE >/dev/null 2>&1 || true; done
  for id in $(ids volumes); do engine_call "/volumes/$id" -X DELETE >/dev/null 2>&1 || true; done
  for id in $images; do engine_call "/images/$id?force=1" -X DELETE >/dev/null 2>&1 || true; done
}
