#!/usr/bin/env bash
# The benchmark: ours and its peers on the same corpus, vocabulary and model. About 50 minutes on two quiet cores.
# Usage: scripts/bench/run.sh --corpora FOLDER [--output FOLDER] [--work FOLDER] [--only PART] [-- FLAGS OF THE PART]
#   --corpora  holds multi30k/ with train.en, train.de, val.en, val.de, test2016.en, test2016.de (plain or .gz)
#   --output   a JSON file for each part (default: results/ in --work)
#   --work     environments of the peers, prepared text, the model that decoding uses (default: data/bench)
#   --only     one of these parts, with its minutes; a finished one starts anew, one that was stopped goes on:
#                environments (once)   training 12   decoding 8 (and 10 once, for the model)   start 2 (after decoding)
#                memory 2   preparation 4   training-base 10   busy 9 (after decoding)   curves 10
#              Without it all of them run, in this order.
# The peers are installed with pip; PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS may say where torch for this machine is found.
# Then: python scripts/bench/report.py RESULTS docs/benchmarks.md
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
parts='environments training decoding start memory preparation training-base busy curves'
corpora='' work=data/bench output='' only=$parts
while [ $# -gt 0 ]; do
    case $1 in
        --corpora | --output | --work | --only)
            [ $# -gt 1 ] || { echo "$1 needs a value: see --help" >&2; exit 2; }
            declare "${1#--}=$2"
            shift 2 ;;
        --) shift; break ;;
        -h | --help) sed -n '2,/^set/p' scripts/bench/run.sh | sed '$d' | cut -c 3-; exit ;;
        *) echo "$1 is no flag: see --help" >&2; exit 2 ;;
    esac
done
[ -n "$corpora" ] || { echo "--corpora must name the folder that holds multi30k/" >&2; exit 2; }
output=${output:-$work/results}
export PYTHONPATH=$PWD
child=''
trap '[ -z "$child" ] || { kill "$child" && wait "$child"; }; exit 143' TERM INT

for name in $only; do
    flags=(--work "$work")
    [ "$name" = environments ] || flags+=(--output "$output")
    script=$name
    case $name in
        environments | start | preparation) ;;
        training | decoding | memory | busy | curves) flags+=(--corpora "$corpora") ;;
        training-base)
            script=training
            flags+=(--corpora "$corpora" --model base --rounds 1 --allocators system --seconds 30 --warmup-updates 2) ;;
        *) echo "--only ($name) must be one of: $parts" >&2; exit 2 ;;
    esac
    echo "== $name" >&2
    "$python" "scripts/bench/$script.py" "${flags[@]}" "$@" & # in the background, so that a signal need not wait for it
    child=$!
    wait "$child"
done
