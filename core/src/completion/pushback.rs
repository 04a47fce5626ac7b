//! What a server says about trying again, and the headers it says it in.

use std::time::SystemTime;

use httpdate::parse_http_date;

use crate::clock::Nanos;

/// What the server said about trying again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pushback {
    /// Nothing.
    #[default]
    None,
    /// Not before this much time has passed.
    RetryAfter(Nanos),
    /// Not at all (gRPC's negative `grpc-retry-pushback-ms`).
    DoNotRetry,
}

impl Pushback {
    /// Reads HTTP's `Retry-After` ([RFC 9110, 10.2.3]): seconds, or a date in any of HTTP's three
    /// forms. A date counts from the response's own `Date`, else from `wall_now`, and one that has
    /// passed is no wait. What is neither says nothing.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use rego::{Nanos, Pushback};
    ///
    /// let now = SystemTime::now();
    /// let wait = Pushback::from_retry_after("120", None, now);
    /// assert_eq!(wait, Pushback::RetryAfter(Nanos::from_secs(120)));
    /// assert_eq!(Pushback::from_retry_after("soon", None, now), Pushback::None);
    /// ```
    ///
    /// [RFC 9110, 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    #[must_use]
    pub fn from_retry_after(value: &str, date: Option<&str>, wall_now: SystemTime) -> Self {
        retry_after(value, date, wall_now).map_or(Self::None, Self::RetryAfter)
    }

    /// Reads gRPC's `grpc-retry-pushback-ms` ([gRFC A6]): milliseconds. What is negative, greater
    /// than an `i32`, or no number at all means: not at all.
    ///
    /// ```
    /// use rego::{Nanos, Pushback};
    ///
    /// assert_eq!(Pushback::from_grpc("40"), Pushback::RetryAfter(Nanos::from_millis(40)));
    /// assert_eq!(Pushback::from_grpc("-1"), Pushback::DoNotRetry);
    /// ```
    ///
    /// [gRFC A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    #[must_use]
    pub fn from_grpc(millis: &str) -> Self {
        let millis = trimmed(millis);
        match millis.parse::<i32>() {
            // The check is for the plus sign, which Rust reads and the header's grammar does not.
            Ok(number) if is_digits(millis) => {
                Self::RetryAfter(Nanos::from_millis(number.unsigned_abs().into()))
            }
            _ => Self::DoNotRetry,
        }
    }
}

fn retry_after(value: &str, date: Option<&str>, wall_now: SystemTime) -> Option<Nanos> {
    let value = trimmed(value);
    if is_digits(value) {
        // Digits fail to be a number only by being too many.
        return Some(value.parse().map_or(Nanos::NEVER, Nanos::from_secs));
    }
    let until = parse_http_date(value).ok()?;
    let now = date.and_then(|date| parse_http_date(date).ok()).unwrap_or(wall_now);
    Some(until.duration_since(now).map_or(Nanos::ZERO, Nanos::from))
}

/// Without the white space that may stand around a header's value.
fn trimmed(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

fn is_digits(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn read(value: &str, date: Option<&str>) -> Option<Nanos> {
        retry_after(value, date, now())
    }

    #[test]
    fn seconds_are_read() {
        for (value, wait) in [
            ("0", Some(Nanos::ZERO)),
            ("7", Some(Nanos::from_secs(7))),
            (" 7\t", Some(Nanos::from_secs(7))),
            ("007", Some(Nanos::from_secs(7))),
            ("86400", Some(Nanos::from_secs(86_400))),
            // More than 584 years, more than a u64.
            ("18446744073709551615", Some(Nanos::NEVER)),
            ("99999999999999999999999999", Some(Nanos::NEVER)),
            ("", None),
            (" ", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1s", None),
            ("0x10", None),
            ("٣", None),
            ("1 2", None),
            ("soon", None),
        ] {
            assert_eq!(read(value, None), wait, "{value:?}");
        }
    }

    #[test]
    fn http_date_form_is_read() {
        let wait = Some(Nanos::from_secs(23));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:00 GMT", None), wait);
        assert_eq!(read("Sunday, 06-Nov-94 08:50:00 GMT", None), wait);
        assert_eq!(read("Sun Nov  6 08:50:00 1994", None), wait);
        assert_eq!(read("\tSun, 06 Nov 1994 08:50:00 GMT ", None), wait);
        for garbage in [
            "Sun, 06 Nov 1994 08:50:00",
            "Mon, 06 Nov 1994 08:50:00 GMT",
            "Sun, 31 Feb 1994 08:50:00 GMT",
            "Sun, 06 Nov 1994 25:50:00 GMT",
            "1994-11-06T08:50:00Z",
        ] {
            assert_eq!(read(garbage, None), None, "{garbage:?}");
        }
    }

    #[test]
    fn a_date_counts_from_the_servers_own_clock() {
        let until = "Sun, 06 Nov 1994 08:50:00 GMT";
        assert_eq!(read(until, Some("Sun, 06 Nov 1994 08:49:58 GMT")), Some(Nanos::from_secs(2)));
        assert_eq!(read(until, Some("yesterday")), Some(Nanos::from_secs(23)));
    }

    #[test]
    fn a_date_that_has_passed_is_no_wait() {
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT", None), Some(Nanos::ZERO));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT", None), Some(Nanos::ZERO));
        let later = Some("Sun, 06 Nov 1994 08:50:01 GMT");
        assert_eq!(read("Sun, 06 Nov 1994 08:50:00 GMT", later), Some(Nanos::ZERO));
    }

    #[test]
    fn the_last_date_there_is_does_not_overflow() {
        assert_eq!(read("Fri, 31 Dec 9999 23:59:59 GMT", None), Some(Nanos::NEVER));
    }

    #[test]
    fn grpc_pushback_that_is_no_wait_means_do_not_retry() {
        for (millis, pushback) in [
            ("0", Pushback::RetryAfter(Nanos::ZERO)),
            ("250", Pushback::RetryAfter(Nanos::from_millis(250))),
            (" 250 ", Pushback::RetryAfter(Nanos::from_millis(250))),
            ("2147483647", Pushback::RetryAfter(Nanos::from_millis(2_147_483_647))),
            ("2147483648", Pushback::DoNotRetry),
            ("99999999999999999999", Pushback::DoNotRetry),
            ("-1", Pushback::DoNotRetry),
            ("+1", Pushback::DoNotRetry),
            ("1.5", Pushback::DoNotRetry),
            ("", Pushback::DoNotRetry),
            ("later", Pushback::DoNotRetry),
        ] {
            assert_eq!(Pushback::from_grpc(millis), pushback, "{millis:?}");
        }
    }

    /// Texts near to dates and numbers: noise alone never gets past the first check.
    fn header() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[-+]?[0-9]{0,30}",
            "(Sun|Mon|Wednesday)[, ]{1,2}[0-9]{1,2}[- ](Nov|Feb|Xxx)[- ][0-9]{2,4} [0-9:]{5,8} GMT",
            "(Sun|Mon) (Nov|Feb) [ 0-9][0-9] [0-9:]{8} [0-9]{4}",
        ]
    }

    proptest! {
        #[test]
        fn no_header_panics(
            value in header(),
            date in proptest::option::of(header()),
            seconds in 0..=u64::MAX,
        ) {
            let wall = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or_else(now);
            let _ = Pushback::from_retry_after(&value, date.as_deref(), wall);
            let _ = Pushback::from_grpc(&value);
        }

        #[test]
        fn every_second_is_read_in_both_forms(wait in 0..=4_000_000_000_u64) {
            let expected = Some(Nanos::from_secs(wait));
            prop_assert_eq!(read(&wait.to_string(), None), expected);
            let until = httpdate::fmt_http_date(now() + Duration::from_secs(wait));
            prop_assert_eq!(read(&until, None), expected);
        }
    }
}
