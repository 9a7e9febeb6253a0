#!/usr/bin/env bash
# The whole chain on rendered birds, without any download: render, convert, train a text encoder and the GAN at 64x64,
# sample, measure.
# `make demo` calls it in the project's environment. A second run continues where the first stopped.
#   PYTHON  the interpreter (default python)
#   DATA, RUN, ENCODER  where data and runs go (default demo_data, runs/demo, runs/damsm_demo)
#   MINUTES how long to train the GAN at most (default 16; the text encoder takes up to 4)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python} data=${DATA:-demo_data} run=${RUN:-runs/demo} encoder=${ENCODER:-runs/damsm_demo}
minutes=${MINUTES:-16}

# bfloat16 is twice as fast on a processor that has it, and many times slower on one that has not.
precision=float32
if grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo 2>/dev/null; then precision=mixed_bfloat16; fi

last() { printf '%s' "${!#}"; }  # of a pattern's files, whatever their names
say() { printf '\n== %s\n' "$*"; }

say "1/6 rendering birds in CUB's layout: $data/birds"
if [ -e "$data/birds/rendered.json" ]; then echo "already there"; else
  "$python" -m ffgan_tf.make_demo_dataset --out="$data/birds" --train_classes=500; fi

say "2/6 converting them to TFRecords: $data/records"
if [ -e "$data/records/manifest.json" ]; then echo "already there"; else
  "$python" -m ffgan_tf.convert_cub --cub="$data/birds" --out="$data/records" --image_size=64; fi
"$python" -m ffgan_tf.verify_records --data="$data/records"

say "3/6 training a text encoder on them for at most 4 minutes: $encoder"
if [ -e "$encoder/text_encoder/encoder.json" ]; then echo "already there"; else
  "$python" -m ffgan_tf.train_damsm --flagfile=experiments/damsm_demo.cfg --run="$encoder" --data="$data/records" \
    --max_minutes=4; fi

say "4/6 training the GAN at 64x64 for at most $minutes minutes ($precision): $run"
if [ -e "$run/config.json" ]; then
  "$python" -m ffgan_tf.train --run="$run" --max_minutes="$minutes"
else
  "$python" -m ffgan_tf.train --flagfile=experiments/demo.cfg --run="$run" --data="$data/records" \
    --text_encoder="$encoder/text_encoder" --image_encoder="$encoder/image_encoder" --precision="$precision" \
    --max_minutes="$minutes"
fi

say "5/6 images of sentences: $run/samples/own"
"$python" -m ffgan_tf.sample --run="$run" --count=4 \
  --text="this bird has a yellow belly, black wings and a short pointed bill" \
  --text="a bird with a red body, white wings and a long tail" \
  --text="a small blue bird with a yellow crown" \
  --text="this bird has a white breast, brown wings and a curved bill"

say "6/6 do the colours agree with the sentences?"
"$python" -m ffgan_tf.colour_agreement --run="$run" --labels="$data/birds/colours.csv"

say "done"
if [ -f ffgan_tf/pretrained/birds-demo.safetensors ]; then
  echo "birds take longer: the same recipe after two hours is the model birds-demo, which comes with the package:"
  echo "  $python -m ffgan_tf.sample --run=birds-demo --text=\"a small blue bird with a yellow crown\""
fi
echo "images of test sentences    $(last "$run"/samples/step-*.png)"
echo "images of the sentences     $run/samples/own/grid.png"
echo "figures                     $run/metrics.jsonl"
echo "where the words look        $(last "$encoder"/samples/*.png)"
echo "TensorBoard                 tensorboard --logdir=$(dirname -- "$run")"
