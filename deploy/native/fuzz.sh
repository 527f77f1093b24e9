#!/usr/bin/env bash
# Looks for bytes that break a promise of what reads bytes of strangers: FUZZ_SECONDS (60) for each of tests/fuzz, or for
# the targets that are named. What reached new code is kept in tests/fuzz/corpus, what broke something in
# tests/fuzz/guided/artifacts. FUZZ_KEEP=no leaves the corpus as it is. Wants cargo-fuzz and a nightly toolchain.
source "$(dirname "$0")/settings.sh"

GUIDED=$REPO_DIR/tests/fuzz/guided
CORPUS=$REPO_DIR/tests/fuzz/corpus
SECONDS_EACH=${FUZZ_SECONDS:-60}
# sysexits.h: EX_UNAVAILABLE. Whoever runs several of these takes it for "not run".
STATUS_LACKING=69

missing() {
    say "not run: $1"
    say "fuzzing wants: rustup toolchain install nightly; cargo install cargo-fuzz"
    exit "$STATUS_LACKING"
}

command -v cargo-fuzz >/dev/null || missing "cargo-fuzz is not installed"
rustc +nightly --version >/dev/null 2>&1 || missing "there is no nightly toolchain"

targets=("$@")
if ((${#targets[@]} == 0)); then
    for folder in "$CORPUS"/*/; do targets+=("$(basename "$folder")"); done
fi

# What is fuzzed is Rust without `unsafe`, so nothing is looked for that only a sanitizer sees; and with one, C libraries would be
# compiled for it that librdkafka's configure then cannot link.
FUZZ=(cargo +nightly fuzz run --sanitizer none --fuzz-dir "$GUIDED")

GROWN=()
# shellcheck disable=SC2317 # called by the trap
remove_grown() { if ((${#GROWN[@]} > 0)); then rm -rf "${GROWN[@]}"; fi; }
trap remove_grown EXIT

cd "$REPO_DIR"
mkdir -p target
status=0
for target in "${targets[@]}"; do
    grown=$(mktemp -d "$REPO_DIR/target/fuzz-$target.XXXXXX")
    GROWN+=("$grown")
    # New inputs go to the first folder. Of those only the smallest set that reaches as much is kept.
    if "${FUZZ[@]}" "$target" "$grown" "$CORPUS/$target" -- \
        -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1; then
        [[ ${FUZZ_KEEP:-yes} == yes ]] || continue
        "${FUZZ[@]}" "$target" -- -merge=1 "$CORPUS/$target" "$grown"
        say "$target: $(find "$CORPUS/$target" -type f | wc -l) inputs kept"
    else
        status=1
    fi
done
exit "$status"
