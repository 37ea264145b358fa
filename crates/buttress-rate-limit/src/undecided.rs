//! Why a store did not decide.

/// What became of a question in place of a decision.
#[derive(Debug)]
pub(crate) enum Undecided<E> {
    Failed(E),
    /// It took too long.
    Late,
    /// A store that panics is one that fails (RLM-16).
    Panicked,
}
