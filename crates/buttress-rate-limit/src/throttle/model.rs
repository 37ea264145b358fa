//! The line, as the models of loom see it, which stand outside of the crate.

use std::{sync::Arc, task::Waker, time::Duration};

use super::line::{self, Called, Joined};
use crate::Quota;

#[derive(Clone, Debug)]
pub struct Line(Arc<line::Line>);

#[derive(Debug)]
pub struct Turn(line::Turn);

impl Line {
    pub fn new(quota: Quota) -> Self {
        Self(Arc::new(line::Line::new(quota)))
    }

    /// The turn of a call of one unit; an error if it waits for none: whether it goes at once.
    pub fn join(&self, patience: Duration) -> Result<Turn, bool> {
        match self.0.join(1, patience, usize::MAX) {
            Joined::Wait(turn) => Ok(Turn(turn)),
            Joined::Go => Err(true),
            Joined::TooLong(_) | Joined::Never => Err(false),
        }
    }
}

impl Turn {
    /// Whether it is the first in line; if not, the waker is kept.
    pub fn is_first(&self, waker: &Waker) -> bool {
        matches!(self.0.poll(waker), Called::Go | Called::First(_))
    }
}
