#!/bin/sh
# Measures the shipped models on clips made for the occasion: fresh.sh BINARY [DIR [SEED]]
#   BINARY  bin/grym-synth
#   DIR     a scratch folder, about 500 MB
#   SEED    of the clips; by default the day's date, so that no two days hear the same
# All three answer through the server. Prints figures and judges nothing: what is expected stands in each model's
# FIGURES.md. Needs what training needs.
set -e
train=$(cd "$(dirname "$0")" && pwd)
binary=$1
dir=${2:-$(mktemp -d)}
seed=${3:-$(date +%Y%m%d)}
[ -x "$binary" ] || { sed -n 2,7p "$0"; exit 2; }
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
here=$train/gama # environment.sh looks for the shared modules beside the folder of a model
. "$train/environment.sh"
here=$train
shipped=$train/..
mkdir -p "$dir/gama" "$dir/audioldm" "$dir/wav2vec2/data"

echo "== gama-tiny, seed $seed"
run "$here/gama/clips.py" "$dir/gama/test" 150 "$seed" test
run "$here/gama/clips.py" "$dir/gama/strangers" 50 "$((seed + 1))" strangers
run "$here/gama/evaluate.py" --data "$dir/gama" --server "$binary" "$shipped/gama-tiny"

echo "== audioldm-tiny"
run "$here/audioldm/data.py" "$dir/audioldm/test.pt" 10 "$seed"
run "$here/audioldm/data.py" "$dir/audioldm/train.pt" 100 "$((seed + 1))"
run "$here/audioldm/judge.py" --data "$dir/audioldm/train.pt" --test "$dir/audioldm/test.pt" --minutes 1.5 --out "$dir/audioldm/judge.pt"
run "$here/audioldm/evaluate.py" --data "$dir/audioldm" --server "$binary" "$shipped/audioldm-tiny"

echo "== wav2vec2-tiny"
run "$here/wav2vec2/synth_espeak.py" "$dir/wav2vec2/data/espeak-test" 120 "$seed" test
run "$here/wav2vec2/synth_flite.py" "$dir/wav2vec2/data/flite-test" 60 "$seed" test
run "$here/wav2vec2/evaluate.py" --data "$dir/wav2vec2/data" --server "$binary" "$shipped/wav2vec2-tiny"
