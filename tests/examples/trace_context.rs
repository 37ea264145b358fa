//! A service for the tests of W3C Trace Context (COR-5), whose harness sends it calls to make:
//!
//! ```sh
//! cargo run -p buttress-tests --example trace_context        # says where it listens
//! SPEC_LEVEL=2 STRICT_LEVEL=2 python3 test.py http://127.0.0.1:PORT/test
//! ```

use std::{
    error::Error,
    io::{self, Write},
    time::Duration,
};

use axum::{Router, body::Bytes, routing::post};
use buttress_correlation_id::{CorrelationLayer, OutboundLayer};
use http::{Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde::Deserialize;
use serde_json::Value;
use tokio::{net::TcpListener, time::timeout};
use tower::{ServiceBuilder, ServiceExt};

/// A call that the harness wants to be made, with more of them as its body.
#[derive(Deserialize)]
struct Call {
    url: String,
    arguments: Value,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let app = Router::new().route("/test", post(test)).layer(CorrelationLayer::new());
    Ok(axum::serve(listener, app).await?)
}

/// Makes the calls, one after the other.
async fn test(body: Bytes) -> Result<(), StatusCode> {
    let calls: Vec<Call> = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    for call in calls {
        let arguments = Full::new(Bytes::from(call.arguments.to_string()));
        let request = Request::post(call.url).header(CONTENT_TYPE, "application/json").body(arguments);
        let request = request.map_err(|_| StatusCode::BAD_REQUEST)?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let client = ServiceBuilder::new().layer(OutboundLayer::new()).service(client);
        let made = timeout(Duration::from_secs(5), client.oneshot(request)).await;
        made.map_err(|_| StatusCode::GATEWAY_TIMEOUT)?.map_err(|_| StatusCode::BAD_GATEWAY)?;
    }
    Ok(())
}
