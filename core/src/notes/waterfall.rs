//! A timeline as a waterfall in the terminal.

use std::fmt;

use super::{AttemptRecord, Event, Timeline};
use crate::{clock::Nanos, verdict::HedgeReason};

/// How many characters the bars have.
const WIDTH: usize = 48;

impl fmt::Display for Timeline {
    /// One line for the call, one bar per attempt on a common scale, one line per remark.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = &self.call;
        let took = call.ended - call.started;
        write!(f, "{}  {}  {}", call.key, call.verdict, short(took))?;
        let named = [&call.policy_id, &call.policy_version].into_iter().filter(|it| !it.is_empty());
        for (index, name) in named.enumerate() {
            write!(f, "{} {name}", if index == 0 { "  policy" } else { "" })?;
        }
        writeln!(f)?;
        let attempts = self.attempts();
        let end = attempts.iter().filter_map(|record| record.ended).fold(call.ended, Ord::max);
        let scale = Scale { from: call.started, length: end - call.started };
        for record in &attempts {
            let won = call.answer == Some(record.attempt) && call.verdict.is_success();
            bar(f, record, scale, end, won)?;
        }
        for note in &self.notes {
            remark(f, note.at - call.started, note.what)?;
        }
        if self.notes_dropped > 0 {
            writeln!(f, "  … and {} notes more than there is room for", self.notes_dropped)?;
        }
        for attribute in &self.attributes {
            writeln!(f, "  {} = {}", attribute.name, attribute.value)?;
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
    record: &AttemptRecord,
    scale: Scale,
    end: Nanos,
    won: bool,
) -> fmt::Result {
    let ended = record.ended.unwrap_or(end);
    let (queued, from) = (scale.column(record.queued), scale.column(record.started));
    let to = scale.column(ended).max(from + 1).min(WIDTH.max(from + 1));
    let body = match (won, record.cancelled) {
        (true, _) => '█',
        (false, Some(_)) => '░',
        (false, None) => '▒',
    };
    write!(f, "  #{:<2} {:<5} ", record.attempt, record.kind.label())?;
    for column in 0..=WIDTH {
        let mark = match column {
            _ if (from..to).contains(&column) => body,
            _ if (queued..from).contains(&column) => '·',
            _ => ' ',
        };
        write!(f, "{mark}")?;
    }
    write!(f, " {:>8}  ", short(ended - record.started))?;
    match (record.cancelled, record.outcome) {
        (Some(reason), _) => write!(f, "cancelled: {}", reason.label())?,
        (None, Some(outcome)) => write!(f, "{}", outcome.reason)?,
        (None, None) => f.write_str("still running")?,
    }
    if record.backoff > Nanos::ZERO {
        write!(f, ", after a backoff of {}", short(record.backoff))?;
    }
    if record.late {
        f.write_str(", late")?;
    }
    writeln!(f)
}

fn remark(f: &mut fmt::Formatter<'_>, at: Nanos, what: Event) -> fmt::Result {
    match what {
        Event::Budget { kind, cost, decision } if !decision.is_allowed() => {
            writeln!(
                f,
                "  {:>8}  {} budget {} (cost {cost})",
                short(at),
                kind.label(),
                decision.label()
            )
        }
        // The budget's own word stands above.
        Event::HedgeSkipped { reason: HedgeReason::Denied } => Ok(()),
        Event::HedgeSkipped { reason } => {
            writeln!(f, "  {:>8}  no hedge: {}", short(at), reason.label())
        }
        Event::WouldHave { kind } => {
            writeln!(f, "  {:>8}  would have launched a {}", short(at), kind.label())
        }
        Event::WouldNotFit { wait } => writeln!(
            f,
            "  {:>8}  a backoff of {} would have passed the deadline",
            short(at),
            short(wait)
        ),
        _ => Ok(()),
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
