//! A real nginx on a free port, with a configuration and files of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    http::PATIENCE,
    program::{self, Folder},
};

/// An nginx process. It ends when it is dropped.
#[derive(Debug)]
pub struct Nginx {
    _process: Child,
    addr: SocketAddr,
    folder: Folder,
}

impl Nginx {
    /// Starts one with these directives in its only `server` block, such as
    /// `location / { proxy_pass http://127.0.0.1:3000; }`. All else is as nginx has it by default.
    ///
    /// # Panics
    ///
    /// With the line that installs it, if nginx is missing; with what it says, if it does not start.
    pub async fn start(directives: &str) -> Self {
        for _ in 0..PORTS {
            let folder = Folder::new("nginx");
            let addr = free_addr();
            fs::write(folder.path().join("nginx.conf"), configuration(addr, directives)).expect("a file for the test");
            let mut process = spawn(&folder);
            if is_bound(&mut process, &folder).await {
                return Self { _process: process, addr, folder };
            }
            let said = fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
            assert!(said.contains("Address already in use"), "nginx does not start: {said}\n{directives}");
        }
        panic!("no port stayed free");
    }

    /// Starts one that passes everything on to `target`.
    pub async fn in_front_of(target: SocketAddr) -> Self {
        Self::start(&format!("location / {{ proxy_pass http://{target}; }}")).await
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Puts a file into its root folder.
    pub fn add_file(&self, name: &str, content: &str) {
        let root = self.folder.path().join("html");
        fs::create_dir_all(&root).expect("a folder for the test");
        fs::write(root.join(name), content).expect("a file for the test");
    }
}

/// One process, so that killing it ends all of it, and no path outside of its folder.
fn configuration(addr: SocketAddr, directives: &str) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid;
        events {{ worker_connections 512; }}
        http {{
            access_log off;
            client_body_temp_path body; proxy_temp_path proxy;
            fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            types {{ text/html html; text/javascript js; }}
            server {{ listen {addr}; {directives} }}
        }}"
    )
}

/// Nobody keeps it until nginx takes it: that may fail.
fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

fn spawn(folder: &Folder) -> Child {
    let mut nginx = Command::new(program::find("nginx"));
    nginx.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
    program::start(nginx.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()), INSTALL)
}

/// Whether it listens: it writes its file right after that. `false` once it has ended.
async fn is_bound(process: &mut Child, folder: &Folder) -> bool {
    let (pid, deadline) = (folder.path().join("nginx.pid"), Instant::now() + PATIENCE);
    while Instant::now() < deadline {
        if fs::read(&pid).is_ok_and(|content| !content.is_empty()) {
            return true;
        }
        if process.try_wait().expect("its state").is_some() {
            return false;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("nginx neither listens nor ends");
}

const PORTS: usize = 5;

const INSTALL: &str = "Install nginx: apt-get install -y nginx";
