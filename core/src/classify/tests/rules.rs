//! What no table says: idempotency, the word of the server, panics, and what holds for any facts.

use super::*;

#[test]
fn post_is_not_retried_after_a_timeout() {
    for declared in DECLARED {
        for classifier in [Http, Auto, Io, Grpc] {
            let facts = Completion::timeout().method(Method::Post);
            let outcome = judge(&built_in(classifier), &facts, &Context::new(declared));
            let expected = Outcome::non_retryable(Class::Timeout);
            assert_eq!(outcome, expected.because(Reason::HttpNonIdempotent));
        }
    }
    assert_eq!(kind(Completion::http(504).method(Method::Patch)), OutcomeKind::NonRetryable);
    assert_eq!(kind(Completion::timeout().method(Method::Get)), OutcomeKind::Retryable);
}

#[test]
fn post_is_retried_when_it_was_not_processed() {
    let refused = Completion::io(ErrorKind::ConnectionRefused);
    for facts in [refused, Completion::http(429), Completion::timeout().not_sent()] {
        assert_eq!(kind(facts.method(Method::Post)), OutcomeKind::Retryable, "{facts:?}");
    }
}

#[test]
fn a_wrapped_io_error_is_not_always_retried() {
    #[derive(Debug)]
    struct Wrapped(std::io::Error);
    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the request failed")
        }
    }
    impl std::error::Error for Wrapped {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let facts = |kind: ErrorKind| Completion::from_error(&Wrapped(kind.into()));
    assert_eq!(ask(Http, facts(ErrorKind::InvalidData)).kind, OutcomeKind::NonRetryable);
    assert_eq!(ask(Http, facts(ErrorKind::ConnectionReset)).kind, OutcomeKind::Retryable);
    let post = facts(ErrorKind::ConnectionReset).method(Method::Post);
    assert_eq!(ask(Http, post).kind, OutcomeKind::NonRetryable);
}

#[test]
fn http_501_and_505_are_not_retried() {
    for status in [501, 505] {
        for classifier in [Http, Auto] {
            let outcome = ask(classifier, Completion::http(status).method(Method::Get));
            let expected = Outcome::non_retryable(Class::Server);
            assert_eq!(outcome, expected.because(Reason::HttpNonRetryableStatus));
        }
    }
}

#[test]
fn http_500_is_configurable() {
    let strict = custom(HttpClassifier::new().retry_500(false));
    check(&strict, Completion::http(500), Refused(Class::Server, Reason::HttpNonRetryableStatus));
    for status in (0..=700).filter(|&status| status != 500) {
        check(&strict, Completion::http(status), status_row(status));
    }
}

/// Sun, 06 Nov 1994 08:49:37 GMT.
fn wall_now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

#[test]
fn retry_after_on_503_is_read() {
    for status in [503, 429] {
        let facts = Completion::http_with_headers(status, "GET", Some("7"), None, wall_now());
        let outcome = ask(Auto, facts);
        assert_eq!(outcome.kind, OutcomeKind::Retryable);
        assert_eq!(outcome.class, Class::Throttled);
        assert_eq!(outcome.backoff_override, Some(Nanos::from_secs(7)));
    }
}

#[test]
fn retry_after_in_the_http_date_form_is_read() {
    let until = Some("Sun, 06 Nov 1994 08:49:47 GMT");
    let date = Some("Sun, 06 Nov 1994 08:49:45 GMT");
    for (date, seconds) in [(None, 10), (date, 2)] {
        let facts = Completion::http_with_headers(503, "GET", until, date, wall_now());
        assert_eq!(ask(Http, facts).backoff_override, Some(Nanos::from_secs(seconds)));
    }
}

#[test]
fn retry_after_elsewhere_is_not_read() {
    for status in [408, 425, 500, 502, 504] {
        let facts = Completion::http(status).retry_after(Nanos::from_secs(7));
        let outcome = ask(Http, facts);
        assert_eq!((outcome.kind, outcome.backoff_override), (OutcomeKind::Retryable, None));
    }
    let facts = Completion::http(404).retry_after(Nanos::from_secs(7));
    assert_eq!(ask(Http, facts).backoff_override, None);
}

#[test]
fn headers_that_say_nothing_change_nothing() {
    let facts = Completion::http_with_headers(503, "GET", Some("soon"), None, wall_now());
    assert_eq!(facts, Completion::http(503).method(Method::Get));
    let facts = Completion::http_with_headers(503, "post", None, Some("7"), wall_now());
    assert_eq!(facts, Completion::http(503).method(Method::Post));
}

#[test]
fn grpc_pushback_is_heeded() {
    let pushed = |millis| ask(Grpc, Completion::grpc(14).pushback(Pushback::from_grpc(millis)));
    let waiting = pushed("40");
    assert_eq!(waiting.kind, OutcomeKind::Retryable);
    assert_eq!(waiting.backoff_override, Some(Nanos::from_millis(40)));
    for no in ["-1", "later"] {
        let expected = Outcome::non_retryable(Class::Throttled).because(Reason::Grpc(14));
        assert_eq!(pushed(no), expected);
        assert!(!expected.is_answer(), "a server that pushes back funds no budget");
    }
}

#[test]
fn do_not_retry_stands_against_every_classifier() {
    let facts = Completion::app(1).do_not_retry();
    let eager = |_: &Completion, _: &Context| {
        Outcome::retryable(Class::Server).backoff(Nanos::from_millis(1))
    };
    for classifier in [built_in(Always), built_in(Auto), custom(eager)] {
        let outcome = judge(&classifier, &facts, &Context::default());
        assert_eq!(outcome.kind, OutcomeKind::NonRetryable, "{classifier:?}");
        assert_eq!(outcome.backoff_override, None);
    }
    assert_eq!(kind(Completion::ok().do_not_retry()), OutcomeKind::Success);
}

#[test]
fn a_servers_wait_is_never_shortened_by_a_classifier() {
    let own = custom(|_: &Completion, _: &Context| {
        Outcome::retryable(Class::Server).backoff(Nanos::from_secs(3))
    });
    for (asked, wait) in [(1, 3), (5, 5)] {
        let facts = Completion::app(1).retry_after(Nanos::from_secs(asked));
        let outcome = judge(&own, &facts, &Context::default());
        assert_eq!(outcome.backoff_override, Some(Nanos::from_secs(wait)));
    }
}

#[test]
fn unavailable_is_retried_for_any_call() {
    let no = Context::new(Idempotent::No);
    let sent = judge(&built_in(Grpc), &Completion::grpc(14), &no);
    assert_eq!(sent, Outcome::retryable(Class::Transient).because(Reason::Grpc(14)));
    let not_sent = judge(&built_in(Grpc), &Completion::grpc(14).not_sent(), &no);
    assert_eq!(not_sent, sent);
}

#[test]
fn a_failure_that_only_idempotency_stops_funds_no_budget() {
    let no = Context::new(Idempotent::No);
    for facts in [
        Completion::http(503),
        Completion::http(503).method(Method::Post),
        Completion::grpc(4),
        Completion::io(ErrorKind::ConnectionReset),
        Completion::app(0),
    ] {
        let outcome = judge(&built_in(Auto), &facts, &no);
        assert_eq!(outcome.kind, OutcomeKind::NonRetryable);
        assert!(!outcome.is_answer(), "{facts:?}");
    }
    assert!(!ask(Auto, Completion::io(ErrorKind::PermissionDenied)).is_answer());
    assert!(ask(Auto, Completion::http(404)).is_answer());
    assert!(ask(Auto, Completion::grpc(5)).is_answer());
}

#[test]
fn a_panicking_operation_ends_the_call_whatever_the_classifier() {
    let forgiving = custom(|_: &Completion, _: &Context| Outcome::retryable(Class::Unknown));
    for classifier in [forgiving, built_in(Always), built_in(Auto)] {
        let outcome = judge(&classifier, &Completion::panic(), &Context::default());
        assert_eq!(outcome, Outcome::abort().because(Reason::Panic), "{classifier:?}");
    }
}

#[test]
fn a_panicking_classifier_is_contained() {
    let contained = Outcome::non_retryable(Class::Unknown).because(Reason::PanicInClassifier);
    let panics = custom(|facts: &Completion, _: &Context| -> Outcome { panic!("{facts:?}") });
    for facts in [Completion::ok(), Completion::http(503).retry_after(Nanos::from_secs(1))] {
        assert_eq!(judge(&panics, &facts, &Context::default()), contained);
    }
}

#[test]
fn a_panic_whose_payload_panics_is_contained() {
    struct Bomb(u8);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                resume_unwind(Box::new(Self(self.0 - 1)));
            }
        }
    }
    let panics = custom(|_: &Completion, _: &Context| -> Outcome { panic_any(Bomb(2)) });
    let outcome = judge(&panics, &Completion::app(0), &Context::default());
    assert_eq!(outcome.reason, Reason::PanicInClassifier);
}

#[test]
fn a_custom_classifier_sees_successes_and_the_context() {
    let second = AttemptId::new(1);
    let watching = custom(move |facts: &Completion, context: &Context| {
        assert_eq!(context.idempotent, Idempotent::Yes);
        assert_eq!(context.attempt, second);
        assert_eq!(facts.kind, CompletionKind::Ok);
        Outcome::retryable(Class::Server)
    });
    let context = Context::new(Idempotent::Yes).attempt(second);
    let outcome = judge(&watching, &Completion::ok().code(-1), &context);
    assert_eq!(outcome, Outcome::retryable(Class::Server));
}

#[test]
fn an_attempt_given_up_counts_as_possibly_processed() {
    for declared in DECLARED {
        let facts = Completion::timeout();
        let judged = judge(&built_in(Auto), &facts, &Context::new(declared));
        assert_eq!(timeout(declared), judged);
    }
    assert_eq!(timeout(Idempotent::Unset).kind, OutcomeKind::Retryable);
    let refused = Outcome::non_retryable(Class::Timeout).because(Reason::NonIdempotent);
    assert_eq!(timeout(Idempotent::No), refused);
}

fn any_facts() -> impl Strategy<Value = Completion> {
    let kind = prop_oneof![
        Just(CompletionKind::Ok),
        Just(CompletionKind::Timeout),
        Just(CompletionKind::Cancelled),
        Just(CompletionKind::Panic),
        prop_oneof![100..600_u16, any::<u16>()].prop_map(|status| CompletionKind::Http { status }),
        prop_oneof![0..20_u8, any::<u8>()].prop_map(CompletionKind::Grpc),
        proptest::sample::select(IoKind::ALL).prop_map(CompletionKind::Io),
        prop_oneof![-1..140, any::<i32>()].prop_map(CompletionKind::Errno),
        any::<i32>().prop_map(CompletionKind::App),
    ];
    let method = proptest::option::of(
        "GET|HEAD|OPTIONS|TRACE|PUT|DELETE|POST|PATCH|LOCK".prop_map(|name| Method::parse(&name)),
    );
    let pushback = prop_oneof![
        Just(Pushback::None),
        Just(Pushback::DoNotRetry),
        any::<u64>().prop_map(|wait| Pushback::RetryAfter(Nanos::from_nanos(wait))),
    ];
    let flags = any::<(bool, bool, i32)>();
    (kind, method, pushback, flags).prop_map(
        |(kind, method, pushback, (not_sent, idempotency_key, code))| Completion {
            kind,
            method,
            pushback,
            not_sent,
            idempotency_key,
            code,
        },
    )
}

proptest! {
    /// What no facts can bring about, whatever the classifier.
    #[test]
    fn no_facts_break_the_rules(
        facts in any_facts(),
        classifier in proptest::sample::select(&BuiltInClassifier::ALL[..]),
        declared in proptest::sample::select(&DECLARED[..]),
    ) {
        let outcome = judge(&built_in(classifier), &facts, &Context::new(declared));
        // A classifier does not change what it is by being called through the trait.
        let behind_trait = judge(&custom(classifier), &facts, &Context::new(declared));
        prop_assert_eq!(outcome, behind_trait);

        let unprocessed = facts.not_sent
            || outcome.class == Class::NotSent
            || facts.kind == CompletionKind::Http { status: 429 }
            || matches!(facts.kind, CompletionKind::Grpc(8 | 14));
        let unsafe_method = matches!(facts.method, Some(Method::Post | Method::Patch));
        let unsafe_to_repeat =
            declared == Idempotent::No || unsafe_method && !facts.idempotency_key;
        if outcome.kind == OutcomeKind::Retryable {
            prop_assert!(facts.pushback != Pushback::DoNotRetry);
            prop_assert!(classifier == Always || unprocessed || !unsafe_to_repeat);
            match (facts.kind, facts.pushback) {
                (CompletionKind::Http { status }, _) if status != 429 && status != 503 => {
                    prop_assert_eq!(outcome.backoff_override, None);
                }
                (_, Pushback::RetryAfter(wait)) => {
                    prop_assert_eq!(outcome.backoff_override, Some(wait));
                }
                _ => prop_assert_eq!(outcome.backoff_override, None),
            }
        } else {
            prop_assert_eq!(outcome.backoff_override, None);
        }
        if facts.kind == CompletionKind::Panic {
            prop_assert_eq!(outcome, Outcome::abort().because(Reason::Panic));
        }
    }
}
