//! A timeline as a waterfall in the terminal.

use std::fmt;

use super::{AttemptLine, NotDone, Remark, Timeline, TimelineRecord};
use crate::{
    clock::Nanos,
    verdict::{HedgeReason, Verdict},
};

/// How many characters the bars have.
const WIDTH: usize = 48;

impl fmt::Display for Timeline {
    /// One line for the call, one bar per attempt on a common scale, one line per remark.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_record(), f)
    }
}

impl fmt::Display for TimelineRecord {
    /// One line for the call, one bar per attempt on a common scale, one line per remark.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.key, self.verdict, short(self.ended - self.started))?;
        let named = [&self.policy.id, &self.policy.version];
        for (index, name) in named.into_iter().filter(|it| !it.is_empty()).enumerate() {
            write!(f, "{} {name}", if index == 0 { "  policy" } else { "" })?;
        }
        writeln!(f)?;
        let ends = self.attempts.iter().filter_map(|line| line.ended);
        let end = ends.fold(self.ended, Ord::max);
        let scale = Scale { from: self.started, length: end - self.started };
        let is_success = self.verdict == Verdict::Success.label();
        for line in &self.attempts {
            let won = is_success && self.answer == Some(line.attempt);
            bar(f, line, scale, end, won)?;
        }
        for remark in &self.remarks {
            tell(f, remark, self.started)?;
        }
        if self.notes_dropped > 0 {
            writeln!(f, "  … and {} notes more than there is room for", self.notes_dropped)?;
        }
        for (name, value) in &self.attributes {
            writeln!(f, "  {name} = {value}")?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Scale {
    from: Nanos,
    length: Nanos,
}

impl Scale {
    fn column(self, at: Nanos) -> usize {
        let length = self.length.as_nanos().max(1);
        let at = (at - self.from).as_nanos().min(length);
        let column = u128::from(at) * WIDTH as u128 / u128::from(length);
        usize::try_from(column).unwrap_or(WIDTH)
    }
}

fn bar(
    f: &mut fmt::Formatter<'_>,
    line: &AttemptLine,
    scale: Scale,
    end: Nanos,
    won: bool,
) -> fmt::Result {
    let ended = line.ended.unwrap_or(end);
    let (queued, from) = (scale.column(line.queued), scale.column(line.started));
    let to = scale.column(ended).max(from + 1).min(WIDTH.max(from + 1));
    let body = match (won, &line.cancelled) {
        (true, _) => '█',
        (false, Some(_)) => '░',
        (false, None) => '▒',
    };
    write!(f, "  #{:<2} {:<5} ", line.attempt, line.kind)?;
    for column in 0..=WIDTH {
        let mark = match column {
            _ if (from..to).contains(&column) => body,
            _ if (queued..from).contains(&column) => '·',
            _ => ' ',
        };
        write!(f, "{mark}")?;
    }
    write!(f, " {:>8}  ", short(ended - line.started))?;
    match (&line.cancelled, &line.reason) {
        (Some(reason), _) => write!(f, "cancelled: {reason}")?,
        (None, Some(reason)) => f.write_str(reason)?,
        (None, None) if line.rejected => f.write_str("rejected: nobody would run it")?,
        (None, None) => f.write_str("still running")?,
    }
    if line.backoff > Nanos::ZERO {
        write!(f, ", after a backoff of {}", short(line.backoff))?;
    }
    if line.late {
        f.write_str(", late")?;
    }
    writeln!(f)
}

fn tell(f: &mut fmt::Formatter<'_>, remark: &Remark, started: Nanos) -> fmt::Result {
    let at = short(remark.at - started);
    match &remark.what {
        NotDone::Denied { kind, cost, decision } => {
            writeln!(f, "  {at:>8}  {kind} budget {decision} (cost {cost})")
        }
        // The budget's own word stands above.
        NotDone::HedgeSkipped { reason } if reason == HedgeReason::Denied.label() => Ok(()),
        NotDone::HedgeSkipped { reason } => writeln!(f, "  {at:>8}  no hedge: {reason}"),
        NotDone::WouldHave { kind } => writeln!(f, "  {at:>8}  would have launched a {kind}"),
        NotDone::WouldNotFit { wait } => {
            writeln!(f, "  {at:>8}  a backoff of {} would have passed the deadline", short(*wait))
        }
        NotDone::Unknown => Ok(()),
    }
}

/// Three significant figures and a unit.
#[expect(clippy::cast_precision_loss, reason = "three figures for people")]
fn short(length: Nanos) -> String {
    let nanos = length.as_nanos();
    let (value, unit) = match nanos {
        0 => return "0".to_owned(),
        1..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let decimals = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}
