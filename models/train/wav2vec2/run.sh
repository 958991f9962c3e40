#!/bin/sh
# Synthesise, train, export and measure: run.sh STEP DIR
#   STEP  synth | train | export | measure | all
#   DIR   a scratch folder: about 5 GB of sound, checkpoints, logs
# START=FOLDER trains on from an exported model folder (empty: from nothing);
# MINUTES and LR set the training, PROCESSES how many share it (and the shards). An interrupted `train` goes on when called again.
# SERVER=bin/grym-synth measures over HTTP.
set -e
here=$(cd "$(dirname "$0")" && pwd)
step=$1
dir=$2
[ -n "$dir" ] || { sed -n 2,7p "$0"; exit 2; }
mkdir -p "$dir/data"
. "$here/../environment.sh"

# one line a shard, those that take longest first: script, name, arguments
shards() {
  for i in 1 2 3; do echo "synth_hmm.py hmm-train-$i 6000 8$i"; done
  for i in 1 2 3 4; do echo "synth_espeak.py espeak-train-$i 12000 $((9 + 2 * i)) train"; done
  for i in 1 2; do echo "synth_espeak.py espeak-accent-$i 9000 $((10 + 2 * i)) accent"; done
  for i in 1 2; do echo "synth_festival.py foreign-train-$i 6000 7$i"; done
  for i in $(seq 10); do echo "synth_flite.py flite-train-$i 2500 $((500 + i)) train"; done
  echo "synth_espeak.py espeak-test 420 31 test"
  echo "synth_espeak.py espeak-dev 240 21 dev"
  echo "synth_flite.py flite-test 240 41 test"
  echo "synth_flite.py flite-dev 120 61 dev"
}
shard() {
  [ -e "$dir/data/$2.json" ] || run "$here/$1" "$dir/data/$2" "$3" "$4" $5
}
synth() { shards | xargs -L 1 -P "${PROCESSES:-1}" "$here/run.sh" shard "$dir"; }
train() {
  if [ -n "$START" ]; then
    run "$here/train.py" --data "$dir/data" --out "$dir/run.pt" --processes "${PROCESSES:-1}" --start "$START" --minutes "${MINUTES:-60}" --lr "${LR:-6e-4}" --flat 0
  else
    run "$here/train.py" --data "$dir/data" --out "$dir/run.pt" --processes "${PROCESSES:-1}" --minutes "${MINUTES:-100}" --lr "${LR:-1.5e-3}" --mel 1
  fi
}
export_() { run "$here/export.py" "$dir/run.best.pt" "$dir/wav2vec2-tiny"; }
measure() { run "$here/evaluate.py" --data "$dir/data" ${SERVER:+--server "$SERVER"} --json "$dir/figures.json" "$here/../../wav2vec2-tiny" "$dir/wav2vec2-tiny"; }

case $step in
  synth) synth ;;
  shard) shift 2; shard "$@" ;;
  train) train ;;
  export) export_ ;;
  measure) measure ;;
  all) synth; train; export_; measure ;;
  *) sed -n 2,7p "$0"; exit 2 ;;
esac
