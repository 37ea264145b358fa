//! What a circuit does, step by step, in tables.
//!
//! They say in our own terms what the published tests of Resilience4j, gobreaker and Polly demand of theirs (CBK-1):
//! thresholds and minima, sliding, trials, excluded calls, late results, and the transitions by hand that are legal. What
//! only Polly's ask is in `polly.rs`.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use buttress_circuit_breaker::{HalfOpenEnd, OpenTime, Policy, Refusal, State, TrialRule, Verdict, Window};
use tokio::time::advance;

use crate::common::{S, Stack, Started, Then, policy, status};

/// Runs the steps of a table and checks after each how the circuit stands.
///
/// `S` a success, `F` a failure, `E` an error, `P` a panic, `I` ignored, `L` a slow success, `LF` a slow failure; `+5` five
/// seconds pass; `x` a call that is refused, `x@5` for five more seconds, `x@-` nobody knows for how long. `(` a call that goes on; of those, the one that began first ends with `)S`,
/// and so on, and is dropped with `)-`. By hand it goes to a state with `!o`, may not with `?h`, and is reset with `!!`.
///
/// After `>` stands the state: `c` closed, `o` open, `h` half open, `f` forced open, `d` disabled, `m` metrics only; after
/// `=` how many calls count, and how many of them failed.
pub(crate) async fn run(policy: Policy, table: &str) {
    let stack = Stack::new(policy);
    let mut running = VecDeque::new();
    for (number, step) in table.split_whitespace().enumerate() {
        let at = format!("step {number}, `{step}`, of `{table}`");
        let (step, counts) = step.split_once('=').map_or((step, None), |(step, counts)| (step, Some(counts)));
        let (doing, state) = step.split_once('>').map_or((step, None), |(doing, state)| (doing, Some(state)));
        let before = stack.provider.calls();
        carry_out(&stack, &mut running, doing, &at).await;
        let called = doing == "(" || result(doing).is_some() || doing == "P";
        assert_eq!(stack.provider.calls() - before, usize::from(called), "calls at {at}");
        let snapshot = stack.circuit().snapshot();
        assert!(state.is_none_or(|state| by_letter(state) == snapshot.state), "{} at {at}", snapshot.state);
        let counted = format!("{}/{}", snapshot.calls, snapshot.failures);
        assert!(counts.is_none_or(|counts| counts == counted), "{counted} at {at}");
    }
}

async fn carry_out(stack: &Stack, running: &mut VecDeque<Started>, doing: &str, at: &str) {
    if let Some(then) = result(doing) {
        drop(stack.call(then).await);
    } else if let Some(end) = doing.strip_prefix(')') {
        let started = running.pop_front().unwrap_or_else(|| panic!("none goes on at {at}"));
        match end {
            "-" => drop(started),
            end => drop(started.end(result(end).unwrap_or_else(|| panic!("no result at {at}"))).await),
        }
    } else if let Some(time) = doing.strip_prefix('+') {
        advance(Duration::from_secs_f64(time.parse().unwrap())).await;
    } else if let Some(left) = doing.strip_prefix("x@") {
        let answer = stack.call(status(200)).await.unwrap();
        let refusal = answer.extensions().get::<Refusal>().unwrap_or_else(|| panic!("not refused at {at}"));
        assert_eq!(refusal.remaining, left.parse().ok().map(Duration::from_secs_f64), "{at}");
    } else if let Some(state) = doing.strip_prefix('?') {
        assert!(stack.circuit().become_state(by_letter(state)).is_err(), "{at}");
    } else {
        match doing {
            "x" => assert_eq!(stack.call(status(200)).await.unwrap().status(), 503, "{at}"),
            "(" => running.push_back(stack.start()),
            "P" => {
                let mut call = pin!(stack.call(Then::Panic));
                let poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                assert!(catch_unwind(AssertUnwindSafe(poll)).is_err(), "{at}");
            }
            "!!" => stack.circuit().reset(),
            by_hand => {
                let state = by_hand.strip_prefix('!').unwrap_or_else(|| panic!("unknown {at}"));
                stack.circuit().become_state(by_letter(state)).unwrap();
            }
        }
    }
}

/// How a call ends, if this is a call that ends at once.
fn result(letter: &str) -> Option<Then> {
    Some(match letter {
        "S" => status(200),
        "F" => status(500),
        "E" => Then::Fail,
        "I" => status(418),
        "L" => Then::After(3 * S, Box::new(status(200))),
        "LF" => Then::After(3 * S, Box::new(status(500))),
        _ => return None,
    })
}

fn by_letter(letter: &str) -> State {
    match letter {
        "c" => State::Closed,
        "o" => State::Open,
        "h" => State::HalfOpen,
        "f" => State::ForcedOpen,
        "d" => State::Disabled,
        "m" => State::MetricsOnly,
        other => panic!("no state is called {other}"),
    }
}

/// The policy of most tables.
fn usual() -> Policy {
    with_ignored(policy())
}

/// As Resilience4j tests its own: half of five calls, four trials, rates for all of them, five seconds open.
fn of_resilience4j() -> Policy {
    let window = Window::time(60 * S);
    let policy = Policy::new(window).minimum_calls(5).slow_calls(2 * S, 0.5).trials(4).trial_rule(TrialRule::Rates);
    with_ignored(policy.open_for(5 * S))
}

/// As gobreaker tests its own: three fifths of three calls, three trials, ninety seconds open.
fn of_gobreaker() -> Policy {
    with_ignored(Policy::new(Window::time(30 * S)).minimum_calls(3).failure_rate(0.6).trials(3).open_for(90 * S))
}

/// With 418 for what is ignored.
pub(crate) fn with_ignored(policy: Policy) -> Policy {
    policy.statuses(|status| match status.as_u16() {
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
            $($crate::tables::run($policy, $table).await;)*
        }
    )*};
}
pub(crate) use tables;

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
    // CBK-1: what the tests of Resilience4j's state machine ask, of calls
    calls_as_of_resilience4j(of_resilience4j()) {
        "F>c=1/1 F>c=2/2 F>c=3/3 S>c=4/3 S>o x x"
        "LF>c L>c F>c S>c=4/2 L>o x"
        "!o>o x +3 x>o +3 S>h=1/0"
        "!o !h>h=0/0 F>h=1/1 F>h S>h F>o x"
        "!o !h L>h L>h L>h S>o x"
        "!o !h=0/0 F>h S>h S>h=3/1 S>c=0/0 S>c=1/0"
        "!o !h S>h=1/0 S>h=2/0 S>h=3/0 I>h=3/0 F>c=0/0"
        "!o !h I>h I>h I>h I>h=0/0 S>h S>h S>h=3/0 S>c=0/0"
    }
    // CBK-1, CBK-5, CBK-6: and of trials at once, and those of an earlier time
    trials_as_of_resilience4j(of_resilience4j()) {
        "!o !h ( ( ( ( x x )->h ( x"
        "!o !h ( ( ( ( x x !o x !h ( ( ( ( x x )F>h )F>h )S>h )->h=0/0 )S )S )S>h=3/0 )S>c"
        "!o !h ( ( ( ( )F>h )F>h )I>h=2/2 )S>h S>o"
        "!o !h ( ( )S>h=1/0 ( ( x )F x )S>h=3/1 )S>c"
    }
    // CBK-1, CBK-12: and by hand
    by_hand_as_of_resilience4j(of_resilience4j()) {
        "S F=2/1 !!>c=0/0"
        "!o>o !!>c=0/0 S>c=1/0"
        "S S=2/0 !!>c=0/0"
        "!d>d S F F F F F F>d=0/0 !c>c F F F F>c F>o"
        "!f>f x +6 x +1000 x>f=0/0 !c>c S=1/0"
        "?h>c F F F F>c F>o"
        "S S=2/0 !m>m=0/0 F=1/1 F=2/2 F=3/3 S=4/3 S>m=5/3 F>m=6/4 ?o ?h>m !c>c=0/0"
        "!m F F F F F>m=5/5 !f>f x !m>m=0/0 !d>d S>d=0/0"
    }
    // CBK-1, CBK-11: the second time is longer
    waiting_as_of_resilience4j(of_resilience4j().open_for(OpenTime::growing(5 * S, 300 * S))) {
        "!o x +3 x>o +3 S>h !o +6 x>o +5 S>h"
    }
    // CBK-1, CBK-7, CBK-9: what gobreaker's ask; but for its interval, which is cut where ours slides
    as_of_gobreaker(of_gobreaker()) {
        "S F S F S F S F S F>c=10/5 +29 S>c +1 F>c=2/1 S>c F>c=4/2 F>o=0/0 x x"
        "S F F>o +89 x +1 S>h S>h=2/0 ( x )S>c=0/0"
        "( F F F>o +90 S S S>c=0/0 )F>c=0/0"
        "( F F F>o )S>o=0/0 x"
        "( S +31 )S>c=1/0"
        "P>c=1/1 P P>o x +90 P>o x +90 S S S>c"
    }
    // CBK-1: what Polly's ask: results that come late change nothing, whatever they are
    as_of_polly(Policy::new(Window::time(30 * S)).failure_rate(0.1).minimum_calls(2).open_for(5 * S).trials(1)) {
        "( ( F>c F>o )S>o )F>o x +5 ( x )S>c"
        "( ( F F>o +5 ( )F>h )S>h x )F>o +4 x +1 S>c"
        "!f>f x +5 x +5 x !c>c S S>c"
        "F>c !c>c F>o +5 ( x )->h ( x )S>c"
    }
}
