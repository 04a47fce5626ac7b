//! Malformed policies and exactly what is said of each.
//!
//! Every `golden/policies/*.toml` and `*.json` has a `.txt` beside it with the errors that
//! checking it gives. `REGO_BLESS=1 cargo test --test golden_policies` writes them anew.

#![cfg(feature = "documents")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use rego::{Document, Format};

const CLASSIFIERS: [&str; 6] = ["always", "auto", "errno", "grpc", "http", "io"];

/// The documents, and how many other files there are.
fn documents() -> (Vec<PathBuf>, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policies");
    let files = fs::read_dir(folder).expect("the golden files are part of the source");
    let paths = files.map(|file| file.expect("a readable folder").path());
    let (mut documents, others): (Vec<_>, Vec<_>) =
        paths.partition(|path| Format::of(path).is_some());
    documents.sort();
    (documents, others.len())
}

/// The errors of a document, one a line, or nothing.
fn errors_of(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a golden file is text");
    let format = Format::of(path).expect("only documents are listed");
    let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
    let checked = Document::check(&text, format, name)
        .and_then(|document| document.validate_names(&[], &CLASSIFIERS));
    checked.err().map(|errors| format!("{errors}\n")).unwrap_or_default()
}

#[test]
fn every_malformed_policy_is_told_exactly_what_is_wrong() {
    let (documents, others) = documents();
    let bless = std::env::var_os("REGO_BLESS").is_some();
    assert!(documents.len() >= 40, "only {} golden files", documents.len());
    assert!(bless || others == documents.len(), "{others} expectations");
    let mut wrong = Vec::new();
    for path in documents {
        let errors = errors_of(&path);
        assert!(!errors.is_empty(), "{} is a good document", path.display());
        let golden = path.with_extension(match Format::of(&path) {
            Some(Format::Json) => "json.txt",
            _ => "toml.txt",
        });
        if bless {
            fs::write(&golden, &errors).expect("the golden files are writable");
        }
        let want = fs::read_to_string(&golden).unwrap_or_default();
        if errors != want {
            wrong.push(format!("{}\n got: {errors}want: {want}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
