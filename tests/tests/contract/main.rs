//! The contract of the gateway, as a client that knows nothing else sees it, on each of its hosts.

/// The same tests for each host. They say `use super::Gateway`.
macro_rules! on_every_host {
    ($($name:ident = $host:ident),+) => {
        $(
            #[path = "."]
            mod $name {
                type Gateway = buttress_tests::Hosted<buttress_tests::$host>;

                #[allow(clippy::duplicate_mod)]
                mod browser;
                #[allow(clippy::duplicate_mod)]
                mod clients;
                #[allow(clippy::duplicate_mod)]
                mod connections;
                #[allow(clippy::duplicate_mod)]
                mod faults;
                #[allow(clippy::duplicate_mod)]
                mod gateway;
                #[allow(clippy::duplicate_mod)]
                mod idempotency;
                #[allow(clippy::duplicate_mod)]
                mod limits;
                #[allow(clippy::duplicate_mod)]
                mod nginx;
            }
        )+
    };
}

on_every_host!(on_axum = Axum, on_hyper = Hyper, on_warp = Warp);

mod alike;
mod neutral;
