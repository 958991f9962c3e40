#!/bin/sh
# Synthesise, train, export and measure: run.sh STEP DIR
#   STEP  synth | train | export | measure | all
#   DIR   a scratch folder: about 2.5 GB of sound, checkpoints, logs
# START=FOLDER trains on from an exported model folder (empty: from nothing);
# MINUTES and LR set the training. An interrupted `train` goes on when called again.
set -e
here=$(cd "$(dirname "$0")" && pwd)
step=$1
dir=$2
[ -n "$dir" ] || { sed -n 2,7p "$0"; exit 2; }
mkdir -p "$dir/data"
python=${PYTHON:-/usr/bin/python3}

# Debian's torch links the reference BLAS, ten times slower: put OpenBLAS first, one thread.
# OpenBLAS's own choice of kernels is slow on some machines; SkylakeX needs AVX-512.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
export LD_LIBRARY_PATH=/usr/lib/$(uname -m)-linux-gnu/openblas-pthread${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
if grep -q avx512f /proc/cpuinfo; then core=SkylakeX; elif grep -q avx2 /proc/cpuinfo; then core=Haswell; fi
[ -z "$core" ] || export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-$core}
# flite frees and maps its memory anew for each phrase; keeping it halves the time
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296
run() { nice -n 19 "$python" "$@"; }

synth() {
  shard() { [ -e "$dir/data/$2.json" ] || run "$here/$1" "$dir/data/$2" $3; }
  shard synth_espeak.py espeak-test "420 31 test"
  shard synth_espeak.py espeak-dev "240 21 dev"
  shard synth_espeak.py espeak-train-1 "12000 11 train"
  shard synth_espeak.py espeak-train-2 "12000 13 train"
  shard synth_espeak.py espeak-accent-1 "9000 12 accent"
  shard synth_flite.py flite-test "240 41 test"
  shard synth_flite.py flite-dev "120 61 dev"
  shard synth_flite.py flite-train-1 "1200 51 train"
  for i in 2 3 4 5 6; do shard synth_flite.py flite-train-$i "2500 5$i train"; done
  shard synth_festival.py foreign-train-1 "6000 71"
}
train() {
  if [ -n "$START" ]; then
    run "$here/train.py" --data "$dir/data" --out "$dir/run.pt" --start "$START" --minutes "${MINUTES:-60}" --lr "${LR:-6e-4}" --flat 0
  else
    run "$here/train.py" --data "$dir/data" --out "$dir/run.pt" --minutes "${MINUTES:-150}" --lr "${LR:-1.5e-3}" --mel 1
  fi
}
export_() { run "$here/export.py" "$dir/run.best.pt" "$dir/wav2vec2-tiny"; }
measure() { run "$here/evaluate.py" --data "$dir/data" --json "$dir/figures.json" "$here/../../wav2vec2-tiny" "$dir/wav2vec2-tiny"; }

case $step in
  synth) synth ;;
  train) train ;;
  export) export_ ;;
  measure) measure ;;
  all) synth; train; export_; measure ;;
  *) sed -n 2,7p "$0"; exit 2 ;;
esac
