#!/usr/bin/env bash
# Launchway in a container, as the Dockerfile and docker-compose.yml make it: the image is built, the Compose file is
# brought up, examples/shop is deployed through it, and it is stopped and started again.
#
#   make package-test                  the binary is built here and put into the image's last stage
#   tests/packaging.sh --from-source   the whole Dockerfile (many minutes)
#
# Where debian:bookworm-slim cannot be pulled, scripts/stand-ins makes a stand-in of it. Needs root, and the `docker`
# command with Compose; COMPOSE names another one (COMPOSE="/path/to/docker-compose").
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/engine.sh
. scripts/world.sh

say() { printf 'packaging: %s\n' "$*"; }
failed() {
  say "FAILED: $1" >&2
  if [ -n "${service:-}" ]; then docker logs --tail 20 "$service" >&2 || true; fi
  exit 1
}
server_runs() { [ "$(docker inspect --format '{{.State.Running}}' "$service" 2>/dev/null)" = true ]; }

[ "$EUID" = 0 ] || { say "needs root: the container's user has to own the repository"; exit 1; }
command -v docker >/dev/null || { say "skipped: no docker command here"; exit 0; }
if [ -n "${COMPOSE:-}" ]; then read -ra compose <<<"$COMPOSE"
elif docker compose version >/dev/null 2>&1; then compose=(docker compose)
elif command -v docker-compose >/dev/null; then compose=(docker-compose)
else say "skipped: neither docker compose nor docker-compose here"; exit 0; fi

work=$(mktemp -d /tmp/launchway-packaging.XXXXXX)
name=$(basename "$work" | tr '[:upper:].' '[:lower:]-')
app=$name-shop service='' image=$name:test
port=$(free_port) shop_port=$(free_port)
url=http://127.0.0.1:$port

export COMPOSE_PROJECT_NAME=$name LAUNCHWAY_IMAGE=$image LAUNCHWAY_PORT=127.0.0.1:$port LAUNCHWAY_CONFIG=$work/config
DOCKER_GID=$(stat -c %g /var/run/docker.sock)
export DOCKER_GID
up() { "${compose[@]}" --file docker-compose.yml --file "$work/more.yml" "$@"; }

clean_up() {
  local code=$?
  trap - EXIT
  up --profile edge down --volumes --timeout 10 >/dev/null 2>&1 || true
  remove_app
  docker image rm --force "$image" "$name:base" >/dev/null 2>&1 || true
  rm -rf "$work"
  exit $code
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# usable IMAGE STAND_IN: IMAGE where it is there or can be pulled within 30 s, else its stand-in.
usable() {
  if docker image inspect "$1" >/dev/null 2>&1 || timeout 30 docker pull --quiet "$1" >/dev/null 2>&1; then echo "$1"; return; fi
  docker image inspect "launchway/stand-in:$2" >/dev/null 2>&1 || scripts/stand-ins "$2" >&2
  echo "launchway/stand-in:$2"
}

runtime=$(usable debian:bookworm-slim runtime)
if [ "${1:-}" = --from-source ]; then
  say "building the image from source on $runtime"
  build=$(usable rust:1.95-slim-bookworm build)
  docker build --tag "$image" --build-arg RUNTIME_IMAGE="$runtime" --build-arg BUILD_IMAGE="$build" . ||
    failed "the image does not build"
else
  say "building the image on $runtime, around the binary that is built here"
  # The tests' own build, so that nothing is compiled twice.
  cargo test --locked --no-run --quiet --test users
  docker build --quiet --target base --tag "$name:base" --build-arg RUNTIME_IMAGE="$runtime" . >/dev/null ||
    failed "the image's last stage does not build"
  mkdir "$work/image"
  cp "${CARGO_TARGET_DIR:-target}/debug/launchway" "$work/image/"
  printf 'FROM %s\nCOPY launchway /usr/local/bin/launchway\n' "$name:base" >"$work/image/Dockerfile"
  docker build --quiet --tag "$image" "$work/image" >/dev/null || failed "the image does not build"
fi

say "bringing up docker-compose.yml"
make_repository "$url/hooks/shop"
mkdir "$work/config"
cp "$work/secret" "$work/config/hook.secret"
cat >"$work/config/launchway.toml" <<TOML
listen = "0.0.0.0:8080"
public-url = "$url"

[projects.shop]
forge = "plain"
repository = "/repositories/shop.git"
secret = { file = "hook.secret" }

[projects.shop.environments.production]
branch = "main"
compose-project = "$app"
variables = { PORT = "127.0.0.1:$shop_port" }
TOML
# What a plain repository on the same machine needs beside the Compose file that is tested.
printf 'services:\n  launchway:\n    volumes:\n      - %s:/repositories/shop.git\n' "$work/shop.git" >"$work/more.yml"
chmod 755 "$work"
chown -R 10001:10001 "$work/shop.git" "$work/config"
git config --file "$work/gitconfig" safe.directory '*'
export GIT_CONFIG_GLOBAL=$work/gitconfig

up up --detach --no-build || failed "docker-compose.yml does not come up"
service=$(up ps --quiet launchway)
wait_for_server
end=$((SECONDS + 60))
until [ "$(docker inspect --format '{{.State.Health.Status}}' "$service")" = healthy ]; do
  [ $SECONDS -lt $end ] || failed "the health check does not pass"
  sleep 0.5
done
say "it is healthy at $url"

for wanted in 'true {{.HostConfig.ReadonlyRootfs}}' '10001:10001 {{.Config.User}}' '[ALL] {{.HostConfig.CapDrop}}' \
  'false {{.HostConfig.Privileged}}' '[no-new-privileges:true] {{.HostConfig.SecurityOpt}}'; do
  found=$(docker inspect --format "${wanted#* }" "$service")
  [ "$found" = "${wanted%% *}" ] || failed "${wanted#* } is $found and should be ${wanted%% *}"
done
say "it has a read-only root, no capabilities, and a user of its own"

say "deploying examples/shop through it"
make_clone examples/shop
git -C "$work/shop" add --all
git -C "$work/shop" commit --quiet --message "The shop opens"
git -C "$work/shop" push --quiet origin main || failed "git push was refused"
chown -R 10001:10001 "$work/shop.git"
status_of "$(git -C "$work/shop" rev-parse HEAD)"
[ "$state" = success ] || failed "the deployment should have succeeded: $status"
page=$(curl --silent --fail "http://127.0.0.1:$shop_port/") || failed "the shop does not answer"
case "$page" in *teapot*) say "the shop answers" ;; *) failed "the shop's page lacks its goods" ;; esac

say "stopping it and starting it again"
container=$(container_of api)
up down --timeout 30 >/dev/null 2>&1
curl --silent --fail --output /dev/null "http://127.0.0.1:$shop_port/" || failed "the shop does not outlive Launchway"
up up --detach --no-build >/dev/null 2>&1 || failed "it does not come up again"
service=$(up ps --quiet launchway)
wait_for_server
docker exec "$service" launchway status | grep shop >/dev/null || failed "it has forgotten the shop"
[ "$(container_of api)" = "$container" ] || failed "the restart replaced a container"
say "with the edge"
printf '\n[edge]\n' >>"$work/config/launchway.toml"
up --profile edge up --detach --no-build --force-recreate >/dev/null 2>&1 || failed "the edge does not come up"
service=$(up ps --quiet launchway)
wait_for_server
change() {
  echo "# $1" >>"$work/shop/web/Dockerfile"
  git -C "$work/shop" commit --quiet --all --message "$1"
  git -C "$work/shop" push --quiet origin main || failed "git push was refused"
  chown -R 10001:10001 "$work/shop.git"
  status_of "$(git -C "$work/shop" rev-parse HEAD)"
  [ "$state" = success ] || failed "the deployment should have succeeded: $status"
}
change "The edge takes the port over"
docker logs "$service" 2>&1 | grep -q panicked && failed "something panicked"
asked=0 lost=0
while [ ! -e "$work/enough" ]; do
  asked=$((asked + 1))
  curl --silent --fail --output /dev/null --max-time 40 "http://127.0.0.1:$shop_port/" || lost=$((lost + 1))
  echo "$asked $lost" >"$work/asked"
  sleep 0.05
done &
asking=$!
change "Nobody notices"
touch "$work/enough"
wait $asking
read -r asked lost <"$work/asked"
[ "$asked" -gt 5 ] && [ "$lost" = 0 ] || failed "$lost of $asked requests failed while the shop was replaced"
say "none of $asked requests failed while the shop was replaced"
say "all of it held"
