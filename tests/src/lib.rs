//! The proof of the kit as a whole: its parts together, over real sockets.
