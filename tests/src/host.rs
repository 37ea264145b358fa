use std::fmt::Debug;

use gateway_common::Gateway;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A server that the gateway can stand on.
pub trait Host: Debug + 'static {
    /// Its name in messages.
    const NAME: &'static str;

    /// Serves until the token is cancelled, then drains.
    fn serve(
        listener: TcpListener,
        gateway: Gateway,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static;
}

macro_rules! hosts {
    ($($(#[$about:meta])* $host:ident = $name:literal, $package:ident;)+) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug)]
            #[non_exhaustive]
            pub struct $host;

            impl Host for $host {
                const NAME: &'static str = $name;

                fn serve(
                    listener: TcpListener,
                    gateway: Gateway,
                    shutdown: CancellationToken,
                ) -> impl Future<Output = ()> + Send + 'static {
                    $package::serve(listener, gateway, shutdown)
                }
            }
        )+
    };
}

hosts! {
    /// `gateway-axum`
    Axum = "axum", gateway_axum;
    /// `gateway-hyper`
    Hyper = "hyper", gateway_hyper;
    /// `gateway-warp`
    Warp = "warp", gateway_warp;
}
