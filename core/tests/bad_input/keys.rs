use super::*;

#[test]
fn what_is_no_key_is_called_under_the_overflow_key() {
    let engine = build(Engine::builder());
    let mega = "k".repeat(1 << 20);
    for key in ["", "  ", "a\0b", "\0", "a\nb", "\u{7f}", &mega] {
        assert_eq!(engine.site(key).key(), rego::OTHER, "{:.20?}", key);
        assert_eq!(engine.run(key, works).expect("it runs all the same"), 0);
    }
    let strange = engine.site("ключ.с пробелом 🦀");
    assert_eq!(strange.key(), "ключ.с пробелом 🦀");
}

#[test]
fn policies_for_what_is_no_key_are_refused_with_the_reason() {
    for (key, told) in [
        ("", "policy for \"\": a key must not be empty"),
        (
            "a\0b",
            "policy for \"a\\0b\": a key must not hold control characters, this one has one at byte 1",
        ),
    ] {
        let error = Engine::builder().policy(key, policy()).build().expect_err("no key");
        assert_eq!(error.to_string(), told);
    }
    let mega = "k".repeat(1 << 20);
    let error = Engine::builder().policy(&mega, policy()).build().expect_err("no key");
    assert!(
        error.to_string().ends_with("a key has at most 256 bytes, this one has 1048576"),
        "{error}"
    );
    assert!(error.to_string().len() < 1_000, "the message does not repeat a megabyte");
}

/// Sites are found again, so no more of them are made than the bound says.
#[test]
fn a_million_keys_share_the_room_of_a_thousand() {
    let engine = build(Engine::builder());
    let mut own = 0;
    for number in 0..1_000_000 {
        let key = format!("svc.Get{number}");
        assert!(engine.run(&key, works).is_ok());
        own += u32::from(number < 2_000 && engine.site(&key).key() == key);
    }
    assert_eq!(own, 1_024, "keys that are told apart");
    assert_eq!(engine.site("svc.Get0").key(), "svc.Get0", "those that came first stay");
    assert_eq!(engine.site("svc.Get999999").key(), rego::OTHER);
    assert!(format!("{engine:?}").contains("keys: 1024"), "{engine:?}");
}
