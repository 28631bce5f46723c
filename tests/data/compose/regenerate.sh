#!/usr/bin/env bash
# Makes NAME.json and NAME.refused anew (see README.md). Needs Docker Compose 2.40; no engine has to run.
#
#   COMPOSE       the command (default: docker compose)
#   COMPOSE_ROOT  where the command's file system begins, for a Compose in a chroot (default: none)
#   e.g. COMPOSE="chroot ~/.cache/engines/sid docker compose" COMPOSE_ROOT=~/.cache/engines/sid ./regenerate.sh
set -euo pipefail
cd "$(dirname "$0")"
compose=${COMPOSE:-docker compose}
root=${COMPOSE_ROOT:-}
work=$root/tmp/launchway-compose-data
trap 'rm -rf "$work"' EXIT
set -f # arguments such as `--profile *` are no patterns
run() { # folder, name, arguments
  local variables=()
  [ -f "$1/variables" ] && mapfile -t variables <"$1/variables"
  rm -f "$1/$2.json" "$1/$2.refused"; rm -rf "$work"; mkdir -p "$work"; cp -a "$1" "$work/shop"
  find "$work/shop" -maxdepth 1 \( -name '*.json' -o -name '*.refused' \) -delete
  local inside=${work#"$root"}/shop
  # shellcheck disable=SC2086
  if env -i PATH="$PATH" HOME=/home/nobody "${variables[@]}" $compose --project-directory "$inside" \
      -p shop $(sed "s#-f #-f $inside/#g" <<<"$3") config --format json >"$work/out" 2>"$work/err"; then
    sed "s#$inside#/project#g" "$work/out" >"$1/$2.json"
  else
    grep -v '^time=' "$work/err" | sed "s#$inside#/project#g" >"$1/$2.refused"
  fi
}
{ echo ./opentelemetry-demo; find . -mindepth 2 -maxdepth 2 -type d | sort; } | while read -r folder; do
  runs=$(find "$folder" -maxdepth 1 -name '*.args' | sort)
  for arguments in $runs; do run "$folder" "$(basename "$arguments" .args)" "$(cat "$arguments")"; done
  [ -n "$runs" ] || run "$folder" default "-f $(basename "$(find "$folder" -maxdepth 1 -name '*compose.y*ml')")"
done
