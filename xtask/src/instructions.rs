//! `instructions`: how many instructions the hot paths take, counted by valgrind and compared with
//! what they took when somebody last agreed to it. No stop-watch, so no noise: a regression shows
//! on any machine.
//!
//! Each lane of `core/examples/instructions.rs` runs twice, a different number of times: the
//! difference, divided, is what one of them takes, whatever the start of the program took.

use std::{collections::BTreeMap, fs};

use crate::shell::{Failure, Root};

/// What was agreed to.
const PINS: &str = "core/examples/instructions.txt";

const LANES: &[&str] = &[
    "run",
    "run-by-key",
    "begin-finish",
    "race-armed",
    "arm-cancel",
    "record",
    "deposit",
    "deny",
    "deny-with-floor",
    "trigger",
];

/// Twice the work of `record`: what must not pass as it.
const CONTROL: (&str, &str) = ("record-twice", "record");

const FEW: u64 = 2_000;
const MANY: u64 = 22_000;

/// More than this over what was agreed is a regression; with another compiler, more than this.
const MARGIN: f64 = 0.05;
const OTHER_COMPILER: f64 = 0.30;
/// And an instruction or two besides, where there are only a few.
const SLACK: f64 = 1.5;

/// Instructions by lane, and by which compiler.
#[derive(Debug, Default, PartialEq)]
struct Pins {
    compiler: String,
    lanes: BTreeMap<String, f64>,
}

/// Counts and compares; with `--bless` writes down instead.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let bless = match arguments {
        [] => false,
        ["--bless"] => true,
        _ => return Err(Failure::Usage("instructions takes `--bless` or nothing".to_owned())),
    };
    if !root.program("valgrind", &["--version"]).works() {
        let why = "`valgrind` does not work here; as root: apt-get install -y valgrind";
        return Err(Failure::Failed(why.to_owned()));
    }
    let counted = count_all(root)?;
    if bless {
        let path = root.join(PINS);
        return fs::write(&path, counted.to_text())
            .map_err(|error| Failure::Failed(format!("cannot write {PINS}: {error}")));
    }
    let agreed = fs::read_to_string(root.join(PINS))
        .map_err(|error| Failure::Failed(format!("cannot read {PINS}: {error}")))?;
    let agreed = Pins::from_text(&agreed);
    let control = count(root, CONTROL.0)?;
    if judge(control, agreed.lanes.get(CONTROL.1).copied(), MARGIN).is_ok() {
        let why =
            format!("{control:.1} instructions passed for `{}`: the check is blind", CONTROL.1);
        return Err(Failure::Failed(why));
    }
    if report(&agreed, &counted) == 0 { Ok(()) } else { Err(Failure::Reported) }
}

/// Prints every lane; how many take more than was agreed.
fn report(agreed: &Pins, counted: &Pins) -> usize {
    let margin = if agreed.compiler == counted.compiler { MARGIN } else { OTHER_COMPILER };
    if margin > MARGIN {
        let (theirs, ours) = (&agreed.compiler, &counted.compiler);
        println!(
            "agreed with {theirs}, counted with {ours}: {:.0} % more are let pass",
            margin * 1e2
        );
    }
    let mut worse = 0;
    for (lane, &count) in &counted.lanes {
        let before = agreed.lanes.get(lane).copied();
        match judge(count, before, margin) {
            Ok(()) => {
                println!("{lane:<16} {count:>8.1}  ok, agreed {:.1}", before.unwrap_or(count))
            }
            Err(why) => {
                println!(
                    "{lane:<16} {count:>8.1}  {why}; if it is meant: cargo xtask instructions --bless"
                );
                worse += 1;
            }
        }
    }
    worse
}

/// Whether a count may pass.
fn judge(count: f64, agreed: Option<f64>, margin: f64) -> Result<(), String> {
    let Some(agreed) = agreed else { return Err("was never agreed to".to_owned()) };
    if count <= agreed * (1.0 + margin) + SLACK {
        return Ok(());
    }
    Err(format!("more than the {agreed:.1} that were agreed to"))
}

fn count_all(root: &Root) -> Result<Pins, Failure> {
    let build = ["build", "--release", "-p", "rego-engine", "--example", "instructions"];
    root.cargo(&[&build[..], &["--features", "rooms", "--target-dir", "target"]].concat()).go()?;
    let compiler = root.program("rustc", &["--version"]).capture()?.trim().to_owned();
    let lanes = LANES.iter().map(|lane| Ok(((*lane).to_owned(), count(root, lane)?)));
    Ok(Pins { compiler, lanes: lanes.collect::<Result<_, Failure>>()? })
}

/// What one time takes.
fn count(root: &Root, lane: &str) -> Result<f64, Failure> {
    let (few, many) = (total(root, lane, FEW)?, total(root, lane, MANY)?);
    Ok(many.saturating_sub(few) as f64 / (MANY - FEW) as f64)
}

fn total(root: &Root, lane: &str, times: u64) -> Result<u64, Failure> {
    let arguments = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];
    let times = times.to_string();
    let program = ["target/release/examples/instructions", lane, &times];
    let said = root.program("valgrind", &[&arguments[..], &program].concat()).capture_errors()?;
    instructions(&said)
        .ok_or_else(|| Failure::Failed(format!("valgrind named no instructions:\n{said}")))
}

/// The number after `I refs:`, or with older versions `I   refs:`.
fn instructions(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(" refs:") && line.contains("I "))?;
    line.rsplit(':').next()?.trim().replace(',', "").parse().ok()
}

impl Pins {
    fn from_text(text: &str) -> Self {
        let mut pins = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(": ") {
                Some(("compiler", name)) => name.clone_into(&mut pins.compiler),
                Some((lane, count)) => {
                    pins.lanes.extend(count.parse().ok().map(|count| (lane.to_owned(), count)));
                }
                None => {}
            }
        }
        pins
    }

    fn to_text(&self) -> String {
        let mut text =
            String::from("# Instructions each, written by `cargo xtask instructions --bless`.\n");
        text += &format!("compiler: {}\n", self.compiler);
        for (lane, count) in &self.lanes {
            text += &format!("{lane}: {count:.1}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valgrinds_count_is_read() {
        let said = "==7== Cachegrind\n==7== \n==7== I refs:        1,234,567\n";
        assert_eq!(instructions(said), Some(1_234_567));
        assert_eq!(
            instructions("==7== I   refs:      42\n==7== D   refs:      7 (3 rd)\n"),
            Some(42)
        );
        assert_eq!(instructions("==7== nothing\n"), None);
    }

    #[test]
    fn a_count_that_grew_is_a_regression_and_one_that_shrank_is_not() {
        assert!(judge(100.0, Some(100.0), MARGIN).is_ok());
        assert!(judge(106.0, Some(100.0), MARGIN).is_ok());
        assert!(judge(107.0, Some(100.0), MARGIN).is_err());
        assert!(judge(50.0, Some(100.0), MARGIN).is_ok());
        assert!(judge(50.0, None, MARGIN).is_err());
    }

    #[test]
    fn pins_survive_their_file() {
        let lanes = [("run".to_owned(), 123.4), ("record".to_owned(), 9.0)];
        let pins = Pins { compiler: "rustc 1".to_owned(), lanes: lanes.into() };
        assert_eq!(Pins::from_text(&pins.to_text()), pins);
    }
}
