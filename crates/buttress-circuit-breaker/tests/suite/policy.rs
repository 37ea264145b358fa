//! Settings that make no sense are refused, each by its name.

use std::time::Duration;

use buttress_circuit_breaker::{BreakerLayer, HalfOpenEnd, InvalidPolicy, Keys, OpenTime, Policy, Window};

use crate::common::S;

fn check(policy: Policy) -> Result<(), InvalidPolicy> {
    BreakerLayer::new("a", policy).map(drop)
}

#[test]
fn each_bound_is_kept() {
    let calls = |calls| Policy::new(Window::calls(calls));
    let time = |time| Policy::new(Window::time(time));
    let ok = || time(30 * S);
    let open = |open: OpenTime| ok().open_for(open);
    let day = 86_400 * S;
    let longer = day + Duration::from_nanos(1);
    let ms = Duration::from_millis(1);
    let shorter = Duration::from_nanos(999_999);
    let sane = [
        calls(1),
        calls(100_000),
        time(100 * ms),
        time(day),
        ok().failure_rate(1e-6),
        ok().failure_rate(1.0),
        ok().minimum_calls(u32::MAX),
        calls(7).minimum_calls(7),
        ok().trials(1_000),
        ok().trial_lease(ms),
        ok().half_open_for(day, HalfOpenEnd::Open),
        open(OpenTime::growing(ms, day).factor(100.0).jitter(0.999)),
        ok().without_failure_rate().failures_in_a_row(1),
        ok().without_failure_rate().slow_calls(S, 1.0),
    ];
    for policy in sane {
        assert_eq!(check(policy.clone()), Ok(()), "{policy:?}");
    }
    let wrong = [
        ("window", calls(0)),
        ("window", calls(100_001)),
        ("window", time(shorter * 100)),
        ("window", time(longer)),
        ("failure_rate", ok().failure_rate(0.0)),
        ("failure_rate", ok().failure_rate(1.1)),
        ("failure_rate", ok().failure_rate(f64::NAN)),
        ("failure_rate", ok().without_failure_rate()),
        ("slow_calls", ok().slow_calls(S, -0.5)),
        ("slow_calls", ok().slow_calls(shorter, 0.5)),
        ("failures_in_a_row", ok().failures_in_a_row(0)),
        ("minimum_calls", ok().minimum_calls(0)),
        ("minimum_calls", calls(7).minimum_calls(8)),
        ("trials", ok().trials(0)),
        ("trials", ok().trials(1_001)),
        ("trial_lease", ok().trial_lease(shorter)),
        ("trial_lease", ok().trial_lease(longer)),
        ("half_open_for", ok().half_open_for(shorter, HalfOpenEnd::Open)),
        ("open_for", ok().open_for(shorter)),
        ("open_for", ok().open_for(longer)),
        ("open_for", open(OpenTime::growing(2 * S, S))),
        ("open_for", open(OpenTime::growing(S, day).factor(0.9))),
        ("open_for", open(OpenTime::growing(S, day).factor(f64::INFINITY))),
        ("open_for", open(OpenTime::fixed(S).jitter(1.0))),
        ("open_for", open(OpenTime::fixed(S).jitter(f64::NAN))),
    ];
    for (setting, policy) in wrong {
        let error = check(policy.clone()).expect_err(&format!("{policy:?}"));
        assert_eq!(error.setting(), setting, "{policy:?}");
        assert!(error.to_string().starts_with(&format!("{setting} ")), "{error}");
    }
}

#[test]
fn the_bounds_of_keys_are_kept() {
    let check = |keys| BreakerLayer::keyed("a", Policy::new(Window::time(30 * S)), keys).map(drop);
    assert_eq!(check(Keys::hosts().at_most(100_000).idle_after(Duration::from_nanos(1))), Ok(()));
    for (setting, keys) in [
        ("at_most", Keys::hosts().at_most(0)),
        ("at_most", Keys::hosts().at_most(100_001)),
        ("idle_after", Keys::hosts().idle_after(Duration::ZERO)),
    ] {
        assert_eq!(check(keys).unwrap_err().setting(), setting);
    }
}

#[test]
fn everything_can_be_shared_where_its_parts_can() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + Sync + 'static>() {}
    shared::<BreakerLayer>();
    shared::<buttress_circuit_breaker::Breaker<std::convert::Infallible, buttress_circuit_breaker::ByStatus>>();
    shared::<buttress_circuit_breaker::Circuit>();
    shared::<buttress_circuit_breaker::Circuits>();
    shared::<buttress_circuit_breaker::Refusal>();
    sent::<buttress_circuit_breaker::ResponseBody<http_body_util::Full<bytes::Bytes>>>();
    sent::<buttress_circuit_breaker::ResponseFuture<(), ()>>();
}
