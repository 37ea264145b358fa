//! The layer that lets readers of any event stream come back.

mod answer;
mod audience;
mod body;
mod failure;
mod follow;
mod future;
mod layer;
mod producer;
mod reader;
mod service;
mod settings;
mod stamp;
mod tenure;
mod vigil;
mod visit;
mod visiting;

pub use body::ResumeBody;
pub use future::ResumeFuture;
pub use layer::ResumeLayer;
pub use service::ResumeService;
