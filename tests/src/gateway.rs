use std::{fmt, io, marker::PhantomData, net::SocketAddr, time::Duration};

use buttress_provider::Schedule;
use buttress_superduperai::{ApiUrl, Token};
use gateway_common::{ProviderAccess, Settings};
use superduperai_sim::Simulator;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{Axum, Host, http::Http};

/// A gateway on the host that tests take when the host does not matter.
pub type Gateway = Hosted<Axum>;

/// A gateway on a free port, in front of a simulator of its own. Both end when it is dropped.
pub struct Hosted<H> {
    addr: SocketAddr,
    url: String,
    sim: Option<Simulator>,
    stop: CancellationToken,
    served: JoinHandle<()>,
    host: PhantomData<fn(H)>,
}

impl<H: Host> Hosted<H> {
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
        let stop = CancellationToken::new();
        let served = tokio::spawn(H::serve(listener, gateway, stop.clone()));
        Self { addr, url: format!("http://{addr}"), sim: Some(sim), stop, served, host: PhantomData }
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
    pub async fn drain(mut self) -> io::Result<()> {
        self.stop.cancel();
        (&mut self.served).await.map_err(io::Error::other)
    }
}

impl<H: Host> fmt::Debug for Hosted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted").field("host", &H::NAME).field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl<H> Drop for Hosted<H> {
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
