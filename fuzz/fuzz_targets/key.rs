#![no_main]

// The tests of the crate call the same checks.
#[path = "../../crates/buttress-idempotency/tests/suite/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::key(input));
