#!/bin/sh
# An upgrade with runs in flight, from another commit to this checkout: two replicas of each service are replaced one after
# the other, readers before writers, while clients submit runs and some runs wait for a person. Then every run is held
# against its history, and `flex rebuild` compares what both releases wrote.
#
#   deploy/scripts/try-upgrade.sh <commit of the old release> [--clients n] [--seconds n] [--json]
#
# The old release is checked out, installed and built in a temporary worktree. Servers are those of this checkout.
set -eu
cd "$(dirname "$0")/../.."
old_commit=${1:?usage: try-upgrade.sh <commit of the old release> [options of flex bench rolling]}
shift
work=$(mktemp -d)
finish() {
  status=$?
  git worktree remove --force "$work/release" > /dev/null 2>&1 || :
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM
say() { echo "try-upgrade: $*" >&2; }

git worktree add --detach "$work/release" "$old_commit" > /dev/null 2>&1
if cmp -s package-lock.json "$work/release/package-lock.json"; then
  cp -al node_modules "$work/release/node_modules"
  rm -rf "$work/release/node_modules/.flex-built" "$work/release/node_modules/.cache"
fi
say "old: $(git log -1 --format='%h %s' "$old_commit")"
(cd "$work/release" && ./flex exec tsc -b tsconfig.build.json)
say "new: $(git log -1 --format='%h %s')"
./flex bench rolling --from "$work/release" "$@"
