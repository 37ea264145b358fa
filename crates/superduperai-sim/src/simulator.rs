//! The handle of a running simulator.

use std::{
    fmt, io, mem,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
};

use tokio::net::TcpListener;

use crate::{
    EventMode, Fault, JobReport, MAX_FAULTS, ReceivedRequest, Settings, server,
    tasks::Tasks,
    world::{Conflict, World},
};

/// A running simulator; it dies with this handle.
///
/// # Panics
///
/// Dropping it panics if one of its tasks did, so that a fault of the simulator is never taken for one of the
/// code under test.
#[must_use = "dropping the handle kills the simulator"]
pub struct Simulator {
    addr: SocketAddr,
    world: Arc<World>,
}

impl Simulator {
    /// Binds, and serves on background tasks of the current runtime.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was started.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.bind).await?;
        let addr = listener.local_addr()?;
        let tasks = Tasks::default();
        let world = World::new(settings, base(addr), tasks.clone());
        tasks.spawn(server::serve(listener, Arc::clone(&world)));
        Ok(Self { addr, world })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as an url without a slash at its end.
    pub fn url(&self) -> &str {
        &self.world.base
    }

    /// The token it asks for.
    pub fn token(&self) -> String {
        self.world.live().settings.token.clone()
    }

    /// Credits that are left.
    pub fn balance(&self) -> f64 {
        self.world.live().settings.balance
    }

    /// Changes its settings while it runs; everything waits while `change` does, which must not call back.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # use superduperai_sim::{Settings, Simulator};
    /// let sim = Simulator::start(Settings::default()).await?;
    /// sim.change(|settings| settings.vip(false).balance(0.5));
    /// assert_eq!(sim.balance(), 0.5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn change(&self, change: impl FnOnce(Settings) -> Settings) {
        let mut live = self.world.live();
        live.settings = change(mem::take(&mut live.settings));
    }

    /// Changes how event streams behave.
    pub fn set_events(&self, events: EventMode) {
        self.world.live().settings.events = events;
    }

    /// Adds a fault, behind those that wait.
    ///
    /// # Panics
    ///
    /// If [`MAX_FAULTS`] wait.
    pub fn add_fault(&self, fault: Fault) {
        let added = self.world.faults().add(fault);
        assert!(added, "more than {MAX_FAULTS} faults wait");
    }

    /// Forgets all faults that wait.
    pub fn clear_faults(&self) {
        self.world.faults().clear();
    }

    /// Lets the next job fail after its 200; called again, one more.
    pub fn fail_next_job(&self) {
        self.world.live().doomed += 1;
    }

    /// Lets the next `generate-*` request, and those that repeat its seed, fail with 409.
    pub fn conflict_next_job(&self) {
        self.world.live().conflict = Conflict::Armed;
    }

    /// What it received, in order; the newest ten thousand.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.world.log().all()
    }

    /// Every job it started, in order; the newest ten thousand.
    pub fn jobs(&self) -> Vec<JobReport> {
        self.world.reports().all()
    }

    /// Kills it, as dropping it does, and waits until nothing of it is left: its port can be bound again.
    ///
    /// # Panics
    ///
    /// If one of its tasks panicked.
    pub async fn stop(self) {
        self.world.tasks.kill();
        self.world.tasks.gone().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.world.tasks.kill();
        if self.world.tasks.panicked() && !thread::panicking() {
            panic!("a task of the simulator panicked");
        }
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Simulator");
        debug.field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// An address that can be asked for again: not the unspecified one.
fn base(mut addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{addr}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "a task of the simulator panicked")]
    async fn a_panic_in_a_task_fails_the_test_that_holds_the_handle() {
        let sim = Simulator::start(Settings::default()).await.unwrap();
        sim.world.tasks.spawn(async { panic!("on purpose") });
        while !sim.world.tasks.panicked() {
            tokio::task::yield_now().await;
        }
        sim.stop().await;
    }

    #[test]
    fn urls_never_name_the_unspecified_address() {
        assert_eq!(base(([0, 0, 0, 0], 80).into()), "http://127.0.0.1:80");
        assert_eq!(base(([10, 0, 0, 1], 80).into()), "http://10.0.0.1:80");
    }
}
