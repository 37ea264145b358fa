//! The layer beside a circuit that keeps every result and counts anew each time.

use std::{collections::VecDeque, time::Duration};

use buttress_circuit_breaker::{Policy, State, Window};
use proptest::prelude::*;
use tokio::time::advance;

use crate::common::{S, Stack, Then, status};

#[derive(Clone, Copy, Debug)]
enum Step {
    Succeed(usize),
    Fail(usize),
    SucceedSlowly,
    Wait(u64),
}

/// What a circuit is, in the plainest terms: all results since it closed, each with its time.
struct Model {
    window: Result<usize, u64>,
    minimum: usize,
    /// In a hundred: floating point would miss a share that is reached exactly.
    percent: usize,
    slow_percent: usize,
    in_a_row: usize,
    trials: usize,
    now: u64,
    results: VecDeque<(u64, bool, bool)>,
    state: State,
    until: u64,
}

impl Model {
    /// The share of some among the results in the window, once there are enough.
    fn exceeds(&self, percent: usize, of: impl Fn(&(u64, bool, bool)) -> bool) -> bool {
        let second = self.now / 1_000;
        let recent =
            |result: &&(u64, bool, bool)| self.window.map_or_else(|most| result.0 / 1_000 + most > second, |_| true);
        let last = self.window.unwrap_or(usize::MAX);
        let in_window: Vec<_> = self.results.iter().rev().filter(recent).take(last).collect();
        let some = in_window.iter().filter(|result| of(result)).count();
        some > 0 && in_window.len() >= self.minimum && some * 100 >= percent * in_window.len()
    }

    /// Whether a call is let in.
    fn enter(&mut self) -> bool {
        if self.state == State::Open && self.now >= self.until {
            self.state = State::HalfOpen;
            self.results.clear();
        }
        self.state != State::Open
    }

    fn settle(&mut self, failed: bool, slow: bool) {
        self.results.push_back((self.now, failed, slow));
        let row = self.results.iter().rev().take_while(|(_, failed, _)| *failed).count();
        let open = match self.state {
            State::HalfOpen => failed || slow,
            _ => {
                self.exceeds(self.percent, |result| result.1)
                    || self.exceeds(self.slow_percent, |result| result.2)
                    || row >= self.in_a_row
            }
        };
        if open {
            (self.state, self.until) = (State::Open, self.now + 10_000);
            self.results.clear();
        } else if self.state == State::HalfOpen && self.results.len() == self.trials {
            self.state = State::Closed;
            self.results.clear();
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..30_usize).prop_map(Step::Succeed),
        4 => (1..6_usize).prop_map(Step::Fail),
        1 => Just(Step::SucceedSlowly),
        3 => (0..4_000_u64).prop_map(Step::Wait),
        1 => (8_000..30_000_u64).prop_map(Step::Wait),
    ]
}

/// Makes a call and checks that it is let in exactly if the model says so, and that both stand alike then.
async fn call(stack: &Stack, model: &mut Model, failed: bool, slow: bool) {
    let (before, let_in) = (stack.provider.calls(), model.enter());
    let then = status(if failed { 500 } else { 200 });
    let then = if slow { Then::After(2 * S, Box::new(then)) } else { then };
    let _ = stack.call(then).await;
    assert_eq!(stack.provider.calls() > before, let_in, "whether it was let in at {}", model.now);
    if let_in {
        model.now += if slow { 2_000 } else { 0 };
        model.settle(failed, slow);
    }
    assert_eq!(stack.circuit().state(), model.state, "at {}", model.now);
}

async fn compare(policy: Policy, mut model: Model, steps: Vec<Step>) {
    let stack = Stack::new(policy);
    for step in steps {
        match step {
            Step::Succeed(times) => {
                for _ in 0..times {
                    call(&stack, &mut model, false, false).await;
                }
            }
            Step::Fail(times) => {
                for _ in 0..times {
                    call(&stack, &mut model, true, false).await;
                }
            }
            Step::SucceedSlowly => call(&stack, &mut model, false, true).await,
            Step::Wait(millis) => {
                advance(Duration::from_millis(millis)).await;
                model.now += millis;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    // CBK-1, CBK-2, CBK-3, CBK-4
    #[test]
    fn it_does_what_a_circuit_that_keeps_everything_would_do(
        by_calls: bool,
        size in 10..40_u32,
        minimum in 1..10_u32,
        percent in 10..=100_u32,
        in_a_row in 3..12_u32,
        trials in 1..4_u32,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let window = if by_calls { Window::calls(size) } else { Window::time(size * S) };
        let policy = Policy::new(window)
            .failure_rate(f64::from(percent) / 100.0)
            .slow_calls(S, 0.3)
            .failures_in_a_row(in_a_row)
            .minimum_calls(minimum)
            .trials(trials)
            .open_for(10 * S);
        let model = Model {
            window: if by_calls { Ok(size as usize) } else { Err(u64::from(size)) },
            minimum: minimum as usize,
            percent: percent as usize,
            slow_percent: 30,
            in_a_row: in_a_row as usize,
            trials: trials as usize,
            now: 0,
            results: VecDeque::new(),
            state: State::Closed,
            until: 0,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(compare(policy, model, steps));
    }
}
