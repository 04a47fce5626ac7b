//! Source that is broken on purpose, and what must find it out: a check proves little until it has
//! failed.

use std::{fs, path::PathBuf};

use crate::shell::{Failure, Root, Run};

/// One room broken by `--cfg rego_break="…"`, and the model that must fail.
pub(crate) struct Control {
    pub(crate) broken: &'static str,
    pub(crate) room: &'static str,
    pub(crate) model: &'static str,
}

const fn control(broken: &'static str, room: &'static str, model: &'static str) -> Control {
    Control { broken, room, model }
}

/// What is broken in one build together: nothing that another's model makes use of, so that each
/// model fails by what its own line names.
pub(crate) const BUILDS: &[&[Control]] = &[
    &[
        control("budget_check_then_act", "budget", "a_token_is_spent_once"),
        control("budget_check_then_act", "budget", "halves_in_two_cells_make_one"),
        control("budget_check_then_act", "budget", "a_cut_is_seen_with_what_paid_for_it"),
        control("budget_check_then_act", "budget", "a_place_is_taken_by_one_at_a_time"),
        control("budget_check_then_act", "budget", "a_bucket_grants_its_burst_once"),
        control(
            "budget_check_then_act",
            "budget",
            "a_throttle_counts_every_failure_and_every_success",
        ),
        control("cancel_relaxed", "cancel", "when_the_guard_is_gone_so_is_the_hook"),
        control("flight_ready_relaxed", "flight", "every_completion_is_driven_exactly_once"),
        control("latency_relaxed", "latency", "every_observation_is_in_one_delta"),
        control("slab_untagged", "slab", "a_slot_taken_and_put_back_in_between_is_not_mistaken"),
        control("registry_relaxed", "registry", "threads_that_race_for_a_key_get_one_value"),
        control("ring_relaxed", "ring", "what_is_kept_comes_out_once_and_in_order"),
    ],
    &[
        control("cancel_check_then_act", "cancel", "when_the_guard_is_gone_so_is_the_hook"),
        control("flight_let_go_unheeding", "flight", "every_completion_is_driven_exactly_once"),
        control("latency_elected_by_time", "latency", "every_observation_is_in_one_delta"),
        control(
            "latency_elected_by_time",
            "latency",
            "triggers_are_seen_whole_and_in_the_order_of_the_turns",
        ),
        control("registry_check_then_act", "registry", "threads_that_race_for_a_key_get_one_value"),
        control(
            "timer_intake_first",
            "timer",
            "no_deadline_is_missed_in_the_shard_that_is_drained",
        ),
    ],
    &[
        control("flight_claim_check_then_act", "flight", "a_second_finish_settles_nothing"),
        control("timer_unfenced", "timer", "no_deadline_is_missed_in_a_shard_that_is_not"),
        control("site_check_then_act", "site", "a_reason_has_one_place"),
    ],
    &[
        control("timer_cancel_check_then_act", "timer", "a_timer_is_fired_or_cancelled"),
        control("flight_late_relaxed", "manual", "one_of_two_results_is_the_calls"),
    ],
    &[
        control("timer_put_back_unheeding", "timer", "a_shard_is_cleared_while_its_driver_comes"),
        control("pool_unpark_first", "pool", "one_wins_and_what_the_other_made_is_dropped"),
        control("manual_mark_check_then_act", "manual", "an_old_id_marks_nothing"),
    ],
    &[
        control("pool_offer_check_then_act", "pool", "an_attempt_that_nobody_runs_is_its_callers"),
        control("manual_pins_check_then_act", "manual", "what_is_kept_is_there_while_it_is_read"),
    ],
    &[
        control("manual_rest_unheeding", "manual", "a_loop_that_rests_is_woken"),
        control("alarm_relaxed", "alarm", "a_time_that_is_set_rings_the_call"),
    ],
    &[
        control("alarm_check_then_act", "alarm", "nothing_is_left_of_an_alarm_that_is_taken_down"),
        control("manual_plain_check_then_act", "manual", "a_plain_attempt_is_finished_once"),
    ],
    &[control("pool_leave_unheeding", "pool", "a_busy_callers_call_is_taken_back")],
    &[control("flight_unseen_relaxed", "flight", "a_flight_is_seen_whole_or_not_at_all")],
    &[control("flight_arrive_unheeding", "flight", "whoever_arrives_drives_or_is_driven")],
];

/// Runs `command` with the workspace's own packages broken like this; the others are not built
/// anew. `folder` is where cargo builds.
pub(crate) fn with_breaks(
    root: &Root,
    command: Run,
    folder: &str,
    breaks: &[&str],
) -> Result<Run, Failure> {
    let wrapper = wrapper(root, folder, breaks)
        .map_err(|error| Failure::Failed(format!("cannot write into {folder}: {error}")))?;
    Ok(command.env("RUSTC_WORKSPACE_WRAPPER", &wrapper.to_string_lossy()))
}

/// A script that calls the compiler with the breaks. One for each set of them: cargo tells builds
/// apart by its name.
fn wrapper(root: &Root, folder: &str, breaks: &[&str]) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let folder = root.join(folder).join("broken");
    fs::create_dir_all(&folder)?;
    let path = std::path::absolute(folder.join(breaks.join(".")))?;
    let flags = breaks.iter().map(|name| format!(" --cfg 'rego_break=\"{name}\"'"));
    fs::write(&path, format!("#!/bin/sh\nexec \"$@\"{}\n", flags.collect::<String>()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every name in `rego_break = "…"` below this folder.
    fn breaks_below(folder: PathBuf, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                breaks_below(path, found);
            } else {
                let text = fs::read_to_string(path).expect("a source file");
                let names = text.split("rego_break = \"").skip(1);
                found.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }

    #[test]
    fn every_break_has_its_control_and_stands_in_the_readme() {
        let root = Root::find();
        let mut breaks = BTreeSet::new();
        breaks_below(root.join("core/src"), &mut breaks);
        let controls = BUILDS.iter().copied().flatten().map(|control| control.broken);
        let known: BTreeSet<String> =
            controls.chain([crate::sanitize::FREED]).map(str::to_owned).collect();
        assert_eq!(breaks, known);
        let readme = fs::read_to_string(root.join("loom-tests/README.md")).expect("it is there");
        for name in &breaks {
            assert!(readme.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn every_control_names_a_model_and_a_build_breaks_a_room_in_one_way() {
        let root = Root::find();
        for build in BUILDS {
            for Control { broken, room, model } in *build {
                let path = format!("loom-tests/tests/{room}.rs");
                let models = fs::read_to_string(root.join(&path)).expect("a file of models");
                assert!(models.contains(&format!("fn {model}()")), "{room}::{model}");
                let of_room = build.iter().filter(|other| other.room == *room);
                assert!(of_room.into_iter().all(|other| other.broken == *broken), "{room}");
            }
        }
    }
}
