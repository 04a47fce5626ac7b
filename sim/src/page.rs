//! The page of results and its plots.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{
    plot,
    study::{Effort, Findings, Study},
};

/// Writes `results.md` and `plots/*.svg` below this folder.
///
/// # Errors
///
/// What the file system says.
pub fn write(docs: &Path, all: &[(Study, Findings)], effort: &Effort) -> io::Result<()> {
    fs::create_dir_all(docs.join("plots"))?;
    let mut page = format!(
        "# Results\n\nMade by `cargo xtask headline --write`; not written by hand. The engine itself \
         in virtual time, {} seeds from {} on, none chosen; ± is the 95 % interval of the mean over \
         seeds. A twin is what another library would do, in the same run and with the same luck.\n",
        effort.seeds, effort.first_seed
    );
    for (study, findings) in all {
        page += &section(study, findings);
        if let Some(it) = &findings.plot {
            let name = format!("{}.svg", study.id.to_ascii_lowercase());
            fs::write(docs.join("plots").join(&name), plot::svg(it))?;
            let _infallible = write!(page, "\n![{}](plots/{name})\n", it.title);
        }
    }
    fs::write(docs.join("results.md"), page)
}

fn section(study: &Study, findings: &Findings) -> String {
    let mut out = format!(
        "\n## {}: {}\n\nPublished: {}.\n\n| | figure | goal | twin | |\n|---|---|---|---|---|\n",
        study.id, study.title, study.published
    );
    for row in &findings.rows {
        let noise = row.noise.map_or_else(String::new, |noise| format!(" ± {noise:.4}"));
        let twin = row.twin.map_or_else(String::new, |twin| format!("{twin:.4}"));
        let sign = if row.at_least { '≥' } else { '≤' };
        let verdict = if row.ok() { "pass" } else { "**missed**" };
        let _infallible = writeln!(
            out,
            "| {} | {:.4}{noise} | {sign} {:.4} | {twin} | {verdict} |",
            row.what, row.value, row.bound
        );
    }
    for row in findings.rows.iter().filter(|row| !row.ok()) {
        let why = row.why.unwrap_or("Why is not known yet.");
        let _infallible = write!(out, "\nMissed: {}. {why}\n", row.what);
    }
    if !findings.notes.is_empty() {
        out.push('\n');
    }
    for note in &findings.notes {
        let _infallible = writeln!(out, "- {note}");
    }
    out
}
