#!/usr/bin/env bash
# Word alignments read from the attention of two translation models, one of each direction, measured on links that people
# drew; beside them a head taught on each model by the links of both (Shift-AET), and one taught by the statistical aligner.
# The test sentences are among the training text, as is usual for this task. Both models train at once, a thread each.
# Usage: scripts/attention_links.sh PAIR CORPORA WORK [BUDGET of each, 50m] [overrides of mt.train: guidance.links=learned]
#   en-fr  Hansards: CORPORA/align-en-fr; where to read is chosen on the 37 trial sentences
#   de-en  Tatoeba and news: CORPORA/{align,tatoeba,news}-de-en; where to read is chosen by links of the statistical aligner
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
if [ $# -lt 3 ] || [ ! -d "$2" ]; then
    echo "usage: scripts/attention_links.sh en-fr|de-en CORPORA WORK [BUDGET] [overrides]: see its top" >&2
    exit 2
fi
pair=$1 corpora=$2 work=$3 budget=${4:-50m}
shift $(($# < 4 ? $# : 4))
one=${pair%-*} other=${pair#*-}
mkdir -p "$work"

turned() { sed -E 's/([0-9]+)([-?])([0-9]+)/\3\2\1/g' "$1"; } # links of the other direction
tokenised() { sed -E 's|([][,.;:!?"()„“”«»%/])| \1 |g' | sed -E 's/ +/ /g; s/^ | $//g' | tr '[:upper:]' '[:lower:]' | sed 'y/ÄÖÜ/äöü/'; }

case $pair in
    en-fr)
        gold=$corpora/align-en-fr
        for language in en fr; do
            cp "$gold/test-odd.fold.$language" "$work/test.$language"
            cp "$gold/trial.fold.$language" "$work/valid.$language"
            { cat "$work/test.$language"; gzip -dc "$gold/train-hansards.fold.$language.gz"; } > "$work/train.$language"
        done
        cp "$gold/trial.wa" "$work/valid.align"
        ;;
    de-en)
        gold=$corpora/align-de-en
        for language in de en; do
            cp "$gold/test-odd.$language" "$work/test.$language"
            tokenised < "$corpora/tatoeba-de-en/dev.$language" > "$work/valid.$language"
            {
                cat "$work/test.$language"
                gzip -dc "$corpora/tatoeba-de-en/train.$language.gz" | tokenised
                for file in "$corpora"/news-de-en/*."$language"*; do gzip -dcf "$file" | tokenised; done
            } > "$work/train.$language"
        done
        rm -f "$work/valid.align"
        ;;
    *) echo "PAIR ($pair) must be en-fr or de-en" >&2; exit 2 ;;
esac
cp "$gold/test-odd.wa" "$work/test.$pair.align"
turned "$work/test.$pair.align" > "$work/test.$other-$one.align"
if [ -f "$work/valid.align" ]; then
    cp "$work/valid.align" "$work/valid.$pair.align"
    turned "$work/valid.align" > "$work/valid.$other-$one.align"
fi
for language in "$one" "$other"; do head -n 40000 "$work/train.$language" > "$work/sample.$language"; done

train() { # SOURCE TARGET OVERRIDES...
    local source=$1 target=$2
    shift 2
    local links=()
    [ ! -f "$work/valid.align" ] || links=(+data.valid.links="$work/valid.$source-$target.align")
    OMP_NUM_THREADS=1 "$python" -m mt.train name="links-$source-$target" data=text data.folder="$work" \
        data.source_language="$source" data.target_language="$target" data.prepared="$work/prepared-$source-$target" \
        "${links[@]}" '~data.tests.test' tokenizer=bpe tokenizer.vocab_size=8000 \
        model=small model.encoder.num_layers=2 model.decoder.num_layers=2 batches.max_tokens=4096 \
        schedule.peak=2e-3 schedule.warmup_steps=400 schedule.cooldown=0.5 trainer.ema_decay=0.998 \
        trainer.max_steps=null trainer.time_budget="$budget" trainer.validate_every=1000 \
        folder="$work/$source-$target" "$@" > "$work/$source-$target.log" 2>&1
}
train "$one" "$other" "$@" & first=$!
train "$other" "$one" "$@" & second=$!
wait $first && wait $second || { tail -n 3 "$work"/*.log >&2; exit 1; }

measure() { # NAME OF THE MODELS, FLAGS...: error on the test of one direction, the other, and both
    local models=$1
    shift
    for direction in "$one $other" "$other $one"; do
        read -r source target <<< "$direction"
        echo "$models $source-$target:"
        "$python" -m mt.align --checkpoint "$work/$source-$target$models" --source "$work/test.$source" \
            --target "$work/test.$target" --gold "$work/test.$source-$target.align" --formats pharaoh \
            --output "$work/links" 2> /dev/null
    done
    for how in grow-diag "soft-product --method threshold --threshold 0.3"; do
        echo "$models both, $how:"
        # shellcheck disable=SC2086
        "$python" -m mt.align --checkpoint "$work/$pair$models" --reverse "$work/$other-$one$models" --symmetrize $how \
            --source "$work/test.$one" --target "$work/test.$other" --gold "$work/test.$pair.align" --formats pharaoh \
            --output "$work/links" 2> /dev/null
    done
}
measure ""
"$python" -m mt.align --checkpoint "$work/$pair" --reverse "$work/$other-$one" --symmetrize grow-diag --precision bfloat16 \
    --source "$work/sample.$one" --target "$work/sample.$other" --formats pharaoh --output "$work/own" 2> /dev/null
cp "$work/own/links.pharaoh" "$work/own.$pair"
echo "statistical aligner:"
"$python" -m mt.align corpus --source "$work/train.$one" --target "$work/train.$other" \
    --gold "$work/test.$pair.align" --output "$work/all" 2> /dev/null
head -n 40000 "$work/all" > "$work/statistical.$pair"
for teacher in own statistical; do
    turned "$work/$teacher.$pair" > "$work/$teacher.$other-$one"
    for direction in "$one $other" "$other $one"; do
        read -r source target <<< "$direction"
        rm -rf "$work/$source-$target.$teacher"
        "$python" -m mt.align head --checkpoint "$work/$source-$target" --source "$work/sample.$source" \
            --target "$work/sample.$target" --links "$work/$teacher.$source-$target" \
            --output "$work/$source-$target.$teacher" 2>> "$work/$source-$target.log"
    done
    measure ".$teacher"
done
