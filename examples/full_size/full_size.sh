#!/usr/bin/env bash
# From a language model and a project with Mathlib to a prover that has learnt. docs/full-size.md explains each stage.
#
#   full_size.sh --dry-run    print every command and check the settings; starts nothing, needs neither GPU nor Mathlib
#   full_size.sh STAGE …      do these: theorems, servers, smoke, iterate, benchmark, finetune
#
# MODEL is the model's folder, PROJECT the built Lake project, WORK where everything goes, BENCHMARK a theorem file.
# POLICY_URL and ENCODER_URL are servers that run elsewhere: an address, several with commas, or file:FILE.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
MODEL=${MODEL:-models/prover-7b} PROJECT=${PROJECT:-project} WORK=${WORK:-runs/full-size} BENCHMARK=${BENCHMARK:-minif2f.jsonl}
TRAIN_THEOREMS=${TRAIN_THEOREMS:-10000} WORKERS=${WORKERS:-16}
policy=${POLICY_URL:-http://127.0.0.1:30000} encoder=${ENCODER_URL:-http://127.0.0.1:30001}
asked=(--server-url "$policy" --encode-url "$encoder")
checking=false

run() {
  printf '+ %s\n' "$*" >&2
  $checking || "$@"
}

checked() { # commands that can check their settings do so
  if $checking; then printf '+ %s\n' "$*" >&2 && "$@" --dry-run > /dev/null; else run "$@"; fi
}

go() { # go RUN CONDITION: stop unless the run's figures fulfil the condition
  run leanebm summary "$1"
  $checking || leanebm summary "$1" --json | python -c "
import json, sys
s = json.load(sys.stdin)
sys.exit(0 if ($2) else 'no-go: $1 does not fulfil: $2')"
}

theorems() {  # what was extracted is there as a whole, and is kept
  run leanebm doctor --project "$PROJECT"
  [ -e "$WORK/mathlib.parquet" ] ||
    run leanebm extract-library --lean native --project "$PROJECT" --module Mathlib --output "$WORK/mathlib.parquet"
  for split in train val test; do
    run rm -f "$WORK/$split.jsonl"
    run leanebm check-theorems "$WORK/mathlib.parquet" --split $split --max-theorems "$TRAIN_THEOREMS" \
      "${lean[@]}" --output "$WORK/$split.jsonl"
  done
}

servers() {
  run python -m sglang.launch_server --model-path "$MODEL" --port 30000 --mem-fraction-static 0.6 &
  run leanebm serve --backend hf --model "$MODEL" --port 30001 --dtype bfloat16 --max-sequences 8 --max-cache-tokens 16384 &
  wait
}

smoke() {
  checked leanebm search --theorems "$WORK/train.jsonl" --sample 50 --budget 32 "${lean[@]}" "${asked[@]}" --output "$WORK/smoke"
  go "$WORK/smoke" "s['infrastructure'] == 0 and s['proved'] >= 5"
}

iterate() {
  run cp "$here/iterate.toml" "$WORK/iterate.toml"
  run ln -sfn "$(realpath "$PROJECT")" "$WORK/project"
  (cd "$WORK" && checked leanebm iterate iterate.toml --output iterated --resume)
}

arms() { # the policy alone, and what guides searches after the last round
  $checking && printf '%s\n' --arm plain= && return
  python - "$WORK/iterated" << 'END'
import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
stages = json.loads((folder / "manifest.json").read_text())["stages"]
alone = next(stage["result"] for stage in stages if stage["stage"] == "baseline/tuning")
guide = [stage["result"]["guide"] for stage in stages if stage["stage"].endswith("/evaluation")][-1]
print("--arm", f"plain=--scorer length_normalised:alpha={alone['alpha']}", sep="\n")
if guide["head"] is not None:
    head = f"--ebm-path {folder / guide['head']} --beta {guide['beta']}"
    print("--arm", f"head={head} --scorer length_normalised:alpha={guide['alpha']}", sep="\n")
END
}

benchmark() {
  mapfile -t arm < <(arms)
  run leanebm eval --theorems "$BENCHMARK" --budget 200 --headroom 4 "${lean[@]}" "${asked[@]}" --output "$WORK/benchmark" "${arm[@]}"
}

finetune() { # a new policy: everything after it begins anew, as a head belongs to its model
  run leanebm finetune "$WORK/iterated/rounds/0/search/frozen" --model "$MODEL" --output "$WORK/adapter" --merge "$WORK/model-1"
}

if [ $# -eq 0 ]; then sed -n '2,7s/^# \{0,1\}//p' "$0" && exit 2; fi
if [ "$1" = --dry-run ]; then
  checking=true WORK=$(mktemp -d) PROJECT=$WORK
  trap 'rm -rf "$WORK"' EXIT
  cp "$here/iterate.toml" "$WORK" && ln -s "$WORK" "$WORK/project"
  for split in train val test; do echo "{\"name\": \"$split\", \"statement\": \"∀ n : Nat, n < n + ${#split}\"}" > "$WORK/$split.jsonl"; done
  set -- theorems servers smoke iterate benchmark finetune
else
  mkdir -p "$WORK"
fi
lean=(--lean native --project "$PROJECT" --imports Mathlib --num-workers "$WORKERS")
for stage in "$@"; do
  case $stage in
    theorems | servers | smoke | iterate | benchmark | finetune) "$stage" ;;
    *) echo "there is no stage $stage" >&2 && exit 2 ;;
  esac
done
