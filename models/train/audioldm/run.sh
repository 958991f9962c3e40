#!/bin/sh
# Synthesise, train, export and measure: run.sh STEP DIR
#   STEP  data | train | export | measure | all
#   DIR   a scratch folder: about 2 GB of sound, checkpoints, logs
# START=FOLDER trains on from an exported model folder (empty: from nothing);
# MINUTES sets the UNet's processor time, CLIPS the clips of each family. An
# interrupted run goes on when called again. SERVER=bin/grym-synth measures over HTTP.
set -e
here=$(cd "$(dirname "$0")" && pwd)
step=$1
dir=$2
[ -n "$dir" ] || { sed -n 2,7p "$0"; exit 2; }
mkdir -p "$dir"
. "$here/../environment.sh"

make() { # a file is made once
  out=$1
  shift
  [ -e "$out" ] || run "$@"
}
data() {
  make "$dir/test.pt" "$here/data.py" "$dir/test.pt" 30 2
  make "$dir/train.pt" "$here/data.py" "$dir/train.pt" "${CLIPS:-500}" 1
}
train() {
  start=${START:+--start $START}
  make "$dir/autoencoder.pt" "$here/train_autoencoder.py" --data "$dir/train.pt" --out "$dir/autoencoder.pt" --minutes "${VAE_MINUTES:-6}" $start
  run "$here/train_diffusion.py" --data "$dir/train.pt" --latents "$dir/autoencoder.pt" --out "$dir/run.pt" --minutes "${MINUTES:-60}" $start
  make "$dir/vocoder.pt" "$here/train_vocoder.py" --data "$dir/train.pt" --latents "$dir/autoencoder.pt" --out "$dir/vocoder.pt" \
    --minutes "${VOCODER_MINUTES:-$([ -n "$START" ] && echo 0 || echo 8)}" $start
  make "$dir/judge.pt" "$here/judge.py" --data "$dir/train.pt" --test "$dir/test.pt" --out "$dir/judge.pt"
}
export_() {
  run "$here/export.py" --diffusion "$dir/run.pt" --autoencoder "$dir/autoencoder.pt" --vocoder "$dir/vocoder.pt" "$dir/audioldm-tiny"
}
measure() {
  run "$here/evaluate.py" --data "$dir" ${SERVER:+--server "$SERVER"} --json "$dir/figures.json" "$here/../../audioldm-tiny" "$dir/audioldm-tiny"
  run "$here/picture.py" --data "$dir" "$dir/audioldm-tiny" "$dir/families.png"
}

case $step in
  data) data ;;
  train) train ;;
  export) export_ ;;
  measure) measure ;;
  all) data; train; export_; measure ;;
  *) sed -n 2,7p "$0"; exit 2 ;;
esac
