#!/bin/sh
# Installs the server into an environment of its own: what the Containerfile runs, and what you run where there is no
# container engine. Needs Python 3.10 or newer with venv, and a network.
#
#   sh scripts/deploy/build.sh cpu /opt/mt        # torch without CUDA
#   sh scripts/deploy/build.sh cuda /opt/mt       # torch as PyPI has it, with CUDA
#   /opt/mt/bin/mt-serve --checkpoint /models/en-de --host 0.0.0.0
#
# PIP_ARGS: more flags for pip, such as where to find packages. TORCH_INDEX: where torch for the CPU is found.
set -eu

usage="build.sh KIND FOLDER: KIND must be cpu or cuda, FOLDER where the environment is made"
kind=${1:?$usage} folder=${2:?$usage}
source=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}

case $kind in
cpu) torch_index="--index-url ${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" ;;
cuda) torch_index="" ;;
*) echo "$usage" >&2; exit 2 ;;
esac

"$python" -m venv "$folder"
pip="$folder/bin/python -m pip --disable-pip-version-check install --quiet --no-cache-dir"
torch=$(grep -o '^torch==[^ ;]*' "$source/requirements.lock")
# shellcheck disable=SC2086  # flags, each a word
$pip ${PIP_ARGS:-} $torch_index "$torch"
# the versions of the lock hold, but only what the server needs is installed
grep -v '^torch==' "$source/requirements.lock" > "$folder/constraints.txt"
# shellcheck disable=SC2086
$pip ${PIP_ARGS:-} --constraint "$folder/constraints.txt" "$source[serve]"
"$folder/bin/mt-serve" --help > "$folder/help.txt"
echo "installed in $folder: $folder/bin/mt-serve --checkpoint FOLDER"
