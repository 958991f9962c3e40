#!/bin/sh
# Writes the folders under services/wav2vec2/testdata: every head, both norms, with and without a mask, in every precision.
set -eu
cd "$(dirname "$0")"
to=../../services/wav2vec2/testdata/heads
clip=../wav2vec2-tiny/clips/clip09.wav
make() {
  name=$1; shift
  python3=${PYTHON:-/usr/bin/python3}
  "$python3" wav2vec2_random.py --hidden 16 --layers 2 --heads 2 --ffn 32 --conv 8 --pos-kernel 8 --pos-groups 2 --proj 8 \
    --golden "$clip" "$@" "$to/$name" >/dev/null
  rm -f "$to/$name/tokenizer.json" "$to/$name/special_tokens_map.json"
}
rm -rf "$to"
make ctc-layer-mask --head ctc --norm layer --mask
make ctc-group-fp16 --head ctc --dtype fp16 --layout js
make ctc-layer-halves --head ctc --norm layer --mask --dtype fp16io
make ctc-group-int8 --head ctc --dtype int8 --layout js
make features-group --head features
make features-layer-mask-fp16 --head features --norm layer --mask --dtype fp16
make sequence-group --head sequence
make sequence-layer-mask-int8 --head sequence --norm layer --mask --dtype int8
make sequence-multi --head sequence --multi-label
make frames-group-mask --head frames --mask
make frames-layer --head frames --norm layer
