//! Policy documents that can be varied: as they are written, and as lanes.

use std::{fs, path::PathBuf};

use rego::{Document, Format};
use rego_sim::Lane;
use serde_json::{Map, Value};

use super::sweep::Setting;

/// What is simulated where no document is named: three attempts, without hedges and with them.
const BUILT_IN: &str = r#"
schema = 1
[defaults]
idempotent = true
[defaults.retry]
initial_backoff = "50ms"
max_backoff = "1s"
attempt_timeout = "3s"
overall_timeout = "10s"
classifier = "http"
"#;
const BUILT_IN_HEDGE: &str = r#"
[defaults.hedge]
enabled = true
trigger = { load = 0.05 }
delay = "20ms"
"#;

/// A policy document.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) name: String,
    origin: String,
    text: String,
    format: Format,
}

/// The documents named, or the built-in ones.
///
/// # Errors
///
/// One line: the file and, first of all, what is wrong in it.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Written>, String> {
    if paths.is_empty() {
        let built_in = |name: &str, text: String| {
            let (name, origin) = (name.to_owned(), "built-in".to_owned());
            Written { name, origin, text, format: Format::Toml }
        };
        return Ok(vec![
            built_in("retries", BUILT_IN.to_owned()),
            built_in("retries + hedging", format!("{BUILT_IN}{BUILT_IN_HEDGE}")),
        ]);
    }
    let documents = paths.iter().map(|path| {
        let origin = path.display().to_string();
        let format = Format::of(path)
            .ok_or_else(|| format!("{origin}: a policy document's name ends in .toml or .json"))?;
        let text =
            fs::read_to_string(path).map_err(|error| format!("cannot read {origin}: {error}"))?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let written = Written { name: stem.unwrap_or_default(), origin, text, format };
        written.lane()?;
        Ok(written)
    });
    documents.collect()
}

impl Written {
    /// The engine under this document.
    ///
    /// # Errors
    ///
    /// The place and the field that is wrong.
    pub(super) fn lane(&self) -> Result<Lane, String> {
        lane(&self.name, &self.text, self.format, &self.origin)
    }

    /// The engine under this document, but for one field, which is set for `key`.
    ///
    /// # Errors
    ///
    /// What the field's value is not allowed to be.
    pub(super) fn with(&self, key: &str, setting: &Setting) -> Result<Lane, String> {
        let broken = |error: String| format!("{}: {error}", self.origin);
        let mut document: Value = match self.format {
            Format::Json => serde_json::from_str(&self.text).map_err(|e| broken(e.to_string()))?,
            _ => toml::from_str(&self.text).map_err(|e| broken(e.to_string()))?,
        };
        let mut place = table(&mut document, "policies").and_then(|all| table(all, key));
        for (field, value) in setting.fields() {
            let mut path = field.split('.').peekable();
            let mut here = place.as_deref_mut();
            while let Some(name) = path.next() {
                let Some(now) = here else { break };
                if path.peek().is_some() {
                    here = table(now, name);
                } else {
                    now[name] = value.clone();
                    here = None;
                }
            }
        }
        let origin = format!("{} with {}", self.origin, setting.text());
        lane(&setting.text(), &document.to_string(), Format::Json, &origin)
    }
}

/// A table within a table, made if it is not there; `None` where something else is.
fn table<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let map = value.as_object_mut()?;
    let inner = map.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    inner.is_object().then_some(inner)
}

fn lane(name: &str, text: &str, format: Format, origin: &str) -> Result<Lane, String> {
    match Document::check(text, format, origin) {
        Ok(document) => Ok(Lane::document(name, document)),
        Err(errors) => Err(match errors.iter().next() {
            Some(error) if errors.len() > 1 => format!("{error} (and {} more)", errors.len() - 1),
            Some(error) => error.to_string(),
            None => "the policy is wrong".to_owned(),
        }),
    }
}
