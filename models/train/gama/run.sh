#!/bin/sh
# Synthesise, train, export and measure: run.sh STEP DIR
#   STEP  data | train | export | measure | all
#   DIR   a scratch folder: about 10 GB of features, checkpoints, logs
# START=FOLDER trains on from an exported model folder (empty: from nothing);
# MINUTES sets the processor time of each of PROCESSES, which also make the clips; SHARDS how many
# times 3000 clips. An interrupted run goes on when called again. SERVER=bin/grym-synth measures over HTTP.
set -e
here=$(cd "$(dirname "$0")" && pwd)
step=$1
dir=$2
[ -n "$dir" ] || { sed -n 2,7p "$0"; exit 2; }
mkdir -p "$dir"
. "$here/../environment.sh"

# one line a file of clips: name, how many, seed, mode
shards() {
  for i in $(seq "${SHARDS:-36}"); do echo "train-$i 3000 $((100 + i)) train"; done
  echo "test 600 77 test"
  echo "strangers 200 78 strangers"
}
shard() {
  [ -e "$dir/$1.json" ] || run "$here/clips.py" "$dir/$1" "$2" "$3" "$4"
}
data() { shards | xargs -L 1 -P "${PROCESSES:-2}" "$here/run.sh" shard "$dir"; }
train() { run "$here/train.py" --data "$dir" --out "$dir/run.pt" --minutes "${MINUTES:-92}" --processes "${PROCESSES:-2}" --lr "${LR:-2e-3}" ${START:+--start "$START"}; }
export_() { run "$here/export.py" "$dir/run.pt" "$dir/gama-tiny"; }
measure() {
  run "$here/evaluate.py" --data "$dir" ${SERVER:+--server "$SERVER"} --json "$dir/figures.json" "$here/../../gama-tiny" "$dir/gama-tiny"
}

case $step in
  data) data ;;
  shard) shift 2; shard "$@" ;;
  train) train ;;
  export) export_ ;;
  measure) measure ;;
  all) data; train; export_; measure ;;
  *) sed -n 2,7p "$0"; exit 2 ;;
esac
