//! A Rust file as a flat list of tokens, each with its line, and which of them are tests.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Finding;

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
}

/// One token. A group is its opening delimiter, its content and its closing delimiter.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: String,
    /// From 1.
    pub(super) line: usize,
    /// Of a delimiter: where the other one is. Of anything else: where it is itself.
    pub(super) pair: usize,
    /// Whether it is compiled into tests alone.
    pub(super) test: bool,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
            Finding::new(path, error.span().start().line, "syntax", error.to_string())
        })?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let mut source = Self { path: path.to_owned(), text: text.to_owned(), tokens };
        source.mark_tests();
        Ok(source)
    }

    /// The token at `index`, or nothing past the end.
    pub(super) fn text_at(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// Whether the tokens from `index` on are these.
    pub(super) fn starts_with(&self, index: usize, tokens: &[&str]) -> bool {
        tokens.iter().enumerate().all(|(offset, token)| self.text_at(index + offset) == *token)
    }

    /// Whether the token at `index` is a name or a keyword.
    pub(super) fn is_name(&self, index: usize) -> bool {
        self.text_at(index).starts_with(|first: char| first.is_alphabetic() || first == '_')
    }

    fn mark_tests(&mut self) {
        let mut index = 0;
        while index < self.tokens.len() {
            let (first, open) = match () {
                () if self.starts_with(index, &["#", "["]) => (index, index + 1),
                // `#![cfg(test)]` speaks for the file, and comes before anything else.
                () if self.starts_with(index, &["#", "!", "["]) => (0, index + 2),
                () => {
                    index += 1;
                    continue;
                }
            };
            let close = self.tokens[open].pair;
            index = close + 1;
            if !self.is_test_attribute(open + 1, close) {
                continue;
            }
            let last = if open == first + 1 { self.end_of_item(index) } else { self.tokens.len() };
            for token in &mut self.tokens[first..last] {
                token.test = true;
            }
            index = last;
        }
    }

    /// Whether the attribute between its brackets is `test` or a `cfg` that holds in tests alone.
    fn is_test_attribute(&self, start: usize, end: usize) -> bool {
        match self.text_at(start) {
            "test" => end == start + 1,
            "cfg" => self.only_in_tests(start + 2, end - 1),
            _ => false,
        }
    }

    /// Whether a `cfg` predicate implies `test`, or that a model's negative control is built.
    fn only_in_tests(&self, start: usize, end: usize) -> bool {
        let operator = self.text_at(start);
        if !matches!(operator, "all" | "any") || self.text_at(start + 1) != "(" {
            return operator == "rego_break" || (operator == "test" && end == start + 1);
        }
        let (mut index, close) = (start + 2, self.tokens[start + 1].pair);
        let mut answers = Vec::new();
        while index < close {
            let mut end = index;
            while end < close && self.text_at(end) != "," {
                end = self.tokens[end].pair.max(end) + 1;
            }
            answers.push(self.only_in_tests(index, end));
            index = end + 1;
        }
        match operator {
            "all" => answers.contains(&true),
            _ => !answers.is_empty() && !answers.contains(&false),
        }
    }

    /// One past the last token of the item, statement or field that starts at `start`.
    fn end_of_item(&self, start: usize) -> usize {
        let mut index = start;
        while self.starts_with(index, &["#", "["]) {
            index = self.tokens[index + 1].pair + 1;
        }
        if self.text_at(index) == "pub" {
            index += 1;
            if self.text_at(index) == "(" {
                index = self.tokens[index].pair + 1;
            }
        }
        let constant = self.text_at(index) == "const" && self.text_at(index + 2) == ":";
        let ends = match self.text_at(index) {
            "use" | "static" | "type" | "let" => &[";"][..],
            _ if constant => &[";"],
            "fn" | "mod" | "impl" | "struct" | "enum" | "union" | "trait" | "const" | "async"
            | "unsafe" | "extern" | "macro_rules" => &[";", "{"],
            _ => &[";", "{", ","],
        };
        while let Some(token) = self.tokens.get(index) {
            // The closing delimiter of whatever the item stands in.
            if token.pair < index {
                return index;
            }
            index = token.pair + 1;
            if ends.contains(&token.text.as_str()) {
                return index;
            }
        }
        index
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let pair = tokens.len();
        let text = match &tree {
            TokenTree::Group(group) => match group.delimiter() {
                Delimiter::Parenthesis => "(",
                Delimiter::Brace => "{",
                Delimiter::Bracket => "[",
                Delimiter::None => "",
            }
            .to_owned(),
            TokenTree::Punct(punct) => punct.as_char().to_string(),
            TokenTree::Ident(ident) => ident.to_string(),
            TokenTree::Literal(literal) => literal.to_string(),
        };
        tokens.push(Token { text, line, pair, test: false });
        let TokenTree::Group(group) = tree else { continue };
        let close = match group.delimiter() {
            Delimiter::Parenthesis => ")",
            Delimiter::Brace => "}",
            Delimiter::Bracket => "]",
            Delimiter::None => "",
        };
        let line = group.span_close().end().line;
        flatten(group.stream(), tokens);
        tokens[pair].pair = tokens.len();
        tokens.push(Token { text: close.to_owned(), line, pair, test: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of `text` that are not test code.
    fn real(text: &str) -> Vec<String> {
        let source = Source::parse("a.rs", text).expect("a snippet of Rust");
        let real = source.tokens.iter().filter(|token| !token.test);
        real.filter(|token| token.text.starts_with("real")).map(|t| t.text.clone()).collect()
    }

    #[test]
    fn what_is_compiled_in_tests_alone_is_marked() {
        for attribute in [
            "#[cfg(test)]",
            "#[cfg(all(test, not(rego_loom)))]",
            "#[cfg(any(all(unix, test), test))]",
            "#[cfg(rego_break = \"budget\")]",
            "#[test]",
        ] {
            for item in [
                "mod x { fn real1() {} }",
                "fn x<A, B>(a: A) { real1(); }",
                "pub(crate) use real1::{a, b};",
                "#[must_use] pub const fn x() -> u8 { real1 }",
                "const X: u8 = { real1 };",
                "let x = A { real1 };",
                "impl<A, B> X { fn real1() {} }",
                "mod real1;",
            ] {
                let text = format!("fn real0() {{}} {attribute} {item} fn real2() {{}}");
                assert_eq!(real(&text), ["real0", "real2"], "{text}");
            }
        }
        let field = "struct A { #[cfg(test)] real1: Vec<u8>, real2: u8 } struct B { \
                     #[cfg(test)] real3: u8 } fn real4() {}";
        assert_eq!(real(field), ["real2", "real4"]);
        assert_eq!(real("//! A file.\n#![cfg(test)]\nfn real1() {}"), [""; 0]);
    }

    #[test]
    fn what_is_compiled_elsewhere_too_is_not() {
        for attribute in [
            "#[cfg(not(test))]",
            "#[cfg(not(rego_break = \"budget\"))]",
            "#[cfg(any(test, fuzzing))]",
            "#[cfg(all(unix, not(test)))]",
            "#[cfg(feature = \"test\")]",
            "#[cfg_attr(test, derive(Debug))]",
            "#[doc = \"#[cfg(test)]\"]",
            "// #[cfg(test)]\n",
        ] {
            let text = format!("{attribute} mod x {{ fn real1() {{}} }}");
            assert_eq!(real(&text), ["real1"], "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_rust_is_a_finding() {
        let finding = Source::parse("a.rs", "fn a() {\n\n}}").expect_err("one brace too many");
        assert_eq!((finding.line, finding.rule), (3, "syntax"));
    }
}
