#!/bin/sh
# Builds the images, brings the compose stack up, scales it, runs the e2e suites against it, and restarts replicas while
# runs go on. Takes the stack down again. Where that cannot be (no engine, no images) it says so and ends with 0.
#
#   deploy/scripts/try-compose.sh [--stand-ins | --short]
#
# --stand-ins  makes the base images from Debian and node_modules first: see stand-in-images.sh. Once made they are used
#              wherever the official ones are not here.
# --short      what `./flex test` does: builds, brings up and scales, and runs one suite.
set -eu
cd "$(dirname "$0")/../.."
mode=${1:-}
export COMPOSE_PROJECT_NAME="${COMPOSE_PROJECT_NAME:-flex-trial-$$}" FLEX_VERSION="${FLEX_VERSION:-trial}"
# Any free ones.
export GATEWAY_PORTS="${GATEWAY_PORTS:-0}" NATS_PORT="${NATS_PORT:-0}"
variables=$(mktemp)
began=
output=$(mktemp)
# What a command says is of interest when it fails.
quietly() { "$@" > "$output" 2>&1 || { status=$?; cat "$output"; return $status; }; }
compose() { docker compose --env-file "$variables" -f deploy/compose/compose.yaml "$@"; }
say() { echo "try-compose: $*"; }
finish() {
  status=$?
  if [ -n "$began" ]; then
    [ $status = 0 ] || compose logs --tail 40 --no-color || :
    compose down --volumes --timeout 20 > /dev/null 2>&1 || :
  fi
  rm -f "$variables" "$output"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM
skip() { say "skipped, $*"; exit 0; }
limit() { if command -v timeout > /dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }
is_here() { docker image inspect "$1" > /dev/null 2>&1; }

# ---- Whether an engine is there, and all that it needs.
command -v docker > /dev/null 2>&1 || skip 'there is no docker command'
limit 10 docker info > /dev/null 2>&1 || skip 'no Docker engine answers'
limit 10 docker compose version > /dev/null 2>&1 || skip 'docker has no compose plugin of version 2'
if [ "$mode" = --stand-ins ]; then
  deploy/scripts/stand-in-images.sh > "$variables"
elif [ -z "${FLEX_BASE_IMAGE:-}" ] && is_here flex-stand-in/runtime:latest && ! is_here node:24-bookworm-slim; then
  deploy/scripts/stand-in-images.sh --variables > "$variables"
fi
needed=$(compose config | sed -n 's/^ *\(BASE\|BUILD\|image\): //p' | grep -v "^${FLEX_IMAGES:-flex}/" | sort -u)
for image in $needed; do
  is_here "$image" || limit 60 docker pull --quiet "$image" > /dev/null 2>&1 ||
    skip "the image $image is neither here nor can it be pulled"
done
build_image=$(compose config | sed -n 's/^ *BUILD: //p' | head -n 1)
limit 60 docker run --rm "$build_image" npm view ulid version --fetch-retries=0 --fetch-timeout=15000 > /dev/null 2>&1 ||
  skip 'containers cannot be run here, or do not reach the npm registry'

began=1
say 'images'
built=0
limit 600 docker compose --env-file "$variables" -f deploy/compose/compose.yaml build --quiet || built=$?
[ $built != 124 ] || skip 'building the images takes more than ten minutes'
[ $built = 0 ] || exit $built
for service in gateway planner orchestrator registry policy worker; do
  docker image inspect -f "{{index .RepoTags 0}} {{.Size}} bytes, user {{.Config.User}}" "${FLEX_IMAGES:-flex}/$service:$FLEX_VERSION"
done

say 'up'
if [ "$mode" = --short ]; then
  quietly compose up --wait --wait-timeout 180 --scale worker=2 --scale orchestrator=2 --scale gateway=2
else
  say 'migrations as a step of their own, with nothing there but Postgres'
  quietly compose up --wait --wait-timeout 300 postgres
  for service in gateway orchestrator registry; do
    quietly compose run --rm --no-deps -T "$service" node service/dist/migrate.js
    grep "^$service: " "$output"
  done
  quietly compose up --wait --wait-timeout 300
  say 'scaled'
  quietly compose up --wait --wait-timeout 300 --scale worker=3 --scale orchestrator=2 --scale gateway=2
fi
compose ps --format '{{.Name}} {{.Status}}'

address=$(compose port --index 1 gateway 8080)
FLEX_URL=http://$address
FLEX_API_KEY=flex-compose-key
NATS_URL=nats://operator:${OPERATOR_PASSWORD:-flex-operator}@$(compose port nats 4222)
export FLEX_URL FLEX_API_KEY NATS_URL

say 'inside: ordinary user, read-only, no shell needed'
compose exec -T --index 1 gateway node -e "
  const { writeFileSync } = require('node:fs');
  if (process.getuid() === 0) throw new Error('runs as root');
  for (const path of ['/app/x', '/tmp/x'])
    try { writeFileSync(path, ''); throw new Error(path + ' can be written'); } catch (error) { if (error.code !== 'EROFS') throw error; }"

say "suites against $FLEX_URL"
suites='e2e/scenarios|e2e/docs-commands'
[ "$mode" != --short ] || suites=e2e/scenarios/linkedin-variants
# Some bring up stacks of their own, from what was compiled last.
./flex exec tsc -b tsconfig.build.json
./flex jest --selectProjects e2e --testPathPatterns "$suites"

# Gateways stay: after a restart the engine may publish one on another port. `./flex bench rolling` by itself replaces
# gateways too, behind a balancer.
if [ "$mode" != --short ]; then
  say 'every other replica is restarted while runs go on'
  ./flex bench rolling --against "$FLEX_URL" -- sh -c '
    for container in $(docker compose -p "$COMPOSE_PROJECT_NAME" ps -q orchestrator planner policy registry worker); do
      docker restart --time 20 "$container" > /dev/null
      until [ "$(docker inspect -f "{{.State.Health.Status}}" "$container")" = healthy ]; do sleep 0.2; done
    done'
fi

refused=$(compose logs --no-color nats | grep -c 'Permissions Violation' || :)
say "$refused refusals by NATS"
[ "$refused" = 0 ]

say 'stop'
quietly compose stop --timeout 20
for container in $(compose ps --all -q gateway planner orchestrator registry policy worker); do
  docker inspect -f '{{.Name}} {{.State.ExitCode}}' "$container"
done | sort | { ! grep -v ' 0$'; }
say 'every replica ended with 0'
