#!/usr/bin/env bash
# The statistical aligner on the English-French Hansards: learns from the test sentences and the training text, and is
# measured on the links that people drew (Och and Ney 2003). About a minute on one core.
# Usage: scripts/hansards.sh FOLDER   with test-odd.fold.{en,fr}, test-odd.wa, train-hansards.fold.{en,fr}.gz
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
[ $# -eq 1 ] && [ -d "$1" ] || { echo "usage: scripts/hansards.sh FOLDER: see the top of this file" >&2; exit 2; }
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
for language in en fr; do
    { cat "$1/test-odd.fold.$language"; gzip -dc "$1/train-hansards.fold.$language.gz"; } > "$made/text.$language"
done
for how in soft-product grow-diag; do
    echo "$how"
    "$python" -m mt.align corpus --source "$made/text.en" --target "$made/text.fr" --symmetrize "$how" \
        --gold "$1/test-odd.wa" --output "$made/links" 2> "$made/log" || { cat "$made/log" >&2; exit 1; }
done
