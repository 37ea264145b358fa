//! The simulator by its own wire: every fact over a real socket.

mod binary;
mod control;
mod events;
mod faults;
mod files;
mod generate;
mod life;
mod media;
mod refusals;
mod support;
mod unruly;
mod validation;
mod worker;
