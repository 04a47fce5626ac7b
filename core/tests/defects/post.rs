//! A POST is sent again after a timeout; so is every HTTP error inside a wrapper, and a 501.

use super::*;

fn attempts(facts: Completion) -> (u32, Reason) {
    let site = site(Policy::http().attempt_timeout(ms(100)).initial_backoff(ms(1)).max_attempts(2));
    let script = Script::<(), _>::new()
        .fail("as reported")
        .reporting(facts)
        .fail("as reported")
        .reporting(facts);
    let (result, timeline) = site.call().run_with_timeline(script.op());
    let reason = timeline.attempts()[0].outcome.expect("it ended").reason;
    (result.expect_err("it fails").attempts, reason)
}

#[test]
fn a_post_is_not_sent_again_after_a_timeout() {
    let timeout = Completion::timeout();
    assert_eq!(attempts(timeout).0, 2, "without a method, wrapping it is the consent");
    let post = timeout.method(Method::Post);
    assert_eq!(attempts(post), (1, Reason::HttpNonIdempotent));
    let keyed = post.with_idempotency_key();
    assert_eq!(attempts(keyed).0, 2, "the server tells doubles apart");
    let get = timeout.method(Method::Get);
    assert_eq!(attempts(get).0, 2);
}

#[test]
fn what_the_server_will_never_do_is_not_asked_again() {
    for status in [501, 505, 400, 404] {
        assert_eq!(attempts(Completion::http(status)), (1, Reason::HttpNonRetryableStatus));
    }
    assert_eq!(attempts(Completion::http(502)).0, 2);
}

#[test]
fn an_error_inside_another_is_judged_by_what_it_is() {
    #[derive(Debug)]
    struct Wrapped(io::Error);
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
    let site = site(Policy::http().max_attempts(2));
    let mut attempts = 0;
    let result = site.run(|attempt| {
        attempts += 1;
        let error = Wrapped(io::ErrorKind::PermissionDenied.into());
        attempt.report(Completion::from_error(&error));
        Err::<(), _>(error)
    });
    assert_eq!(result.expect_err("it fails").verdict, Verdict::NonRetryable);
    assert_eq!(attempts, 1);
}
