//! Prints `docs/reference/reasons.md`.

use rego::{BudgetDecision, HedgeReason, PolicySource, Reason, Verdict};

fn main() {
    println!("# Reasons\n");
    println!("Every name that records and metrics give a reason, and what it means. The lists are");
    println!("closed. This page is generated: `cargo xtask gen`.");
    let verdicts = Verdict::ALL.map(|verdict| (verdict.label(), verdict.describe()));
    section(
        "How a call ends",
        "In the order of precedence: where several hold at once, the first is told.",
        &verdicts,
    );
    let reasons: Vec<_> =
        Reason::EXAMPLES.iter().map(|reason| (family(*reason), reason.describe())).collect();
    section("How an attempt ends", "", &reasons);
    let decisions = BudgetDecision::ALL.map(|decision| (decision.label(), decision.describe()));
    section("What a budget says of an extra attempt", "", &decisions);
    let hedges = HedgeReason::ALL.map(|reason| (reason.label(), reason.describe()));
    section("Why a hedge is not launched, or not as the policy asks for", "", &hedges);
    let sources = PolicySource::ALL.map(|source| (source.label(), source.describe()));
    section("Where a policy comes from", "", &sources);
}

/// The name of a reason, with a place for what it carries.
fn family(reason: Reason) -> String {
    match reason {
        Reason::Http(_) => "http_STATUS".to_owned(),
        Reason::Grpc(_) => "grpc_CODE".to_owned(),
        Reason::Io(_) => "io_KIND".to_owned(),
        Reason::Errno(_) => "errno_NUMBER".to_owned(),
        reason => reason.label().into_owned(),
    }
}

fn section<N: AsRef<str>>(title: &str, note: &str, rows: &[(N, &str)]) {
    println!("\n## {title}\n");
    if !note.is_empty() {
        println!("{note}\n");
    }
    println!("| name | what it means |\n|---|---|");
    for (name, meaning) in rows {
        println!("| `{}` | {meaning} |", name.as_ref());
    }
}
