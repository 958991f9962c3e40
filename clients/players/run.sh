#!/bin/sh
# Has players read and draw peaks of a server: run.sh BINARY. What cannot be installed is skipped with a message.
set -eu
binary=$(realpath "$1")
cd "$(dirname "$0")"
if ! command -v npm >/dev/null || ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; then
  echo "the players cannot be installed: skipping them"
  exit 0
fi
node players.mjs "$binary"
