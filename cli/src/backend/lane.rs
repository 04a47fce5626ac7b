//! What one lane's requests get, and what is counted of them.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime},
};

use super::{Tally, request::Request};
use crate::scenario::{Ask, Fate, Model};

/// The scenario's clock and memory for one lane.
pub(super) struct Lane {
    model: Model,
    begin: Option<Instant>,
    not_before: HashMap<u64, Instant>,
    strangers: u64,
    tally: Tally,
}

/// What to do with a request, and when.
pub(super) struct Reply {
    pub(super) after: Duration,
    /// `None` resets the connection.
    pub(super) response: Option<Vec<u8>>,
}

impl Lane {
    pub(super) fn new(model: Model) -> Self {
        let tally = Tally::default();
        Self { model, begin: None, not_before: HashMap::new(), strangers: 0, tally }
    }

    pub(super) fn begin(&mut self, begin: Instant) {
        *self = Self { begin: Some(begin), ..Self::new(self.model) };
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn count_cancelled(&mut self) {
        self.tally.cancelled += 1;
    }

    /// Decides what `request` gets, which has arrived `now`.
    pub(super) fn decide(&mut self, request: &Request, now: Instant) -> Reply {
        let Some(call) = request.call else {
            self.strangers += 1;
            let after = self.model.usual(self.strangers);
            return Reply { after, response: Some(respond("200 OK", "", request)) };
        };
        self.tally.arrivals += 1;
        let at = self.begin.and_then(|begin| now.checked_duration_since(begin));
        match self.model.fate(at, call, request.attempt) {
            Fate::Answer { after } => {
                Reply { after, response: Some(respond("200 OK", "", request)) }
            }
            Fate::Fail { after } => {
                let response = respond("503 Service Unavailable", "", request);
                Reply { after, response: Some(response) }
            }
            Fate::Reset { after } => Reply { after, response: None },
            Fate::PushBack { after, ask } => self.push_back(request, call, now, after, ask),
        }
    }

    /// The first attempt of the call is asked to come back later, and so is everyone who comes
    /// too early; whoever waited is answered.
    fn push_back(
        &mut self,
        request: &Request,
        call: u64,
        now: Instant,
        after: Duration,
        ask: Ask,
    ) -> Reply {
        let first = now + after + Duration::from_secs(ask.seconds);
        let is_new = !self.not_before.contains_key(&call);
        let not_before = *self.not_before.entry(call).or_insert(first);
        if now >= not_before {
            let after = self.model.usual(call);
            return Reply { after, response: Some(respond("200 OK", "", request)) };
        }
        self.tally.pushed_back += u64::from(is_new);
        self.tally.early += u64::from(!is_new && request.told > 0);
        let wait = not_before.duration_since(now + after).as_secs_f64().ceil() as u64;
        let status =
            if ask.status == 429 { "429 Too Many Requests" } else { "503 Service Unavailable" };
        Reply { after, response: Some(respond(status, &retry_after(wait, ask.as_date), request)) }
    }
}

fn retry_after(seconds: u64, as_date: bool) -> String {
    let now = SystemTime::now();
    let date = httpdate::fmt_http_date(now);
    let value = if as_date {
        httpdate::fmt_http_date(now + Duration::from_secs(seconds))
    } else {
        seconds.to_string()
    };
    format!("date: {date}\r\nretry-after: {value}\r\n")
}

fn respond(status: &str, headers: &str, request: &Request) -> Vec<u8> {
    let connection = if request.keep_alive { "" } else { "connection: close\r\n" };
    let (_, reason) = status.split_once(' ').unwrap_or(("", status));
    let body = if request.is_head { String::new() } else { format!("{reason}\n") };
    let length = reason.len() + 1;
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
         {headers}{connection}\r\n{body}"
    )
    .into_bytes()
}

/// The last words to someone whose request cannot be read.
pub(super) fn refuse(status: &str) -> Vec<u8> {
    respond(status, "", &Request::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn pushed_back(model: &Model) -> (u64, Ask) {
        (0..)
            .find_map(|call| match model.fate(None, call, 0) {
                Fate::PushBack { ask, .. } => Some((call, ask)),
                _ => None,
            })
            .expect("one call in 25 is pushed back")
    }

    fn status(reply: &Reply) -> String {
        let response = reply.response.as_deref().expect("nothing is reset here");
        String::from_utf8_lossy(&response[9..12]).into_owned()
    }

    #[test]
    fn who_comes_back_early_is_counted_and_asked_again() {
        let model = Model::new(Scenario::Pushback, 1, Duration::from_secs(10));
        let (call, ask) = pushed_back(&model);
        let mut lane = Lane::new(model);
        let begin = Instant::now();
        lane.begin(begin);
        let request = |attempt, told| Request {
            call: Some(call),
            attempt,
            told,
            keep_alive: true,
            is_head: false,
        };

        let first = lane.decide(&request(0, 0), begin);
        assert_eq!(status(&first), ask.status.to_string());
        let hedge = lane.decide(&request(1, 0), begin + Duration::from_millis(1));
        assert_eq!(status(&hedge), ask.status.to_string());
        assert_eq!(lane.tally().early, 0, "it did not know");

        let early = begin + Duration::from_secs(ask.seconds);
        assert_eq!(status(&lane.decide(&request(2, 1), early)), ask.status.to_string());
        assert_eq!(lane.tally().early, 1);

        let late = early + first.after;
        assert_eq!(status(&lane.decide(&request(3, 1), late)), "200");
        let expected = Tally { arrivals: 4, cancelled: 0, pushed_back: 1, early: 1 };
        assert_eq!(lane.tally(), expected);
    }

    #[test]
    fn a_new_lane_starts_afresh() {
        let model = Model::new(Scenario::Pushback, 1, Duration::from_secs(10));
        let (call, ask) = pushed_back(&model);
        let mut lane = Lane::new(model);
        let begin = Instant::now();
        let request = Request { call: Some(call), ..Request::default() };
        for _ in 0..2 {
            lane.begin(begin);
            assert_eq!(status(&lane.decide(&request, begin)), ask.status.to_string());
            assert_eq!((lane.tally().pushed_back, lane.tally().arrivals), (1, 1));
        }
    }

    #[test]
    fn a_date_is_as_far_away_as_the_seconds_say() {
        let text = retry_after(2, true);
        let dates: Vec<SystemTime> = text
            .lines()
            .map(|line| line.split_once(": ").expect("a header has a value").1)
            .map(|value| httpdate::parse_http_date(value).expect("both are dates"))
            .collect();
        assert_eq!(dates[1].duration_since(dates[0]).ok(), Some(Duration::from_secs(2)));
    }
}
