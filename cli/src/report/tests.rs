use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    },
};

use super::*;
use crate::lanes::PolicyAccount;

/// Two plain lanes and one with a policy, a thousand calls each over ten seconds.
fn report(scenario: Scenario) -> Report {
    let policy = PolicyAccount {
        hedges: 40,
        hedges_won: 9,
        denied: 3,
        bound: Some(60),
        waterfall: Some("a0 |====<>&| lost\na1   |==| won\n".into()),
        timeline: Some("{}".into()),
    };
    let window = Some((Duration::from_secs(3), Duration::from_secs(6)));
    Report {
        subject: Subject::Embedded { scenario, window },
        seed: 7,
        rate: 100,
        warm_up: Duration::from_millis(1_500),
        length: Duration::from_secs(10),
        began: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        lanes: vec![
            lane("no policy", 0, None),
            lane("no policy again", 1, None),
            lane("retries + hedging", 2, Some(policy)),
        ],
        is_interrupted: false,
    }
}

fn lane(name: &'static str, index: u64, policy: Option<PolicyAccount>) -> LaneReport {
    let samples: Vec<Sample> = (0..1_000)
        .map(|n| Sample {
            start: Duration::from_millis(10 * n),
            latency: Duration::from_millis(1 + n % 100),
            lag: Duration::from_micros(100),
            is_ok: n % 100 != 0 || n >= 700,
        })
        .collect();
    let account = Account { attempts: 1_050, good: 990, cancelled: 40, policy };
    LaneReport {
        name,
        began: Duration::from_secs(20 * index),
        summary: Summary::of(&samples),
        samples,
        starved: 0,
        account,
        tally: Some(Tally { arrivals: 1_200, cancelled: 40, pushed_back: 5, early: 0 }),
    }
}

#[test]
fn json_is_one_object_with_the_promised_fields() {
    let text = json(&report(Scenario::Stragglers));
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!((&value["scenario"], &value["seed"]), (&"stragglers".into(), &7.into()));
    let lane = &value["lanes"][2];
    let expected = serde_json::json!({
        "name": "retries + hedging", "calls": 1_000, "attempts": 1_050, "hedges": 40,
        "success": 0.993, "p50_ms": 50.036, "p90_ms": 90.046, "p99_ms": 99.025,
        "p999_ms": 100.008, "load": 1.05, "budget_bound": 60,
    });
    let within = |lane: f64, expected: f64| (lane / expected - 1.0).abs() < 2e-3;
    for (field, expected) in expected.as_object().expect("an object") {
        match (lane[field].as_f64(), expected.as_f64()) {
            (Some(one), Some(other)) => assert!(within(one, other), "{field}: {one}, {other}"),
            _ => assert_eq!(&lane[field], expected, "{field}"),
        }
    }
    assert_eq!(lane.as_object().map(serde_json::Map::len), Some(11));
    assert_eq!(value["lanes"][0]["budget_bound"], 0);
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(3));
}

#[test]
fn text_says_what_matters_and_fits() {
    let text = text(&report(Scenario::Outage));
    for part in [
        "scenario outage, 100/s for 10s a lane after 1.5s of warm-up, seed 7",
        "retries + hedging",
        "1.050",
        "9/40",
        "kept    retries + hedging: 50 extra attempts, of 60 the budgets could have granted",
        "retries + hedging against no policy: success 99.30 % (99.30 %), p99.9 100.0 ms (100.0 ms), \
         load 1.050",
        "retries + hedging: of 40 hedges 9 won and 31 were wasted",
        "300 of 300 calls good from a second after the outage on",
        "a1   |==| won",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 110 && line.trim_end() == line, "{line:?}");
    }
}

#[test]
fn broken_promises_are_named() {
    let broken = |report: &Report| -> Vec<String> {
        checks(report).into_iter().filter(|one| !one.is_kept).map(|one| one.text).collect()
    };
    let mut over_budget = report(Scenario::Stragglers);
    assert_eq!(broken(&over_budget), [""; 0]);
    over_budget.lanes[2].account.attempts = 1_061;
    assert!(broken(&over_budget)[0].contains("61 extra attempts, of 60"));

    let mut unlimited = report(Scenario::Stragglers);
    unlimited.lanes[2].account.policy.as_mut().expect("it has one").bound = None;
    assert_eq!(checks(&unlimited), []);
    assert!(json(&unlimited).contains("\"budget_bound\":null"));

    let mut hasty = report(Scenario::Pushback);
    assert_eq!(broken(&hasty), [""; 0]);
    hasty.lanes[2].tally = Some(Tally { early: 2, pushed_back: 5, ..Tally::default() });
    assert!(broken(&hasty)[0].contains("2 of 5"));

    let mut unwell = report(Scenario::Outage);
    assert_eq!(broken(&unwell), [""; 0]);
    unwell.lanes[2].samples.iter_mut().for_each(|sample| sample.is_ok = false);
    assert!(broken(&unwell)[0].contains("0 of 300"));
}

#[test]
fn the_interval_log_can_be_read_back() {
    let report = report(Scenario::Stragglers);
    let mut log = Vec::new();
    write_hlog(&report, &mut log).expect("a vector takes it");
    let mut lanes: Vec<(String, u64)> = Vec::new();
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.expect("a good line") else { continue };
        let tag = interval.tag().expect("every interval has its lane").as_str().to_owned();
        let count = decode(interval.encoded_histogram()).len();
        match lanes.last_mut() {
            Some((name, calls)) if *name == tag => *calls += count,
            _ => lanes.push((tag, count)),
        }
    }
    let expected = ["no-policy", "no-policy-again", "retries+hedging"];
    assert_eq!(lanes, expected.map(|name| (name.to_owned(), 1_000)));
}

fn decode(text: &str) -> Histogram<u64> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let digit = DIGITS.iter().position(|digit| *digit == byte).expect("base64");
        bits = bits << 6 | digit as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram")
}

#[test]
fn the_page_is_small_safe_and_alone() {
    let page = page(&report(Scenario::Stragglers));
    assert!(page.len() < 200 * 1024, "{} bytes", page.len());
    assert!(page.contains("a0 |====&lt;&gt;&amp;| lost"));
    for part in ["http://", "https://", "<script", "src=", "url(", "@import", "NaN", "inf"] {
        assert!(!page.contains(part), "{part:?} is in the page");
    }
    for part in
        ["<svg", "polyline class=\"curve lane2\"", "prefers-color-scheme: dark", "log scale"]
    {
        assert!(page.contains(part), "{part:?} is not in the page");
    }
}

#[test]
fn a_run_that_was_interrupted_early_can_be_shown() {
    let mut report = report(Scenario::Stragglers);
    report.is_interrupted = true;
    report.lanes.truncate(1);
    assert!(text(&report).contains("interrupted: 1 of 4 lanes"));
    report.lanes.clear();
    assert!(text(&report).contains("interrupted: 0 of 4 lanes"));
    assert!(page(&report).contains("</html>"));
    assert_eq!(json(&report), "{\"scenario\":\"stragglers\",\"seed\":7,\"lanes\":[]}");
}

#[test]
fn a_picture_stands_alone_and_shows_what_was_slow_or_failed() {
    let report = report(Scenario::Stragglers);
    let picture = dots(&report, &report.lanes[0]);
    assert!(picture.starts_with("<svg xmlns=") && picture.ends_with("</svg>\n"));
    assert!(!picture.contains("http://") || picture.matches("http://").count() == 1, "no network");
    assert!(picture.len() < 50_000, "{}", picture.len());
    // Seven calls of the test's thousand failed: all are there.
    let failed = picture.split("class=\"failed\"").nth(1).expect("a path of its own");
    assert_eq!(failed.matches("h0").count(), 7);
    let slow = report.lanes[0].samples.iter().filter(|it| it.latency.as_millis() > 91).count();
    assert!(picture.matches("h0").count() >= slow);
}
