use super::*;

#[track_caller]
fn refused(builder: EngineBuilder, told: &str) {
    let error = builder.ignore_environment().build().expect_err("something is wrong");
    assert_eq!(error.to_string(), told);
}

fn with(policy: rego::PolicyBuilder) -> EngineBuilder {
    Engine::builder().policy("svc.Get", policy.build().expect("a policy of a test"))
}

#[test]
fn every_error_has_its_message() {
    refused(
        with(Policy::builder().retry_budget("nope")),
        "policy for \"svc.Get\": there is no budget \"nope\"; define it with \
         `.budget(\"nope\", …)`",
    );
    refused(
        with(Policy::builder().idempotent(true).hedge_after(ms(1)).hedge_budget("nope")),
        "policy for \"svc.Get\": there is no budget \"nope\"; define it with \
         `.budget(\"nope\", …)`",
    );
    refused(
        with(Policy::builder().classifier("nope")),
        "policy for \"svc.Get\": there is no classifier \"nope\"",
    );
    let default = Policy::builder().classifier("nope").build().expect("a policy of a test");
    refused(
        Engine::builder().default_policy(default),
        "policy for \"the default policy\": there is no classifier \"nope\"",
    );
    refused(
        Engine::builder().budget("b", Budget::ratio(f64::NAN)),
        "budget \"b\": ratio: NaN is out of range, it is 0 to 1",
    );
}
