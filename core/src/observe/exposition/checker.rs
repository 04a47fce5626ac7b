//! A reader of OpenMetrics text that believes nothing.

use std::collections::{BTreeMap, BTreeSet};

/// What was read: families in order, and their samples.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    pub(super) families: Vec<Family>,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) unit: String,
    pub(super) help: String,
}

#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
    text: String,
}

impl Exposition {
    /// Reads it, or says which line breaks which rule.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix("# EOF\n").ok_or("does not end in `# EOF` and a line feed")?;
        if !body.is_empty() && !body.ends_with('\n') {
            return Err("`# EOF` is not on a line of its own".to_owned());
        }
        let mut read = Self::default();
        let mut series = BTreeSet::new();
        for line in body.lines() {
            let broken = |rule: &str| format!("{rule}: {line}");
            if let Some(descriptor) = line.strip_prefix("# ") {
                read.descriptor(descriptor).map_err(broken)?;
                continue;
            }
            let sample = sample(line).map_err(broken)?;
            let family = read.families.last().ok_or_else(|| broken("no family"))?;
            belongs(&sample, family).map_err(broken)?;
            if !series.insert((sample.name.clone(), sample.labels.clone())) {
                return Err(broken("a series twice"));
            }
            read.samples.push(sample);
        }
        read.check_families()?;
        read.check_histograms()?;
        Ok(read)
    }

    fn descriptor(&mut self, text: &str) -> Result<(), &'static str> {
        let mut words = text.splitn(3, ' ');
        let mut word = || words.next().ok_or("a word is missing");
        let (what, name, rest) = (word()?, word()?, word()?);
        if what == "TYPE" {
            if self.families.iter().any(|family| family.name == name) {
                return Err("a family twice, or in two pieces");
            }
            let (name, kind) = (name.to_owned(), rest.to_owned());
            self.families.push(Family { name, kind, ..Family::default() });
            return Ok(());
        }
        let begun = self.samples.last().is_some_and(|sample| sample.name.starts_with(name));
        let family = self.families.last_mut().filter(|family| family.name == name);
        let family = family.ok_or("not of this family")?;
        match what {
            _ if begun => return Err("after its samples"),
            "UNIT" => rest.clone_into(&mut family.unit),
            "HELP" => family.help = unescape(rest)?,
            _ => return Err("neither TYPE nor UNIT nor HELP"),
        }
        Ok(())
    }

    fn check_families(&self) -> Result<(), String> {
        for Family { name, kind, unit, help } in &self.families {
            let known = ["counter", "gauge", "histogram", "info"].contains(&kind.as_str());
            let unit_fits = unit.is_empty() || name.ends_with(&format!("_{unit}"));
            let plain = !["_total", "_count", "_sum", "_bucket", "_info", "_created"]
                .iter()
                .any(|suffix| name.ends_with(suffix));
            if !(known && unit_fits && plain && is_name(name) && !help.is_empty()) {
                return Err(format!("the family {name} is not well described"));
            }
        }
        Ok(())
    }

    /// Buckets count up to the number of all, in the order of their bounds.
    fn check_histograms(&self) -> Result<(), String> {
        for family in self.families.iter().filter(|family| family.kind == "histogram") {
            let mut histograms: BTreeMap<_, Vec<&Sample>> = BTreeMap::new();
            for sample in self.samples.iter().filter(|sample| sample.name.starts_with(&family.name))
            {
                let mut labels = sample.labels.clone();
                labels.remove("le");
                histograms.entry(labels).or_default().push(sample);
            }
            for (labels, samples) in histograms {
                check_histogram(&samples).map_err(|rule| format!("{rule}: {labels:?}"))?;
            }
        }
        Ok(())
    }

    /// The value of one series.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: BTreeMap<_, _> = labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect();
        let found =
            self.samples.iter().find(|sample| sample.name == name && sample.labels == labels);
        found.map(|sample| sample.value)
    }
}

fn check_histogram(samples: &[&Sample]) -> Result<(), &'static str> {
    let ending =
        |end: &'static str| samples.iter().filter(move |sample| sample.name.ends_with(end));
    let mut last = (f64::NEG_INFINITY, 0.0);
    for bucket in ending("_bucket") {
        let bound = number(bucket.labels.get("le").ok_or("a bucket without a bound")?)?;
        if bound <= last.0 || bucket.value < last.1 {
            return Err("buckets do not go up");
        }
        last = (bound, bucket.value);
    }
    let count = ending("_count").next().ok_or("no count")?.value;
    let sum = ending("_sum").next().ok_or("no sum")?.value;
    if last != (f64::INFINITY, count) || sum < 0.0 {
        return Err("the buckets are not all that was counted");
    }
    Ok(())
}

fn belongs(sample: &Sample, family: &Family) -> Result<(), &'static str> {
    let suffix = sample.name.strip_prefix(&family.name).ok_or("not of this family")?;
    let fits = match family.kind.as_str() {
        "counter" => suffix == "_total",
        "gauge" => suffix.is_empty(),
        "info" => suffix == "_info" && sample.value.to_bits() == 1f64.to_bits(),
        "histogram" => ["_bucket", "_count", "_sum"].contains(&suffix),
        _ => false,
    };
    let whole = !["_bucket", "_count"].contains(&suffix) || !sample.text.contains('.');
    let bounded = (suffix == "_bucket") == sample.labels.contains_key("le");
    let never_below_zero = family.kind == "gauge" || sample.value >= 0.0;
    (fits && whole && bounded && never_below_zero).then_some(()).ok_or("not a sample of its type")
}

fn sample(line: &str) -> Result<Sample, &'static str> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").ok_or("a label without a value")?;
            let end = closing_quote(value).ok_or("a label that does not end")?;
            let text = unescape(&value[..end])?;
            if !is_name(label) || labels.insert(label.to_owned(), text).is_some() {
                return Err("a label that is no name, or twice");
            }
            rest = &value[end + 1..];
            match rest.split_at_checked(1) {
                Some((",", more)) => rest = more,
                Some(("}", more)) => break rest = more,
                _ => return Err("labels that do not end"),
            }
        }
    }
    let text = rest.strip_prefix(' ').ok_or("no space before the value")?;
    if !is_name(name) {
        return Err("no name");
    }
    Ok(Sample { name: name.to_owned(), labels, value: number(text)?, text: text.to_owned() })
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                _ => return Err("an escape that is none"),
            },
            '"' => return Err("a quote that is not escaped"),
            c => c,
        });
    }
    Ok(plain)
}

fn number(text: &str) -> Result<f64, &'static str> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ if text.contains(|c: char| !matches!(c, '0'..='9' | '.' | 'e' | '-' | '+')) => {
            Err("no number")
        }
        _ => text.parse().map_err(|_| "no number"),
    }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c == '_' || c.is_ascii_alphanumeric();
    text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) && text.chars().all(plain)
}

#[test]
fn the_checker_finds_what_it_looks_for() {
    let good = "# TYPE a counter\n# HELP a A.\na_total{k=\"x\\\"\\\\\\n\"} 1\n# EOF\n";
    let read = Exposition::read(good).expect("well formed");
    assert_eq!(read.value("a_total", &[("k", "x\"\\\n")]), Some(1.0));
    let histogram = "# TYPE h histogram\n# HELP h H.\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 3.5\n# EOF\n";
    assert!(Exposition::read(histogram).is_ok());
    for (text, from, to) in [
        (good, "# EOF\n", "# EOF"),
        (good, "a_total{", "a{"),
        (good, "a_total{", "b_total{"),
        (good, "} 1", "} -1"),
        (good, "} 1", "}1"),
        (good, "} 1", "} one"),
        (good, "\\\"", "\""),
        (good, "\\n", "\\t"),
        (good, "counter", "number"),
        (good, "# HELP a A.\n", ""),
        (good, "# HELP a A.\n", "# HELP a A.\n# UNIT a seconds\n"),
        (good, "# EOF\n", "a_total{k=\"x\\\"\\\\\\n\"} 1\n# EOF\n"),
        (good, "# EOF\n", "# TYPE a gauge\n# EOF\n"),
        (good, "# EOF\n", "# HELP a Again.\n# EOF\n"),
        (histogram, "+Inf", "0.5"),
        (histogram, "h_bucket{le=\"+Inf\"} 2\n", ""),
        (histogram, "} 2", "} 0"),
        (histogram, "h_count 2", "h_count 3"),
        (histogram, "h_count 2", "h_count 2.0"),
        (histogram, "h_sum 3.5\n", ""),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text);
        assert!(Exposition::read(&broken).is_err(), "{broken}");
    }
}
