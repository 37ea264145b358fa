//! What Polly's published tests ask of its breakers, as tables (CBK-1): those of version 8 of its controller, its health
//! metrics and its pipelines, and those of version 7 of both of its breakers. Where ours differs, it is said above.

use std::time::Duration;

use buttress_circuit_breaker::{OpenTime, Policy, State, Window};

use crate::{
    common::S,
    tables::{tables, with_ignored},
};

/// As Polly tests most of its own: half of four calls in ten seconds, thirty seconds open, one trial.
fn of_polly() -> Policy {
    with_ignored(Policy::new(Window::time(10 * S)).minimum_calls(4).open_for(30 * S).trials(1))
}

/// With a window that is not cut into several in Polly.
fn of_a_short_window() -> Policy {
    let window = Window::time(Duration::from_millis(199));
    with_ignored(Policy::new(window).minimum_calls(4).open_for(30 * S).trials(1))
}

/// The breaker of version 7 that counts failures in a row.
fn in_a_row(failures: u32) -> Policy {
    let policy = Policy::new(Window::calls(10)).without_failure_rate().failures_in_a_row(failures);
    with_ignored(policy.trials(1).open_for(60 * S))
}

/// One that never opens, to look at what counts.
fn counting() -> Policy {
    of_polly().failure_rate(1.0).minimum_calls(1_000)
}

tables! {
    // CBK-1, CBK-2
    the_rate_opens_when_the_minimum_is_there(of_polly()) {
        "F>c F>c F>c F>o x@30"
        "F F F>c +6 F>o x@30"
        "S>c F>c F>c F>o x@30"
        "S F F F>o +6 x@24"
        "S>c S>c F>c F>o x@30"
        "S S F F>o +6 x@24"
        "S S F>c=3/1"
        "S S S F>c=4/1"
        "S>c S>c"
    }
    // CBK-1, CBK-2: a tenth of ten calls; what makes eleven of it is no tenth any more
    the_rate_is_reached_when_it_is_equalled(of_polly().failure_rate(0.1).minimum_calls(10)) {
        "S S S S S S S S S S>c=10/0"
        "S S S S S S S S S>c F>o"
        "S S S S S S S S F>c F>o"
        "F F F F S S S S S>c=9/4"
        "S S S S S S S S S S F>c=11/1 F>o"
    }
    // CBK-1, CBK-2: Polly stays closed until the next failure, as it asks for the rate at failures only
    a_success_that_makes_up_the_minimum_opens_ours(of_polly()) {
        "F>c F>c F>c S>o"
        "S>c +1 F>c F>c S>o"
    }
    // CBK-1, CBK-3: to the last of Polly's ticks, of 100 ns
    what_is_as_old_as_the_window_has_left_it(of_polly()) {
        "S S F>c +20 F>c=1/1"
        "S S F>c +10 F>c=1/1"
        "S S +9.9999999 F>c +0.0000001 F>c=2/2"
        "F F F>c +9.9999999 F>o x@30"
        "S +9.9999999 S S F>c=4/1 +0.0000001 F>o"
        "S +9.9999999 F F>c=3/2 +0.0000001 F>c=3/3"
        "S +1 F F>c=3/2 +9 S>c=3/2 F>o"
    }
    // CBK-1, CBK-3
    a_short_window_does_the_same(of_a_short_window()) {
        "F>c F>c F>c F>o x@30"
        "S F F>c F>o x"
        "S S F>c F>o x"
        "F F F>c +0.398 F>c=1/1"
        "S S F>c +0.199 F>c=1/1"
        "F F F>c +0.1989999 F>o x"
        "S S F>c"
        "S S S F>c"
    }
    // CBK-1, CBK-3: in Polly a window below 200 ms does not slide, and begins with the last failure
    ours_slides_even_then(of_a_short_window()) {
        "S +0.1989999 S S F>c=4/1 +0.0000001 F>o"
    }
    // CBK-1, CBK-3: ten windows of a second
    what_counts_is_what_the_window_holds(counting()) {
        "S>c=1/0 !!=0/0"
        "F S S S S=5/1"
        "F S +2=2/1 F S +2=4/2 S S +2=6/2 S S +2=8/2 S S=10/2 +2=8/1 +2=6/0"
        "S +1 S +1 S +1 S +1 S +1 S +1 S +1 S +1 S +1 S=10/0 +1=9/0 +1=8/0"
        "S S=2/0 +10=0/0"
        "S S=2/0 +10.001=0/0"
    }
    // CBK-1, CBK-13: a failure that is not handled counts as a success in version 8, and not at all in version 7
    only_failures_that_are_handled_count(of_polly()) {
        "I>c I>c I>c I>c=0/0"
        "S>c S>c S>c S>c=4/0"
        "F S S S>c=4/1"
        "F F F I>c=3/3"
    }
    // CBK-1, CBK-6: nor does one that was cancelled, before or while it ran
    cancelled_calls_change_nothing(of_polly()) {
        "(>c )->c=0/0"
        "F F F ( )->c=3/3 F>o"
        "F F F F>o x x"
    }
    // CBK-1: version 7 is half open as soon as somebody looks, ours, as version 8, with the call that comes
    it_is_half_open_when_its_time_is_over(of_polly()) {
        "F F F F>o +30>o S>c=0/0 S>c=1/0"
        "F F F F>o +29.999 x@0.001 +0.001 F>o x@30"
        "F F F +6 F>o +24 x@6 +6 S>c"
        "F F F F>o +30 F>o +0.001 x@29.999 +59.999 S>c"
        "F F F F>o +30 S>c F>c F>c F>c F>o x@30"
        "F F F F>o +15 x@15 +15 F>o x@30 +30 S>c"
        "F F F F>o +30 (>h )F>o x@30"
        "F F F F>o +30 (>h )S>c=0/0"
    }
    // CBK-1, CBK-5: version 8 tells those it refuses to come back after a whole break; ours does not know
    one_trial_runs_at_a_time(of_polly().minimum_calls(2)) {
        "F>c F>o +30 (>h x@- x@->h )S>c S"
        "F F>o +30 (>h x@- )F>o x@30"
    }
    // CBK-1, CBK-5: as long as a break without a word from it, in Polly always, in ours by a lease of that length
    a_trial_that_hangs_is_given_up(of_polly().minimum_calls(2).trial_lease(30 * S)) {
        "F F>o +30 (>h x +29.999 x>h +0.001 (>h x +30 (>h x"
    }
    // CBK-1, CBK-7: the same results, of calls that began in the state before
    late_results_change_nothing(of_polly().minimum_calls(2)) {
        "( F F>o )F>o x@30"
        "( ( F F>o )S>o )F>o +30 S>c=0/0"
        "( ( ( !f>f )F>f )S>f )->f=0/0"
        "( ( !f !c>c=0/0 )F>c=0/0 )S>c=0/0"
    }
    // CBK-1, CBK-12: isolated is forced open
    isolated_until_it_is_closed(of_polly()) {
        "!f>f x@->f x@->f !c>c S=1/0"
        "!f>f +30>f x@->f +100000 x@->f !c>c S>c"
        "F F F F>o !f>f x@- !c>c=0/0 S>c"
        "F F F F>o !c>c S>c=1/0"
        "F F F F>o !!>c S>c=1/0"
        "F F F F>o +30 (>h !f>f x@- )S>f !c>c"
    }
    // CBK-1, CBK-16: as a control of Polly that was isolated before it was given to a breaker
    it_may_begin_so(of_polly().initial(State::ForcedOpen)) {
        "x@->f x@- !c>c S>c=1/0"
    }
    // CBK-1, CBK-11: Polly may be open for ever, or for no time; ours from a millisecond to a day
    it_may_be_open_for_a_day(of_polly().minimum_calls(2).open_for(86_400 * S)) {
        "F F>o +86399 x@1 +1 S>c"
    }
    // CBK-1, CBK-11: Polly's generator is told that nothing was tried as soon as it has closed; ours after a rest
    the_open_time_grows_with_failed_trials(of_polly().minimum_calls(2).open_for(OpenTime::growing(10 * S, 900 * S))) {
        "F F>o x@10 +10 F>o x@20 +20 F>o x@40 +40 F>o x@80 +80 F>o x@160 +160 S>c +160 F F>o x@10 +10 F>o x@20 +20 F>o x@40"
        "F F>o x@10 +10 F>o x@20 +20 S>c F F>o x@40"
    }
    // CBK-1
    two_failures_in_a_row_open(in_a_row(2)) {
        "F>c S>c F>c"
        "F>c F>o x@60>o"
        "F>c E>o x@60"
        "F>c I>c I>c F>o"
        "I>c I>c I>c"
        "S>c S>c"
        "F F>o x +60>o F>o x@60"
        "F F>o x +60 S>c F>c F>o x@60"
        "F F>o x !!>c S>c F>c F>o"
        "!f>f x@- +60 x@->f !c>c S>c"
    }
    // CBK-1, CBK-5, CBK-7
    the_first_failure_opens(in_a_row(1)) {
        "F>o x@60"
        "( F>o )F>o x@60"
        "( F>o +60 (>h x@- )F>h )S>c"
        "F>o +60 (>h x x )S>c"
    }
}
