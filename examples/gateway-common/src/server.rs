//! How a gateway runs, whatever it is made of: the process around it, and the loop that accepts connections.

mod connection;
mod listener;
mod process;
mod serve;

pub use process::run;
pub use serve::serve;
