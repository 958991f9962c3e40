#!/bin/sh
# Synthesise, train, export and measure: run.sh STEP DIR
#   STEP  data | train | export | measure | all
#   DIR   a scratch folder: about 2 GB of features, checkpoints, logs
# SHARDS is how many files of about 900 events are made, PROCESSES how many at once; MINUTES sets the processor time of the training, VIEWS the
# instances of each class in a batch. START=RUN.pt goes on from the weights of another training (empty: from nothing).
# An interrupted step goes on when called again.
set -e
here=$(cd "$(dirname "$0")" && pwd)
step=$1
dir=$2
[ -n "$dir" ] || { sed -n 2,7p "$0"; exit 2; }
mkdir -p "$dir/shards" "$dir/sets"
. "$here/../environment.sh"
export PYTHONPATH=$PYTHONPATH:$here/../gama:$here/../wav2vec2

shard() { [ -e "$dir/shards/$1.npz" ] || run "$here/data.py" "$dir/shards" "$1" $2; }
# a third of the files has more words
shards() {
  for i in $(seq "${SHARDS:-120}"); do
    if [ $((i % 3)) = 0 ]; then echo "$(printf %04d "$i") .45 .25"; else echo "$(printf %04d "$i")"; fi
  done
}
data() {
  [ -e "$dir/shards/background.npy" ] || run "$here/data.py" "$dir/shards" background
  shards | xargs -L 1 -P "${PROCESSES:-1}" "$here/run.sh" shard "$dir"
}
train() { run "$here/train.py" "$dir/shards" "$dir/run.pt" --minutes "${MINUTES:-240}" --views "${VIEWS:-2}" ${START:+--start "$START"}; }
export_() { run "$here/export.py" "$dir/run.pt" "$dir/clap-tiny" && run "$here/check.py" "$dir/run.pt" "$dir/clap-tiny" "$dir/sets"; }
measure() {
  run "$here/sets.py" "$dir/sets"
  run "$here/evaluate.py" few "$dir/sets" "$dir/run.pt" | tee "$dir/few.txt"
  run "$here/evaluate.py" named "$dir/sets" "$dir/run.pt" | tee "$dir/named.txt"
  run "$here/evaluate.py" detect "$dir/sets" "$dir/run.pt" | tee "$dir/detect.txt"
}

case $step in
  data) data ;;
  shard) shift 2; name=$1; shift; shard "$name" "$*" ;;
  train) train ;;
  export) run "$here/sets.py" "$dir/sets"; export_ ;;
  measure) measure ;;
  all) data; train; run "$here/sets.py" "$dir/sets"; export_; measure ;;
  *) sed -n 2,7p "$0"; exit 2 ;;
esac
