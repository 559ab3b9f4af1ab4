#!/usr/bin/env bash
# Pictures of your own with captions in two languages, and how well texts find them: scripts/own_pictures.sh CORPUS WORK [OVERRIDE ...]
#
# CORPUS has train, dev and test-odd, each as NAME.images.tar (PNG files) and NAME.tsv with the columns image, en and de. WORK
# gets the files of a pair a line, the prepared corpus and the run. The model is that of experiment=finding without what
# only drawn scenes have (boxes, a curriculum), and training pictures are moved and zoomed; `mt.retrieve evaluate` prints
# what is found among the pictures of dev, by which to choose, and of test-odd. OVERRIDEs are of mt.train.
set -euo pipefail
cd "$(dirname "$0")/.."
CORPUS=${1:?the folder of the corpus}
mkdir -p "${2:?a folder for the run}"
WORK=$(cd "$2" && pwd)
shift 2
PYTHON=${PYTHON:-.venv/bin/python}

for name in train dev test-odd; do
    [ -f "$WORK/$name.names" ] && continue
    mkdir -p "$WORK/pictures"
    tar xf "$CORPUS/$name.images.tar" -C "$WORK/pictures"
    for column in 2:en 3:de; do tail -n +2 "$CORPUS/$name.tsv" | cut -f "${column%:*}" >"$WORK/$name.${column#*:}"; done
    sed 's/.*//' "$WORK/$name.en" >"$WORK/$name.nothing" # a caption is the translation of nothing
    tail -n +2 "$CORPUS/$name.tsv" | cut -f 1 | sed "s|^|$WORK/pictures/|" >"$WORK/$name.names"
done
sources=()
of() { # the corpus of a language of a set, as an override
    local files="source: '$WORK/$2.nothing', target: '$WORK/$2.$3', image: '$WORK/$2.names'"
    sources+=("~data.$1.corpus" "+data.$1.corpus={_target_: mt.data.formats.text_files.TextFiles, $files}")
}
for language in english:en german:de; do
    of "train.${language%:*}" train "${language#*:}"
    of "valid.${language%:*}" dev "${language#*:}"
    of "tests.test.${language%:*}" test-odd "${language#*:}"
done
"$PYTHON" -m mt.train experiment=finding folder="$WORK/run" data.name=own_pictures data.prepared="$WORK/prepared" \
    "${sources[@]}" '~data.tests.test_compositional' guidance.links=null batches.mixture.lengths=null \
    model.layer.dropout=0.1 batches.views.shift=0.1 batches.views.zoom=0.15 schedule.warmup_steps=30 \
    trainer.max_steps=600 trainer.validate_every=600 "$@"
for name in dev test-odd; do
    for language in en de; do
        "$PYTHON" -m mt.retrieve evaluate --checkpoint "$WORK/run" --images "$WORK/$name.names" \
            --reference "$WORK/$name.$language" --language "$language"
    done
done
