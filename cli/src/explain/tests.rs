use serde_json::Value;

use super::*;

/// A call of three attempts: one fails, one is overtaken, a hedge answers.
const RECORD: &str = r#"{
    "key": "svc.Get", "policy": { "id": "p", "version": "7", "source": "file" },
    "verdict": "success", "answer": 2, "started": 1000000, "first_started": 1500000,
    "ended": 40000000, "attributes": { "mode": "active" }, "notes_dropped": 0,
    "attempts": [
        { "attempt": 0, "kind": "first", "queued": 1000000, "started": 1500000, "ended": 6000000,
          "outcome": "retryable", "reason": "http_503", "facts": "http_503" },
        { "attempt": 1, "kind": "retry", "queued": 16000000, "started": 16000000,
          "ended": 40000000, "cancelled": "lost_race", "backoff": 10000000,
          "budget": { "cost": 1, "decision": "allowed" } },
        { "attempt": 2, "kind": "hedge", "queued": 30000000, "started": 30000000,
          "ended": 40000000, "outcome": "success", "reason": "success" }
    ],
    "remarks": [
        { "at": 26000000, "what": "denied", "kind": "hedge", "cost": 1, "decision": "empty" },
        { "at": 27000000, "what": "of_a_newer_version", "more": [1] }
    ],
    "a_field_of_a_newer_version": {}
}"#;

fn records(text: &str) -> Vec<TimelineRecord> {
    TimelineRecord::all_from_json(text).expect("good timelines")
}

#[test]
fn a_waterfall_tells_every_attempt_and_remark() {
    let text = waterfalls(&records(RECORD));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "svc.Get  success  39.0 ms  policy p 7");
    assert!(lines[1].starts_with("  #0  first ▒") && lines[1].ends_with("http_503"), "{text}");
    assert!(lines[2].ends_with("cancelled: lost_race, after a backoff of 10.0 ms"), "{text}");
    assert!(lines[3].contains('█') && lines[3].ends_with("success"), "{text}");
    assert_eq!(lines[4], "   25.0 ms  hedge budget empty (cost 1)");
    assert_eq!(lines[5], "  mode = active");
    assert_eq!(lines.len(), 6);
}

#[test]
fn one_a_line_or_in_a_list_is_the_same() {
    let line = RECORD.replace('\n', " ");
    let once = waterfalls(&records(&line));
    let twice = format!("{once}\n{once}");
    assert_eq!(waterfalls(&records(&format!("{line}\n{line}\n"))), twice);
    assert_eq!(waterfalls(&records(&format!("[{line},\n{RECORD}]"))), twice);
}

#[test]
fn a_text_from_elsewhere_does_not_steer_the_terminal() {
    let text = waterfalls(&records(&RECORD.replace("svc.Get", "svc\\u001b[2J.Get\\u0007")));
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
}

#[test]
fn what_is_no_timeline_is_told_with_its_place() {
    for (text, told) in [
        ("", "there is no timeline"),
        ("[]", "there is no timeline"),
        ("{", "line 1, column 1: EOF while parsing"),
        ("7", "line 1, column 1: invalid type"),
        ("{\"key\":\"a\",\n\"policy\":{},\"verdict\":3}", "line 2, column 23: invalid type"),
        (&RECORD.replace("40000000", "1"), "the call ends before it starts"),
        (&RECORD.replace("6000000,", "5,"), "attempt 0 ends before it starts"),
        (&format!("{RECORD}\n{RECORD} x"), &format!("line {}", 2 * RECORD.lines().count())),
    ] {
        let error = TimelineRecord::all_from_json(text).expect_err(text).to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn a_trace_has_every_attempt_on_a_line_of_its_own() {
    let trace: Value =
        serde_json::from_str(&chrome::json(&records(&format!("[{RECORD},{RECORD}]"))))
            .expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list");
    let of = |phase: &'static str| events.iter().filter(move |event| event["ph"] == phase);
    for event in events {
        assert!(event["name"].is_string() && event["pid"].is_u64() && event["tid"].is_u64());
        let is_timed = event["ph"] != "M";
        assert_eq!(event["ts"].is_f64(), is_timed, "{event}");
        assert_eq!(event["dur"].is_f64(), event["ph"] == "X", "{event}");
    }
    // The call, its queue and three attempts, of each of the two.
    assert_eq!(of("X").count(), 2 * 5);
    assert_eq!(of("i").count(), 2);
    let hedge = of("X").find(|event| event["name"] == "#2 hedge").expect("it is there");
    assert_eq!((hedge["ts"].as_f64(), hedge["dur"].as_f64()), (Some(29_000.0), Some(10_000.0)));
    assert_eq!(hedge["args"]["answer"], true);
    let mut lines: Vec<_> = of("X").filter(|event| event["cat"] == "attempt").collect();
    lines.dedup_by_key(|event| (event["pid"].clone(), event["tid"].clone()));
    assert_eq!(lines.len(), 6);
}
