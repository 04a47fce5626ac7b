//! Timelines as JSON.

use std::{error, fmt};

use super::{Timeline, TimelineRecord};

/// A text is not the JSON of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineError {
    message: String,
}

impl Timeline {
    /// The timeline as one JSON object on one line, as [`TimelineRecord`] has its fields. Times are
    /// nanoseconds on the engine's clock; reasons have the names that metrics have. Fields may be
    /// added.
    ///
    /// Allocates; microseconds.
    ///
    /// ```
    /// use rego::{Engine, TimelineRecord};
    ///
    /// let engine = Engine::builder().build()?;
    /// let (_, timeline) = engine.run_with_timeline("svc.Get", |_| Ok::<_, std::io::Error>(7));
    /// let read = TimelineRecord::from_json(&timeline.to_json())?;
    /// assert_eq!(read.to_string(), timeline.to_string());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_record().to_json()
    }
}

impl TimelineRecord {
    /// Reads what [`Timeline::to_json`] wrote. Fields that are not known are passed over.
    ///
    /// ```
    /// use rego::TimelineRecord;
    ///
    /// let error = TimelineRecord::from_json(r#"{"key":"svc.Get"}"#).unwrap_err();
    /// assert_eq!(error.to_string(), "line 1, column 17: missing field `policy`");
    /// ```
    ///
    /// # Errors
    ///
    /// The text is no JSON object, a field is missing or of another type, or the call or an attempt
    /// of it ends before it starts.
    pub fn from_json(text: &str) -> Result<Self, TimelineError> {
        let record: Self = serde_json::from_str(text).map_err(|error| TimelineError::of(&error))?;
        record.check()?;
        Ok(record)
    }

    /// Reads all timelines of a text: one after another, as in a file with one a line, or in a list.
    ///
    /// # Errors
    ///
    /// As [`TimelineRecord::from_json`], of the first that is wrong; or there is none.
    pub fn all_from_json(text: &str) -> Result<Vec<Self>, TimelineError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = if text.trim_start().starts_with('[') {
            serde_json::from_str(text)
        } else {
            serde_json::Deserializer::from_str(text).into_iter().collect()
        };
        let records: Vec<Self> = read.map_err(|error| TimelineError::of(&error))?;
        if records.is_empty() {
            return Err(TimelineError { message: "there is no timeline".to_owned() });
        }
        for (nth, record) in records.iter().enumerate() {
            record.check().map_err(|TimelineError { message }| match records.len() {
                1 => TimelineError { message },
                _ => TimelineError { message: format!("timeline {}: {message}", nth + 1) },
            })?;
        }
        Ok(records)
    }

    /// The record as one JSON object on one line: see [`Timeline::to_json`].
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts, under names that are texts")
    }

    fn check(&self) -> Result<(), TimelineError> {
        if self.ended < self.started {
            return Err(TimelineError { message: "the call ends before it starts".to_owned() });
        }
        let backwards = self.attempts.iter().find(|line| {
            line.started < line.queued || line.ended.is_some_and(|ended| ended < line.queued)
        });
        backwards.map_or(Ok(()), |line| {
            let message = format!("attempt {} ends before it starts", line.attempt);
            Err(TimelineError { message })
        })
    }
}

impl TimelineError {
    fn of(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {line} column {column}");
        let text = text.strip_suffix(&place).unwrap_or(&text);
        Self { message: format!("line {line}, column {column}: {text}") }
    }
}

impl fmt::Display for TimelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for TimelineError {}

/// Times as whole nanoseconds.
pub(super) mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::clock::Nanos;

    pub(crate) fn serialize<S: Serializer>(time: &Nanos, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.as_nanos())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Nanos, D::Error> {
        u64::deserialize(from).map(Nanos::from_nanos)
    }
}

/// Times that may not have come.
pub(super) mod maybe_nanos {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::clock::Nanos;

    pub(crate) fn serialize<S: Serializer>(time: &Option<Nanos>, to: S) -> Result<S::Ok, S::Error> {
        time.map(Nanos::as_nanos).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Nanos>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Nanos::from_nanos))
    }
}

/// An object of names and values, in its own order.
pub(super) mod pairs {
    use std::fmt;

    use serde::{
        Deserializer, Serializer,
        de::{MapAccess, Visitor},
    };

    use super::super::Name;

    pub(crate) fn serialize<S: Serializer>(
        pairs: &[(Name, String)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(pairs.iter().map(|(name, value)| (name, value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(Name, String)>, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(Name, String)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    pairs.push((name.into(), value));
                }
                Ok(pairs)
            }
        }
        from.deserialize_map(Pairs)
    }
}
