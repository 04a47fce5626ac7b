//! What the README shows of documents is one: its Rust is compiled and run as a doctest.
#![cfg(feature = "documents")]

use rego::{Document, Format};

#[test]
fn the_policy_documents_of_the_readme_are_good() {
    let readme = include_str!("../../README.md");
    let documents: Vec<_> = readme
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(text, _)| text))
        .collect();
    assert!(!documents.is_empty(), "there is one");
    for text in documents {
        let document = Document::check(text, Format::Toml, "README.md");
        let document = document.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        assert_eq!(document.warnings(), []);
        let classifiers = ["auto", "http", "grpc", "io", "errno", "always"];
        assert_eq!(document.validate_names(&[], &classifiers), Ok(()));
    }
}
