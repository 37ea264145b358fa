//! A line whose end has not arrived (pure).

use crate::{
    DecodeErrorKind,
    line::{self, Field, Foresight, LONGEST_NAME},
};

/// What is kept of the line: all, or nothing where nothing matters.
#[derive(Debug)]
pub(crate) enum Partial {
    /// Its bytes so far; without any, no line has begun.
    Held(Vec<u8>),
    /// Only its end matters.
    Skipped(Field),
}

impl Partial {
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self, Self::Held(held) if held.is_empty())
    }

    /// Adds a piece of the line, if it is worth keeping.
    pub(crate) fn push(&mut self, piece: &[u8], max_line: usize) -> Result<(), DecodeErrorKind> {
        let Self::Held(held) = self else {
            return Ok(());
        };
        // What is held beyond its field's name has been found worth keeping.
        if held.len() > LONGEST_NAME {
            return keep(held, piece, max_line);
        }
        // As many bytes as tell the field, before any other is copied.
        let head = piece.len().min((LONGEST_NAME + 1).saturating_sub(held.len()));
        held.extend_from_slice(&piece[..head]);
        match line::foresee(held) {
            Foresight::Open => {}
            Foresight::Skip(field) => *self = Self::Skipped(field),
            Foresight::Keep => return keep(held, &piece[head..], max_line),
        }
        Ok(())
    }
}

fn keep(held: &mut Vec<u8>, piece: &[u8], max_line: usize) -> Result<(), DecodeErrorKind> {
    if held.len() + piece.len() > max_line {
        return Err(DecodeErrorKind::LineTooLong);
    }
    held.extend_from_slice(piece);
    Ok(())
}

impl Default for Partial {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}
