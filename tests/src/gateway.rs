use std::{net::SocketAddr, time::Duration};

use buttress_provider::Schedule;
use buttress_superduperai::{ApiUrl, Token};
use gateway_common::{ProviderAccess, Settings};
use superduperai_sim::Simulator;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::http::Http;

/// A gateway on a free port, in front of a simulator of its own. Both end when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    addr: SocketAddr,
    url: String,
    sim: Option<Simulator>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Gateway {
    /// Starts one with quick steps, and with the settings that `change` makes.
    pub async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let quick = superduperai_sim::Settings::default().step(Duration::from_millis(40));
        Self::start_with(quick, change).await
    }

    /// Starts one in front of a simulator with settings of its own.
    pub async fn start_with(sim: superduperai_sim::Settings, change: impl FnOnce(&mut Settings)) -> Self {
        let sim = Simulator::start(sim).await.expect("a simulator on a free port");
        let provider = ProviderAccess {
            url: ApiUrl::new(sim.url()).expect("the simulator's address"),
            token: Token::new(sim.token()).expect("the simulator's token"),
        };
        let mut settings = Settings { provider: Some(provider), schedule: Some(quick_looks()), ..unlimited() };
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let gateway = gateway_common::Gateway::start(settings).await.expect("good settings");
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(gateway_axum::serve(listener, gateway, stopped));
        Self { addr, url: format!("http://{addr}"), sim: Some(sim), stop: Some(stop), served }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as a URL without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its provider.
    pub fn sim(&self) -> &Simulator {
        self.sim.as_ref().expect("the simulator was not killed")
    }

    /// Kills its provider, with every connection.
    pub async fn kill_sim(&mut self) {
        self.sim.take().expect("the simulator was not killed before").stop().await;
    }

    /// A client that nobody knows yet.
    pub fn http(&self) -> Http {
        Http::new(&self.url)
    }

    /// A client with the cookie of a new guest.
    pub async fn guest(&self) -> Http {
        let cookie = self.http().get("/").await.cookie();
        self.http().with("cookie", &cookie)
    }

    /// Tells it to drain, and waits until it has.
    pub async fn drain(mut self) -> std::io::Result<()> {
        drop(self.stop.take());
        (&mut self.served).await.expect("serving does not panic")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// The defaults without limits of callers: tests come from one address, and do more than a person at a page.
fn unlimited() -> Settings {
    Settings { user_limit: None, ip_limit: None, image_limit: None, video_limit: None, ..Settings::default() }
}

/// Short waits between looks, and a short patience with a provider that is gone.
fn quick_looks() -> Schedule {
    let schedule = Schedule::default().first(Duration::from_millis(100)).and_then(|it| it.cap(Duration::from_secs(1)));
    schedule.expect("waits that grow").outage(Duration::from_secs(3))
}
