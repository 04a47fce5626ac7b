//! The built program, from the outside: flags, errors, outputs, exit codes.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const LANES: [&str; 4] = ["no policy", "no policy again", "retries", "retries + hedging"];

fn rego(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rego")).args(args).output().expect("the program starts")
}

/// A short run: 100 calls a lane.
fn short(args: &[&str]) -> Output {
    rego(&[&["--duration", "250ms", "--rate", "400"], args].concat())
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("text")
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("text")
}

/// A path for this test's file, which is not there yet.
fn path(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

/// One clear line, and nothing run.
#[track_caller]
fn assert_refused(args: &[&str], code: i32, part: &str) {
    let output = rego(args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert_eq!(stdout(&output), "", "{args:?}");
    assert!(said.contains(part), "{args:?}: {said}");
    assert!(said.starts_with("rego: ") && said.lines().count() == 1, "{args:?}: {said}");
}

#[test]
fn a_short_run_prints_every_lane() {
    let output = short(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "", "no progress bar where nobody looks");
    let text = stdout(&output);
    for lane in LANES {
        assert!(text.lines().any(|line| line.starts_with(lane)), "{lane:?} is not in\n{text}");
    }
    assert!(text.starts_with("rego run: scenario stragglers, 400/s for 250ms a lane"), "{text}");
}

#[test]
fn json_is_one_object_and_nothing_else() {
    for scenario in ["stragglers", "brownout", "outage", "pushback", "correlated"] {
        let output = rego(&[
            "run",
            "--json",
            "--scenario",
            scenario,
            "--seed",
            "3",
            "--duration",
            "250ms",
            "--rate",
            "400",
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let value: serde_json::Value = serde_json::from_str(stdout(&output)).expect("it is JSON");
        assert_eq!((&value["scenario"], &value["seed"]), (&scenario.into(), &3.into()));
        let lanes = value["lanes"].as_array().expect("a list");
        let names: Vec<_> = lanes.iter().map(|lane| lane["name"].as_str()).collect();
        assert_eq!(names, LANES.map(Some));
        for lane in lanes {
            assert_eq!(lane["calls"], 100, "{lane}");
            let load = lane["attempts"].as_f64().expect("a number") / 100.0;
            assert_eq!(lane["load"].as_f64(), Some(load), "{lane}");
            let success = lane["success"].as_f64().expect("a number");
            assert!((0.0..=1.0).contains(&success), "{lane}");
            let ms = ["p50_ms", "p90_ms", "p99_ms", "p999_ms"].map(|p| lane[p].as_f64());
            assert!(ms.is_sorted() && ms[0] > Some(0.1), "{lane}");
        }
        for plain in &lanes[..2] {
            assert_eq!((&plain["load"], &plain["budget_bound"]), (&1.0.into(), &0.into()));
        }
        for (lane, least) in lanes[2..].iter().zip([5, 10]) {
            let extra = lane["attempts"].as_u64().expect("a number") - 100;
            let bound = lane["budget_bound"].as_u64().expect("budgets limit it");
            assert!(extra <= bound && bound >= least, "{lane}");
        }
        assert_eq!((&lanes[0]["hedges"], &lanes[2]["hedges"]), (&0.into(), &0.into()));
    }
}

#[test]
fn writes_the_interval_log_and_the_page() {
    let (hlog, html) = (path("run.hlog"), path("run.html"));
    let output = short(&[
        "--hlog",
        hlog.to_str().expect("a plain path"),
        "--html",
        html.to_str().expect("a plain path"),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let log = fs::read_to_string(hlog).expect("the log is there");
    for lane in LANES {
        let tag = format!("Tag={},", lane.replace(" + ", "+").replace(' ', "-"));
        assert!(log.lines().any(|line| line.starts_with(&tag)), "{tag} is not in\n{log}");
    }
    let page = fs::read_to_string(html).expect("the page is there");
    assert!(page.len() < 200 * 1024 && page.starts_with("<!doctype html>"));
    assert!(page.contains("<svg") && page.trim_end().ends_with("</html>"));
}

#[test]
fn a_slow_calls_timeline_is_written_and_explained() {
    let slow = path("slow.jsonl");
    let slow = slow.to_str().expect("a plain path");
    let run = short(&["--timelines", slow]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let lines = fs::read_to_string(slow).expect("the timelines are there");
    assert_eq!(lines.lines().count(), 2, "of the two lanes with a policy: {lines}");
    let explained = rego(&["explain", slow]);
    assert_eq!(explained.status.code(), Some(0), "{}", stderr(&explained));
    let waterfalls: Vec<_> = stdout(&explained).split("\n\n").collect();
    assert_eq!(waterfalls.len(), 2, "{waterfalls:?}");
    // What the run shows of its last lane is what is read back.
    assert!(stdout(&run).contains(waterfalls[1].trim_end()), "{waterfalls:?}\n{}", stdout(&run));

    let traced = rego(&["explain", "--chrome", slow]);
    let trace: serde_json::Value = serde_json::from_str(stdout(&traced)).expect("it is JSON");
    let events = trace["traceEvents"].as_array().expect("a list");
    assert!(events.iter().filter(|event| event["cat"] == "call").count() == 2, "{trace}");
}

#[test]
fn a_simulated_calls_timeline_is_the_same_for_a_seed() {
    let (one, two) = (path("sim-1.jsonl"), path("sim-2.jsonl"));
    for file in [&one, &two] {
        let file = file.to_str().expect("a plain path");
        let plain = rego(&["sim", "--duration", "5s", "--json"]);
        let told = rego(&["sim", "--duration", "5s", "--json", "--timelines", file]);
        assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
        assert_eq!(stdout(&plain), stdout(&told), "telling changes nothing");
    }
    let text = fs::read_to_string(&one).expect("the timelines are there");
    assert_eq!(text.lines().count(), 2);
    assert_eq!(text, fs::read_to_string(&two).expect("the timelines are there"));
    let explained = rego(&["explain", one.to_str().expect("a plain path")]);
    assert!(stdout(&explained).starts_with("backend.get  success"), "{}", stdout(&explained));
}

#[test]
fn what_is_no_timeline_is_one_line() {
    let refused = |text: &str, part: &str| {
        assert_refused(&["explain", &document("timeline.json", text)], 1, part);
    };
    refused("", "timeline.json: there is no timeline");
    refused("{\"key\": 7}", "timeline.json: line 1, column 9: invalid type");
    refused("{\"key\": \"a\",\n", "timeline.json: line 2, column 0: EOF");
    assert_refused(&["explain", "/no/such/timeline"], 1, "cannot read /no/such/timeline: ");
    assert_refused(&["explain", "--crome", "x"], 2, "--chrome");
}

#[test]
fn the_schema_of_policies_is_printed() {
    let output = rego(&["schema"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let schema: serde_json::Value = serde_json::from_str(stdout(&output)).expect("it is JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let attempts = &schema["$defs"]["policy"]["properties"]["retry"]["properties"]["max_attempts"];
    assert_eq!((&attempts["type"], &attempts["default"]), (&"integer".into(), &3.into()));
}

#[test]
fn bad_flags_are_usage_errors() {
    assert_refused(&["--sceanrio", "outage"], 2, "--scenario");
    assert_refused(&["--scenario", "outrage"], 2, "outage");
    assert_refused(&["--rate", "0"], 2, "1..=20000");
    assert_refused(&["--rate", "many"], 2, "--rate");
    assert_refused(&["--duration", "10"], 2, "did you mean \"10s\"?");
    assert_refused(&["--duration", "1ms"], 2, "from 100ms to 60m");
    assert_refused(&["--duration", "60m", "--rate", "20000"], 2, "calls per lane");
    assert_refused(&["--seed", "one"], 2, "--seed");
    assert_refused(&["--target", "https://example.com/"], 2, "https is not supported");
    assert_refused(&["--target", "example.com"], 2, "did you mean http://example.com");
    assert_refused(&["--target", "http://[::1]", "--scenario", "outage"], 2, "cannot be used with");
    assert_refused(&["walk"], 2, "walk");
}

#[test]
fn what_cannot_be_reached_or_written_is_one_line() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        listener.local_addr().expect("it is bound")
    };
    assert_refused(&["--target", &format!("http://{closed}/")], 1, "cannot reach http://127.0.0.1");
    assert_refused(&["--target", "http://no-such-host.invalid/"], 1, "cannot reach http://no-such");
    assert_refused(&["--html", "/no/such/folder/r.html"], 1, "cannot write /no/such/folder/r.html");
    assert_refused(&["--hlog", "/no/such/folder/r.hlog"], 1, "cannot write /no/such/folder/r.hlog");
}

/// A policy document with this text.
fn document(name: &str, text: &str) -> String {
    let path = path(name);
    fs::write(&path, text).expect("the folder can be written");
    path.to_str().expect("a plain path").to_owned()
}

fn lane(output: &Output, index: usize) -> serde_json::Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let value: serde_json::Value = serde_json::from_str(stdout(output)).expect("it is JSON");
    value["lanes"][index].clone()
}

#[test]
fn a_policy_of_ones_own_is_in_force_in_the_lanes_that_have_one() {
    let eager = "schema = 1\n[defaults]\nidempotent = true\n\
                 retry = { max_attempts = 1, budget = \"unlimited\" }\n\
                 hedge = { enabled = true, trigger = \"fixed\", delay = \"1ms\", \
                 budget = \"unlimited\" }\n";
    let output = short(&["--json", "--policy", &document("eager.toml", eager)]);
    let (retries, hedged) = (lane(&output, 2), lane(&output, 3));
    assert_eq!((&retries["hedges"], &retries["load"]), (&0.into(), &1.0.into()));
    assert!(hedged["hedges"].as_u64() > Some(50), "every call takes longer: {hedged}");
    assert!(hedged["budget_bound"].is_null(), "{hedged}");

    let off = r#"{"schema": 1, "policies": {"backend.get": {"mode": "off"}}}"#;
    let output = short(&["--json", "--policy", &document("off.json", off)]);
    let hedged = lane(&output, 3);
    assert_eq!((&hedged["hedges"], &hedged["load"]), (&0.into(), &1.0.into()));
}

#[test]
fn a_policy_that_is_wrong_is_one_line_with_its_place() {
    let refused = |name: &str, text: &str, part: &str| {
        assert_refused(&["--policy", &document(name, text)], 1, part);
    };
    let two = "schema = 1\n[defaults.retry]\nmax_atempts = 4\nmultiplier = -1\n";
    refused("two.toml", two, "two.toml:3:1: defaults.retry.max_atempts: unknown field; did you");
    refused("two.toml", two, "(and 1 more)");
    refused("broken.toml", "schema = 1\n[defaults\n", "broken.toml:2:");
    refused("broken.json", "{\"schema\": 1,", "broken.json:1:");
    let hasty = "schema = 1\n[defaults.hedge]\nenabled = true\n";
    refused("hasty.toml", hasty, "hasty.toml:3:11: defaults.hedge.enabled: ");
    let nobody = "schema = 1\n[defaults.retry]\nbudget = \"users\"\n";
    refused("nobody.toml", nobody, "nobody.toml:3:10: defaults.retry.budget: no budget is named");
    refused("empty.toml", "", "empty.toml:1:1: ");
    let other = "schema = 1\n[policies.\"users.get\".retry]\nmax_attempts = 2\n";
    refused("other.toml", other, "add [policies.\"backend.get\"] or [defaults]");
    refused("policy.yaml", "schema: 1\n", "a policy document's name ends in .toml or .json");
    assert_refused(&["--policy", "/no/such/policy.toml"], 1, "cannot read /no/such/policy.toml: ");
}

#[test]
fn a_mode_that_is_none_is_one_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_rego"))
        .args(["--duration", "250ms", "--rate", "400"])
        .env("REGO_MODE", "sideways")
        .output()
        .expect("the program starts");
    let said = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{said}");
    assert!(said.starts_with("rego: REGO_MODE=") && said.lines().count() == 1, "{said}");
}

#[test]
fn help_names_every_flag_and_scenario() {
    for args in [&["--help"][..], &["run", "--help"]] {
        let output = rego(args);
        assert_eq!(output.status.code(), Some(0));
        for part in [
            "--scenario",
            "--target",
            "--rate",
            "--duration",
            "--seed",
            "--policy",
            "--json",
            "--hlog",
            "--html",
            "stragglers",
            "brownout",
            "outage",
            "pushback",
            "correlated",
            "Exit codes",
        ] {
            assert!(stdout(&output).contains(part), "{part} is not in the help of {args:?}");
        }
        let widest = stdout(&output).lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{widest:?} columns");
    }
    assert!(stdout(&rego(&["--version"])).starts_with("rego "));
}

#[test]
fn loads_a_server_of_ones_own() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let url = format!("http://{}/who?x=1", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    let output = short(&["--json", "--target", &url]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let value: serde_json::Value = serde_json::from_str(stdout(&output)).expect("it is JSON");
    assert_eq!(value["scenario"], "target");
    assert_eq!(value["lanes"].as_array().map(Vec::len), Some(4));
    for lane in value["lanes"].as_array().expect("a list") {
        assert_eq!((&lane["calls"], &lane["success"]), (&100.into(), &1.0.into()), "{lane}");
    }
}

/// Answers in chunks whoever asks for the right thing.
fn serve(stream: TcpStream) {
    let mut lines = BufReader::new(&stream).lines();
    let mut asked = String::new();
    while let Some(Ok(line)) = lines.next() {
        if line.starts_with("GET ") {
            asked = line;
        } else if line.is_empty() {
            let status = if asked == "GET /who?x=1 HTTP/1.1" { "200 OK" } else { "404 No" };
            let answer = format!(
                "HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            );
            if (&stream).write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_prints_what_it_has() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rego"))
        .args(["--json", "--duration", "60s", "--rate", "200"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    thread::sleep(Duration::from_millis(2_500));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill is there").success());
    let began = Instant::now();
    let mut text = String::new();
    let out = child.stdout.as_mut().expect("it is piped");
    out.read_to_string(&mut text).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(20));
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let lanes = value["lanes"].as_array().expect("a list");
    assert_eq!(lanes.len(), 1, "{text}");
    assert!(lanes[0]["calls"].as_u64() > Some(20), "{text}");
}
