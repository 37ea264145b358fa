//! What a circuit does, step by step, in tables.
//!
//! They say in our own terms what the published tests of Resilience4j, gobreaker and Polly demand of theirs (CBK-1):
//! thresholds and minima, sliding, trials, excluded calls, late results, and the transitions by hand that are legal.

use std::time::Duration;

use buttress_circuit_breaker::{HalfOpenEnd, OpenTime, Policy, State, TrialRule, Verdict, Window};
use tokio::time::advance;

use crate::common::{S, Stack, Then, policy, status};

/// Runs the steps of a table and checks after each how the circuit stands.
///
/// `S` a success, `F` a failure, `E` an error, `I` ignored, `L` a slow success; `+5` five seconds pass; `x` a call that
/// is refused. After `>` stands the state: `c` closed, `o` open, `h` half open.
async fn run(policy: Policy, table: &str) {
    let stack = Stack::new(policy);
    for (number, step) in table.split_whitespace().enumerate() {
        let at = || format!("step {number}, `{step}`, of `{table}`");
        let (doing, expected) = step.split_once('>').unwrap_or((step, ""));
        let before = stack.provider.calls();
        match doing {
            "S" => drop(stack.call(status(200)).await),
            "F" => drop(stack.call(status(500)).await),
            "E" => drop(stack.call(Then::Fail).await),
            "I" => drop(stack.call(status(418)).await),
            "L" => drop(stack.call(Then::After(3 * S, Box::new(status(200)))).await),
            "LF" => drop(stack.call(Then::After(3 * S, Box::new(status(500)))).await),
            "x" => assert_eq!(stack.call(status(200)).await.unwrap().status(), 503, "{}", at()),
            pause => {
                let time: f64 = pause.strip_prefix('+').unwrap_or_else(|| panic!("{}", at())).parse().unwrap();
                advance(Duration::from_secs_f64(time)).await;
            }
        }
        let called = !doing.starts_with('+') && doing != "x";
        assert_eq!(stack.provider.calls() - before, usize::from(called), "calls at {}", at());
        let state = match stack.circuit().state() {
            State::Closed => "c",
            State::Open => "o",
            State::HalfOpen => "h",
            other => panic!("{other} at {}", at()),
        };
        assert!(expected.is_empty() || expected == state, "{state} at {}", at());
    }
}

/// The policy of most tables, with 418 for what is ignored.
fn usual() -> Policy {
    policy().statuses(|status| match status.as_u16() {
        418 => Verdict::Ignore,
        500.. => Verdict::Failure,
        _ => Verdict::Success,
    })
}

macro_rules! tables {
    ($($(#[$meta:meta])* $name:ident($policy:expr) { $($table:literal)* })*) => {$(
        $(#[$meta])*
        #[tokio::test(start_paused = true)]
        async fn $name() {
            $(run($policy, $table).await;)*
        }
    )*};
}

tables! {
    // CBK-1, CBK-2
    it_opens_at_the_threshold_and_not_below_the_minimum(usual()) {
        "F>c F>c F>c F>o x"
        "S F S F>o x"
        "S>c S>c F>c F>o"
        "S S S F>c F>c F>o x x"
        "E>c E>c E>c E>o"
        "S S S S S S>c F F F F>c F>o"
        "F F S>c S>o"
    }
    // CBK-1, CBK-2: the success that makes up the minimum is looked at as well
    a_success_may_be_the_call_that_was_missing(usual()) {
        "F F F>c S>o"
        "F S F>c S>o"
    }
    // CBK-1, CBK-3: ten calls, the old ones go
    a_window_of_calls_slides(usual()) {
        "S S S S S S S S S S F F F F>c F>o"
        "S S S S S S S S S S S S S S S F F F F>c F>o"
        "F S S S S S S S S S>c F S S S S S F F F>c F>o"
        "F S S S S S S S S S F F F F>c F>o"
    }
    // CBK-1, CBK-3: ten buckets of a second
    a_window_of_time_slides(Policy::new(Window::time(10 * S)).minimum_calls(4).open_for(10 * S)) {
        "F F F +10 F>c F>c F>c F>o"
        "F +3 F +3 F +3 F>o"
        "F +3 F +3 F +4 F>c F>o"
        "S S S S S +9 F F F F>c F>o"
        "S S S S S +10 F F F>c F>o"
        "S S S S S S F F F>c +1000 F F F>c F>o"
        "S S S S F F F>c +5 F>o"
    }
    // CBK-1, CBK-5, CBK-10
    trials_decide(usual()) {
        "F F F F>o +9.999 x>o +0.001 S>h S>c"
        "F F F F>o +10 S>h F>o x +10 F>o x +10 S>h S>c F F F>c F>o"
        "F F F F>o +10 E>o +9 x +1 S>h S>c S>c"
        "F F F F>o +500 S>h S>c"
        "F F F F>o +10 S>h +5000 S>c"
    }
    // CBK-10: it opened when its time was over, not when somebody looks
    half_open_may_have_a_maximum_time(usual().half_open_for(60 * S, HalfOpenEnd::Open)) {
        "F F F F>o +10 S>h +59.999 S>c"
        "F F F F>o +10 S>h +60 x>o +9.999 x +0.001 S>h S>c"
        "F F F F>o +10 S>h +70 S>h S>c"
    }
    // CBK-10
    or_close_by_then(usual().half_open_for(60 * S, HalfOpenEnd::Closed)) {
        "F F F F>o +10 S>h +60 F>c F>c F>c F>o"
        "F F F F>o +10 S>h +59 F>o"
    }
    // CBK-1, CBK-13: as gobreaker excludes calls
    ignored_calls_change_nothing(usual()) {
        "I I I I I I I I I I I F F F>c F>o"
        "F F F>c I I I>c F>o"
        "F F F F>o +10 I>h I>h I>h I>h S>h I>h S>c"
        "F F F F>o +10 I>h F>o"
    }
    // CBK-1: as Resilience4j closes or opens
    trials_decide_by_rates(usual().trials(4).trial_rule(TrialRule::Rates)) {
        "F F F F>o +10 F>h S>h S>h S>c"
        "F F F F>o +10 F>h F>h S>h S>o"
        "F F F F>o +10 S>h S>h S>h F>c"
        "F F F F>o +10 F>h F>h F>h F>o"
        "F F F F>o +10 F>h I>h I>h F>h S>h S>o"
    }
    // CBK-1, CBK-4: slow for longer than 2 s
    slow_calls_have_a_rate_of_their_own(usual().failure_rate(1.0).slow_calls(2 * S, 0.75)) {
        "L>c L>c L>c S>o"
        "S>c S>c L>c L>c L>c L>c L>c L>o"
        "F F F L>c"
        "F F L L>c L>c L>c S>c LF>c LF>c LF>c L>o"
        "L L L L>o +10 L>o"
        "L L L L>o +10 S>h S>c"
    }
    // CBK-1: as gobreaker and Hystrix-like breakers with a count
    failures_in_a_row_open(usual().without_failure_rate().failures_in_a_row(3)) {
        "F>c F>c F>o x"
        "F F S>c F F I F>o"
        "F F S F F S F F S>c F E F>o +10 S>h S>c F F>c F>o"
        "F E F>o +10 F>o +10 S S>c"
    }
    // CBK-1: as gobreaker's default, one trial
    one_trial_is_enough(usual().without_failure_rate().failures_in_a_row(6).trials(1)) {
        "F F F F F>c S>c F F F F F>c F>o x x +9.999 x +1 F>o +10 S>c"
    }
    // CBK-1: as Polly, of whose trials there is one
    a_single_failure_reopens(Policy::new(Window::time(30 * S)).failure_rate(0.1).minimum_calls(10).open_for(5 * S).trials(1)) {
        "S S S S S S S S S>c F>o x +5 F>o x +5 S>c"
        "F F F F F F F F F>c S>o"
        "F S S S S S S S S>c +30 F S S S S S S S S>c S>o"
    }
    // CBK-1, CBK-2: a rate of 1 is reached when the last success has left the window
    every_call_has_to_fail(usual().failure_rate(1.0)) {
        "F>c F>c F>c F>o x"
        "S F F F F F F F F F>c F>o"
        "F F F S>c F F F F F F>c F F F>c F>o"
        "S F F F>c I I F F F F F F>c F>o"
    }
    // CBK-1, CBK-2: as small as a minimum can be
    the_first_call_may_open(usual().minimum_calls(1).trials(1)) {
        "F>o x +10 F>o x +9.999 x +0.001 S>c S>c F>o"
        "S>c S>c F>c F>o"
        "I>c F>o +10 I>h S>c F>o"
    }
    // CBK-1, CBK-5: one after another, however long it takes
    many_trials_have_to_go_well(usual().trials(5)) {
        "F F F F>o +10 S>h S>h S>h S>h S>c F F F>c F>o"
        "F F F F>o +10 S S S S>h F>o x +10 S>h"
        "F F F F>o +10 S S +30 S I S>h +600 S>c"
        "F F F F>o +10 S S S S>h E>o +10 S S S S>h S>c"
    }
    // CBK-11: it grows while it flaps, and starts anew after a rest
    open_time_grows(usual().open_for(OpenTime::growing(10 * S, 40 * S))) {
        "F F F F>o +10 F>o +19 x +1 F>o +39 x +1 F>o +39 x +1 S>h S>c F F F F>o +39 x +1 S S>c"
        "F F F F>o +10 F>o +20 S S>c +20 F F F F>o +9 x +1 S>h"
        "F F F F>o +10 F>o +20 S S>c +19 F F F F>o +39 x +1 S>h"
    }
}
