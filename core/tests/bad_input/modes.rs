use super::*;

const CHILD: &str = "REGO_TEST_CHILD";

/// Runs `test` of this file in a process of its own, with the variable set.
fn child(test: &str, mode: &str) -> String {
    let program = env::current_exe().expect("this test has a program");
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env("REGO_MODE", mode)
        .output()
        .expect("the child runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_variable_overrides_the_builder() {
    if env::var(CHILD).is_ok() {
        match Engine::builder().mode(Mode::Active).build() {
            Ok(engine) => println!("mode: {:?}", engine.mode()),
            Err(error) => println!("error: {error}"),
        }
        let mut attempts = 0;
        let _ = rego::run("svc.Get", |_| {
            attempts += 1;
            Err::<(), _>("no")
        });
        println!("attempts: {attempts}");
        return;
    }
    let test = "modes::the_variable_overrides_the_builder";
    for (value, mode, attempts) in [
        ("observe", "mode: Observe", "attempts: 1"),
        (" off ", "mode: Off", "attempts: 1"),
        ("active", "mode: Active", "attempts: 3"),
        (
            "sometimes",
            "error: REGO_MODE=\"sometimes\": it takes active, observe or off",
            "attempts: 1",
        ),
    ] {
        let said = child(test, value);
        assert!(said.contains(mode), "{value}: {said}");
        assert!(said.contains(attempts), "{value}: {said}");
        let told = "rego: REGO_MODE=\"sometimes\": it takes active, observe or off; the engine stands aside";
        assert_eq!(said.contains(told), value == "sometimes", "{value}: {said}");
    }
}

#[test]
fn observing_makes_one_attempt_and_tells_of_the_others() {
    let (builder, _clock) = testing::engine();
    let engine = build(builder.mode(Mode::Observe));
    let script = Script::<(), _>::new().fail("no");
    let (_, timeline) = engine.run_with_timeline("svc.Get", script.op());
    testing::expect(&timeline).attempts(1);
    assert!(timeline.to_string().contains("would have launched a retry"), "{timeline}");
    engine.set_mode(Mode::Active);
    let script = Script::new().fail("no").succeed_with(1);
    assert_eq!(engine.run("svc.Get", script.op()), Ok(1));
}
