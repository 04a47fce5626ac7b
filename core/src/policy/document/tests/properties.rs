//! No text whatever makes the reader panic, and both formats say the same.

use super::*;

/// Pieces of documents, good and bad, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "schema",
        "=",
        "1",
        "\n",
        "[",
        "]",
        "[defaults]",
        "{",
        "}",
        "\"",
        "'",
        ".",
        ",",
        ":",
        "retry",
        "hedge",
        "budgets",
        "policies",
        "\"svc.*\"",
        "max_attempts",
        "trigger",
        "kind",
        "\"1.5s\"",
        "-",
        "nan",
        "1e999",
        "\\u",
        "é",
        "\u{feff}",
        "\0",
        "#",
        "\"\"\"",
        "null",
        "true",
        "quantile",
        "0x",
        "1979-05-27",
        " ",
        "\r\n",
        "per_class",
        "throttled",
        "\\",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..60).prop_map(|w| w.concat())
}

fn read_both(text: &str) {
    for format in [Format::Toml, Format::Json] {
        for strictness in [Strictness::Check, Strictness::Load] {
            match Document::read(text, format, "fuzz".into(), strictness) {
                Ok(document) => {
                    let (policy, _) = document.resolve(&key("svc.Get"));
                    assert!((1..=10).contains(&policy.max_attempts()));
                }
                Err(errors) => {
                    assert!(!errors.is_empty() && !errors.to_string().is_empty());
                    assert!(errors.iter().all(|error| error.line > 0 && error.column > 0));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        read_both(&text);
    }

    #[test]
    fn no_heap_of_pieces_panics(text in pieces()) {
        read_both(&text);
        read_both(&format!("schema = 1\n{text}"));
        read_both(&format!("{{\"schema\": 1, {text}}}"));
    }

    #[test]
    fn no_damaged_document_panics(
        which in 0..2_usize,
        at in any::<prop::sample::Index>(),
        len in 0..20_usize,
        insert in pieces(),
    ) {
        let text = [FULL_TOML, FULL_JSON][which];
        let starts: Vec<usize> = text.char_indices().map(|(start, _)| start).collect();
        let from = at.index(starts.len());
        let to = (from + len).min(starts.len() - 1);
        read_both(&format!("{}{insert}{}", &text[..starts[from]], &text[starts[to]..]));
    }

    #[test]
    fn a_duration_that_is_shown_can_be_read(nanos in 0..u64::MAX) {
        let shown = Nanos::from_nanos(nanos).to_string();
        let node = tree::Node { at: 0, value: tree::Value::Text(shown) };
        prop_assert_eq!(values::duration(&node), Ok(Nanos::from_nanos(nanos)));
    }
}
