#![no_main]

// The tests of the crate call the same checks.
#[path = "../../crates/buttress-rate-limit/tests/suite/checks.rs"]
#[allow(dead_code, reason = "each target runs one of them")]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::forwarded(input));
