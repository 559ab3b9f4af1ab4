#!/usr/bin/env bash
# Multi30k, English to German: train, score test2016, translate, and draw the heatmaps of five sentences.
# Usage: scripts/multi30k.sh [folder with train.en, train.de, val.*, test2016.*]   (default: data.folder of configs/data/multi30k.yaml)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
folder=${1:+data.folder=$1}

"$python" -m mt.train experiment=multi30k ${folder:+"$folder"}
"$python" -m mt.evaluate --checkpoint checkpoints/multi30k --source data/multi30k/test.en --reference data/multi30k/test.de
head -n 5 data/multi30k/test.en | "$python" -m mt.translate --checkpoint checkpoints/multi30k
head -n 5 data/multi30k/test.en | "$python" -m mt.align --checkpoint checkpoints/multi30k --source - --output outputs/multi30k/heatmaps
echo "numbers: checkpoints/multi30k/scores.json, curve: checkpoints/multi30k/curve.png, heatmaps: outputs/multi30k/heatmaps"
