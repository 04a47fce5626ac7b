#!/bin/sh
# The negative controls: each breaks one room on purpose, and its models must find out.
# Run from the root of the workspace. Only the workspace's own crates are built anew each time.
set -eu

export RUSTFLAGS="--cfg rego_loom"
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-2}"
export RUST_BACKTRACE=0
wrappers=target/loom/controls
mkdir -p "$wrappers"

control() {
    room=$1 break=$2 model=$3
    printf '#!/bin/sh\nexec "$@" --cfg '\''rego_break="%s"'\''\n' "$break" >"$wrappers/$break"
    chmod +x "$wrappers/$break"
    RUSTC_WORKSPACE_WRAPPER="$PWD/$wrappers/$break"
    export RUSTC_WORKSPACE_WRAPPER
    cargo test -q -p loom-tests --profile loom --target-dir target/loom --test "$room" --no-run
    if cargo test -q -p loom-tests --profile loom --target-dir target/loom --test "$room" -- --exact "$model" \
        >"$wrappers/$break.log" 2>&1; then
        echo "$break: NOT FOUND by $room::$model"
        failed=1
    else
        echo "$break: found by $room::$model"
    fi
}

failed=0
control budget budget_check_then_act a_token_is_spent_once
control budget budget_check_then_act halves_in_two_cells_make_one
control budget budget_check_then_act a_cut_is_seen_with_what_paid_for_it
control budget budget_check_then_act a_place_is_taken_by_one_at_a_time
control cancel cancel_relaxed when_the_guard_is_gone_so_is_the_hook
control cancel cancel_check_then_act when_the_guard_is_gone_so_is_the_hook
control flight flight_ready_relaxed every_completion_is_driven_exactly_once
control flight flight_let_go_unheeding every_completion_is_driven_exactly_once
control flight flight_claim_check_then_act a_second_finish_settles_nothing
control latency latency_relaxed every_observation_is_in_one_delta
control latency latency_elected_by_time every_observation_is_in_one_delta
control latency latency_elected_by_time triggers_are_seen_whole_and_in_the_order_of_the_turns
control slab slab_untagged a_slot_taken_and_put_back_in_between_is_not_mistaken
control registry registry_relaxed threads_that_race_for_a_key_get_one_value
control registry registry_check_then_act threads_that_race_for_a_key_get_one_value
control ring ring_relaxed what_is_kept_comes_out_once_and_in_order
control timer timer_intake_first no_deadline_is_missed_in_the_shard_that_is_drained
control timer timer_unfenced no_deadline_is_missed_in_a_shard_that_is_not
control timer timer_cancel_check_then_act a_timer_is_fired_or_cancelled
exit $failed
