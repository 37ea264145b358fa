//! Accepts connections and serves each in a task of its own.

use std::{sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::{TcpListener, TcpStream};

use crate::{gate::Gate, routes, world::World};

/// Wait after a failed accept, which is mostly for want of file handles.
const PAUSE: Duration = Duration::from_millis(10);

/// Serves until its task is killed, and its connections' tasks with it.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let gate = Gate { router: routes::router(Arc::clone(&world)), world: Arc::clone(&world) };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => world.tasks.spawn(connection(stream, gate.clone())),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, gate: Gate) {
    // Without it, small writes of an event stream may wait for each other; the connection works all the same.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| gate.clone().pass(request));
    // An error is a client that left, or a fault of the script.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
