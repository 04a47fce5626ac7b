//! An HdrHistogram interval log: one interval a second, one tag per lane, nanoseconds.

use std::{error::Error, io::Write, time::Duration};

use hdrhistogram::serialization::{
    V2DeflateSerializer,
    interval_log::{IntervalLogWriterBuilder, Tag},
};

use super::Report;
use crate::stats::by_second;

const SECOND: Duration = Duration::from_secs(1);

/// Writes the log. Intervals count from the beginning of the run.
///
/// # Errors
///
/// Whatever `out` says.
pub(crate) fn write(report: &Report, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!(
            "[rego run, scenario {}, seed {}; latencies in ns from the intended start]",
            report.scenario(),
            report.seed
        ))
        .with_start_time(report.began)
        .with_base_time(report.began)
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut out, &mut serializer)?;
    for lane in &report.lanes {
        let name = lane.name.replace(" + ", "+").replace(' ', "-");
        let tag = Tag::new(&name).ok_or("a lane's name cannot be a tag")?;
        for (second, histogram) in (0..).zip(by_second(&lane.samples)) {
            let start = lane.began + SECOND * second;
            log.write_histogram(&histogram, start, SECOND, Some(tag))
                .map_err(|error| format!("{error:?}"))?;
        }
    }
    drop(log);
    out.flush()?;
    Ok(())
}
