#!/usr/bin/env bash
# What a model gains and forgets when it continues on other text: scripts/adapting.sh WORK CORPORA [OVERRIDE ...]
#
# WORK gets the runs, each ending with both models on both runs' tests:
#   tatoeba    German to English, everyday sentences (CORPORA/tatoeba-de-en)
#   news       continues it on 17,000 pairs of news (CORPORA/news-de-en, 2009 to 2014)
#   mixed      the same, with as much everyday text mixed in
#   french     continues tatoeba in another language pair, French to English, with a vocabulary of its own
#   fresh      French to English from random weights, for as many updates
# A run that is finished is not trained again. OVERRIDEs are for all of them. SEED is that of all (default: 1).
set -euo pipefail
cd "$(dirname "$0")/.."
WORK=${1:?a folder for the runs}
CORPORA=${2:?the folder of the corpora}
shift 2
PYTHON=${PYTHON:-.venv/bin/python}

news=$CORPORA/news-de-en
files() { # of the training sets of a language, as a list
    local names=()
    for name in newstest20{09,10,11,12,13} newstest2014-deen; do names+=("$news/$name.$1.gz"); done
    local IFS=,
    echo "[${names[*]}]"
}

# a model of half a million parameters that learns much in few updates
settings=(
    model.layer.dim=64 model.layer.feed_forward_dim=128 model.encoder.num_layers=2 model.decoder.num_layers=2
    model.layer.positions=rotary model.layer.norm=rms model.layer.activation=swiglu
    tokenizer=bpe tokenizer.vocab_size=4000 batches.max_tokens=2000
    schedule.peak=8e-3 schedule.warmup_steps=100 schedule.cooldown=0.6
    trainer.max_steps=2400 trainer.validate_every=2400 trainer.ema_decay=0.98 trainer.precision=float32
    trainer.seed="${SEED:-1}" validation.attention_lines=0
)
continued=(schedule.peak=2e-3 schedule.warmup_steps=50 trainer.max_steps=600 trainer.validate_every=600)

run() { # NAME OVERRIDE ...
    local name=$1
    shift
    [ -f "$WORK/$name/scores.json" ] || "$PYTHON" -m mt.train "folder=$WORK/$name" "data.prepared=$WORK/prepared/$name" \
        "${settings[@]}" "$@"
}
tatoeba() { # the files of a language pair
    local folder=$CORPORA/tatoeba-$1-en
    echo data=text data.target_language=en "data.source_language=$1" "data.folder=$folder"
    echo "data.train.source=$folder/train.$1.gz data.train.target=$folder/train.en.gz"
    echo "data.valid.source=$folder/dev.$1 data.valid.target=$folder/dev.en"
    echo "data.tests.test.source=$folder/test-odd.$1 data.tests.test.target=$folder/test-odd.en"
}
of_news=(
    data.source_language=de data.target_language=en "data.folder=$news"
    "data.valid.source=$news/news-test2008.de.gz" "data.valid.target=$news/news-test2008.en.gz"
    "data.tests.test.source=$news/newssyscomb2009.de" "data.tests.test.target=$news/newssyscomb2009.en"
    "start_from=$WORK/tatoeba"
)

# shellcheck disable=SC2046  # no name here has a blank
run tatoeba $(tatoeba de) "$@"
run news data=text "data.train.source=$(files de)" "data.train.target=$(files en)" \
    "${of_news[@]}" "${continued[@]}" "$@"
run mixed data=adapted "data.train.new.source=$(files de)" "data.train.new.target=$(files en)" \
    "data.train.old.source=$CORPORA/tatoeba-de-en/train.de.gz" "data.train.old.target=$CORPORA/tatoeba-de-en/train.en.gz" \
    batches.mixture.temperature=1e9 "${of_news[@]}" "${continued[@]}" "$@"
# shellcheck disable=SC2046
run french $(tatoeba fr) "start_from=$WORK/tatoeba" new_vocabulary=true "${continued[@]}" schedule.peak=4e-3 "$@"
# shellcheck disable=SC2046
run fresh $(tatoeba fr) "${continued[@]}" schedule.peak=8e-3 schedule.warmup_steps=100 "$@"
