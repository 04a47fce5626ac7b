//! The caller of a race: it parks, is the timer of its own call, and takes the answer.

use std::sync::Arc;

use super::race::{By, Race, Start};
use crate::{
    call::Rules,
    drive::{
        Attempt, Error, Host, Options,
        ending::{Kept, conclude},
        plain,
        tell::Ended,
    },
    notes::Timeline,
    site::Site,
    sync::{Arc as Shared, Backoff, Parker, Shard},
    verdict::HedgeReason,
};

/// Runs a call on the executor's threads and waits for its answer.
pub(crate) fn race<T, E, F>(
    host: &Arc<Host>,
    site: &Shared<Site>,
    options: &Options,
    op: F,
    timeline: Option<&mut Option<Timeline>>,
) -> Result<T, Error<E>>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    let now = host.clock.now();
    if site.trust.is_lost(now) {
        return plain::run(host, site, options, op, timeline);
    }
    let number = host.tell_start(site, now);
    let parker = Parker::new();
    let terms = site.shared_terms();
    let idempotent = options.idempotent(&terms);
    let no_timer = terms.policy.hedge.enabled
        && host.alarms.as_ref().is_some_and(|alarms| !alarms.is_running());
    if no_timer {
        host.nobody_fires_hedges(site, now);
    }
    let no_hedging = no_timer.then_some(HedgeReason::NoTimer);
    let start = Start {
        terms,
        rules: Rules { idempotent, retries: !options.no_retries, no_hedging },
        now,
        number,
        deadline: options.deadline(now),
        caller: parker.unparker(),
    };
    let airborne = site.take_off(Shard::current());
    let race = Race::start(host, site, start, op);
    race.site.refresh_if_due(&race.terms, now);
    wait(&race, options, &parker);
    drop(airborne);
    take_answer(&race, timeline)
}

fn wait<T, E, F>(race: &Arc<Race<T, E, F>>, options: &Options, parker: &Parker)
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    let _cancelled_by_token = options.cancel.as_ref().map(|token| {
        let race = Arc::clone(race);
        token.signal().on_raise(move || race.cancel())
    });
    // Going to sleep and being woken costs tens of microseconds where processors halt, so a few of
    // them are spent looking first, as channels do.
    let look = Backoff::new();
    while !race.flight.is_over(race.generation) {
        if let Some(ticket) = race.here.take() {
            race.run_here(ticket);
            continue;
        }
        let until = race.wake_at();
        if !until.is_never() && race.host.clock.now() >= until {
            race.knock_time(By::Caller);
        } else if !look.is_completed() {
            look.snooze();
        } else {
            race.host.clock.park_until(parker, until);
        }
    }
    race.leave();
}

fn take_answer<T, E, F>(
    race: &Arc<Race<T, E, F>>,
    timeline: Option<&mut Option<Timeline>>,
) -> Result<T, Error<E>>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    let (verdict, call, kept) = race.after(|machine| {
        let verdict = machine.verdict();
        let facts = Ended {
            site: &race.site,
            terms: &race.terms,
            call: &machine.call,
            notes: &machine.notes,
            verdict,
            started: race.started,
            first_started: machine.first_started.unwrap_or(race.started),
            ended: machine.call.now(),
        };
        if let Some(listener) = &race.host.listener {
            facts.tell(&**listener, race.number, machine.told);
        }
        if let Some(timeline) = timeline {
            *timeline = Some(facts.timeline());
        }
        (verdict, machine.call, std::mem::replace(&mut machine.kept, Kept::Nothing))
    });
    conclude(verdict, &call, kept)
}
