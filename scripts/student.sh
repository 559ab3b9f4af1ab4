#!/usr/bin/env bash
# A student of one or several teachers on Multi30k: scripts/student.sh [FOLDER] [OVERRIDE ...]
# FOLDER is its corpus (default: as data=multi30k has it); OVERRIDEs are for all trainings, such as trainer.max_epochs=2.
# Teachers, their translations, the student, its healing (training on with passes that see int8 weights), int8 weights, a
# shortlist, and the map of what each costs. SEEDS="1 2 3" names the teachers' seeds; TEACHER are settings of their
# trainings alone, such as TEACHER="trainer.max_epochs=8". Each step is skipped where its result is there, so that the
# same command goes on after a stop.
set -euo pipefail

CORPUS=${1:-${MT_CORPORA:-data/corpora}/multi30k}
shift $(($# > 0))
SEEDS=${SEEDS:-1 2 3}
read -ra TEACHER <<< "${TEACHER:-}"
PYTHON=${PYTHON:-python}
at=checkpoints/teacher
made=outputs/student/distilled.jsonl
mkdir -p outputs/student
teachers=()
for seed in $SEEDS; do
    teachers+=("$at/seed$seed")
    $PYTHON -m mt.train experiment=multi30k data.folder="$CORPUS" trainer.seed="$seed" name="teacher/seed$seed" "$@" \
        ${TEACHER[@]+"${TEACHER[@]}"}
done
[ -f "$made" ] || $PYTHON -m mt.distill data --teacher "${teachers[@]}" --source "$CORPUS/train.en" \
    --output "$made"
student=(experiment=student data.folder="$CORPUS" data.train.made.path="$made")
$PYTHON -m mt.train "${student[@]}" "$@"
$PYTHON -m mt.train "${student[@]}" name=student_healed start_from=checkpoints/student objective=rounded \
    trainer.max_epochs=4 schedule.peak=1.0e-3 schedule.warmup_steps=100 "$@"
[ -d outputs/student-int8 ] || $PYTHON -m mt.quantize --checkpoint checkpoints/student_healed \
    --output outputs/student-int8 --source "$CORPUS/test2016.en" --target "$CORPUS/test2016.de"
[ -f outputs/student-int8/shortlist.safetensors ] || $PYTHON -m mt.shortlist --checkpoint outputs/student-int8 \
    --source "$CORPUS/train.en" --target "$CORPUS/train.de"
$PYTHON -m mt.compare_models "${teachers[0]}" checkpoints/student checkpoints/student_healed outputs/student-int8 \
    outputs/student-int8@shortlist --source "$CORPUS/test2016.en" --target "$CORPUS/test2016.de" \
    --output outputs/student/map
