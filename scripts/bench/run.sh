#!/usr/bin/env bash
# The whole benchmark: ours and its peers on the same corpus, vocabulary and model. About an hour on two quiet cores.
# Usage: scripts/bench/run.sh --corpora FOLDER [--output FOLDER] [--work FOLDER] [--only PART] [-- FLAGS OF THE PART]
#   --corpora  holds multi30k/ with train.en, train.de, val.en, val.de, test2016.en, test2016.de (plain or .gz)
#   --output   a JSON file for each part (default: data/bench/results)
#   --work     environments of the peers, prepared text, the model that decoding uses (default: data/bench)
#   --only     environments | training | training-base | decoding | start | memory | preparation | curves; a part starts
#              anew, the others' results stay. Without it all but curves and training-base run, in this order.
# The peers are installed with pip; PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS may say where torch for this machine is found.
# Then: python scripts/bench/report.py RESULTS README.md
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
corpora='' work=data/bench output='' only=''
while [ $# -gt 0 ]; do
    case $1 in
        --corpora) corpora=$2; shift 2 ;;
        --output) output=$2; shift 2 ;;
        --work) work=$2; shift 2 ;;
        --only) only=$2; shift 2 ;;
        --) shift; break ;;
        -h | --help) sed -n '2,10p' "$0" | cut -c 3-; exit ;;
        *) echo "$1 is no flag: see --help" >&2; exit 2 ;;
    esac
done
[ -n "$corpora" ] || { echo "--corpora must name the folder that holds multi30k/" >&2; exit 2; }
output=${output:-$work/results}
export PYTHONPATH=$PWD
here=scripts/bench

part() {
    local name=$1; shift
    echo "== $name" >&2
    case $name in
        environments) "$python" $here/environments.py --work "$work" ;;
        training-base) "$python" $here/training.py --corpora "$corpora" --work "$work" --output "$output" --model base \
            --rounds 1 --allocators system --seconds 30 --warmup-updates 2 "$@" ;;
        training | decoding | start | memory | preparation | curves)
            "$python" "$here/$name.py" --corpora "$corpora" --work "$work" --output "$output" "$@" ;;
        *) echo "--only ($name) must be a part: see --help" >&2; exit 2 ;;
    esac
}

if [ -n "$only" ]; then
    part "$only" "$@"
else
    for name in environments training decoding start memory preparation; do part "$name"; done
fi
