//! A real HAProxy on a free port, with a configuration of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::Stdio,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    http::PATIENCE,
    program::{self, Folder},
};

/// An HAProxy process. It ends when it is dropped.
#[derive(Debug)]
pub struct Haproxy {
    _process: Child,
    addr: SocketAddr,
    _folder: Folder,
}

impl Haproxy {
    /// Starts one that passes everything on to `target`, with these lines in its `frontend`, such as `option forwardfor`.
    ///
    /// # Panics
    ///
    /// With the line that installs it, if HAProxy is missing; if it does not start.
    pub async fn in_front_of(target: SocketAddr, lines: &str) -> Self {
        for _ in 0..PORTS {
            let folder = Folder::new("haproxy");
            let addr = free_addr();
            let file = folder.path().join("haproxy.cfg");
            fs::write(&file, configuration(addr, target, lines)).expect("a file for the test");
            let mut haproxy = Command::new(program::find("haproxy"));
            // In the foreground, so that killing it ends all of it.
            haproxy.arg("-db").arg("-f").arg(&file);
            let process = haproxy.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut process = program::start(process, INSTALL);
            if is_bound(&mut process, addr).await {
                return Self { _process: process, addr, _folder: folder };
            }
        }
        panic!("HAProxy does not start with these lines: {lines}");
    }

    /// Where it listens, as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

fn configuration(addr: SocketAddr, target: SocketAddr, lines: &str) -> String {
    format!(
        "global\n maxconn 256\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         frontend in\n bind {addr}\n {lines}\n default_backend out\n\
         backend out\n server gateway {target}\n"
    )
}

/// Nobody keeps it until HAProxy takes it: that may fail.
fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// Whether it listens. `false` once it has ended.
async fn is_bound(process: &mut Child, addr: SocketAddr) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if process.try_wait().expect("its state").is_some() {
            return false;
        }
        if TcpStream::connect(addr).await.is_ok() {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("HAProxy neither listens nor ends");
}

const PORTS: usize = 5;

const INSTALL: &str = "Install HAProxy: apt-get install -y haproxy";
