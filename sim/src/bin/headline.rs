//! The headline studies: `cargo xtask headline [ID…] [--json] [--short] [--write]`.

use std::{path::Path, process::ExitCode, time::Instant};

use rego_sim::study::{Effort, Findings, STUDIES, Study};

struct Options {
    ids: Vec<String>,
    json: bool,
    write: bool,
    effort: Effort,
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("headline: {message}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("headline: {message}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { ids: Vec::new(), json: false, write: false, effort: Effort::FULL };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut number = |name: &str| -> Result<u64, String> {
                let text = arguments.next().ok_or(format!("{name} wants a number"))?;
                text.parse().map_err(|_| format!("{name} wants a number, not {text:?}"))
            };
            match argument.as_str() {
                "--json" => options.json = true,
                "--write" => options.write = true,
                "--short" => options.effort = Effort::SHORT,
                "--seeds" => options.effort.seeds = number("--seeds")?.clamp(1, 1_000),
                "--first-seed" => options.effort.first_seed = number("--first-seed")?,
                id if STUDIES.iter().any(|study| study.id.eq_ignore_ascii_case(id)) => {
                    options.ids.push(id.to_ascii_uppercase());
                }
                other => {
                    let known: Vec<_> = STUDIES.iter().map(|study| study.id).collect();
                    return Err(format!("there is no {other:?}; studies: {}", known.join(", ")));
                }
            }
        }
        Ok(options)
    }

    fn wants(&self, study: &Study) -> bool {
        self.ids.is_empty() || self.ids.iter().any(|id| id == study.id)
    }
}

fn run(options: &Options) -> Result<bool, String> {
    let mut all = Vec::new();
    for study in STUDIES.iter().filter(|study| options.wants(study)) {
        let begin = Instant::now();
        let findings = (study.run)(&options.effort).map_err(|error| error.to_string())?;
        if !options.json {
            print!("{}", text(study, &findings));
        }
        eprintln!("{}: {:.1} s", study.id, begin.elapsed().as_secs_f64());
        all.push((*study, findings));
    }
    if options.json {
        println!("{}", json(&all));
    }
    if options.write {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        rego_sim::page::write(&docs, &all, &options.effort)
            .map_err(|error| format!("cannot write the page: {error}"))?;
    }
    Ok(all.iter().flat_map(|(_, findings)| &findings.rows).all(|row| row.ok()))
}

fn text(study: &Study, findings: &Findings) -> String {
    let mut out = format!("{} {}\n  published: {}\n", study.id, study.title, study.published);
    for row in &findings.rows {
        let noise = row.noise.map_or_else(String::new, |noise| format!(" ± {noise:.4}"));
        let twin = row.twin.map_or_else(String::new, |twin| format!(", twin {twin:.4}"));
        let (verdict, sign) =
            (if row.ok() { "pass" } else { "FAIL" }, if row.at_least { '≥' } else { '≤' });
        out += &format!(
            "  {verdict}  {}: {:.4}{noise}, goal {sign} {:.4}{twin}\n",
            row.what, row.value, row.bound
        );
        if let Some(why) = row.why.filter(|_| !row.ok()) {
            out += &format!("        {why}\n");
        }
    }
    for note in &findings.notes {
        out += &format!("        {note}\n");
    }
    out + "\n"
}

fn json(all: &[(Study, Findings)]) -> String {
    let rows: Vec<_> = all
        .iter()
        .flat_map(|(study, findings)| findings.rows.iter().map(move |row| (study, row)))
        .map(|(study, row)| {
            serde_json::json!({
                "id": study.id,
                "what": row.what,
                "value": row.value,
                "bound": row.bound,
                "ok": row.ok(),
            })
        })
        .collect();
    serde_json::Value::Array(rows).to_string()
}
