//! The service that the W3C's trace-context test harness wants to talk to.
//!
//! It takes `POST /test` with a JSON array of `{"url", "arguments"}` and posts each `arguments` to its `url`. Start it,
//! then run the harness of <https://github.com/w3c/trace-context> against it, on the same machine:
//!
//! ```text
//! cargo run -p buttress-correlation-id --example trace_context_service -- 127.0.0.1:5000
//! SPEC_LEVEL=2 STRICT_LEVEL=2 python test.py http://127.0.0.1:5000/test
//! ```

use std::{env, error::Error, net::SocketAddr};

use buttress_correlation_id::{CorrelationLayer, Outbound, OutboundLayer};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

type BoxError = Box<dyn Error + Send + Sync>;
type Caller = Outbound<Client<HttpConnector, Full<Bytes>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let address: SocketAddr = env::args().nth(1).as_deref().unwrap_or("127.0.0.1:5000").parse()?;
    let listener = TcpListener::bind(address).await?;
    let client = OutboundLayer::new().layer(Client::builder(TokioExecutor::new()).build_http());
    let handler = service_fn(move |request: Request<Incoming>| handle(client.clone(), request));
    let service = TowerToHyperService::new(ServiceBuilder::new().layer(CorrelationLayer::new()).service(handler));
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()));
    }
}

async fn handle(client: Caller, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BoxError> {
    let body = request.into_body().collect().await?.to_bytes();
    let status = match serde_json::from_slice::<Vec<Value>>(&body) {
        Ok(calls) => {
            for call in &calls {
                post(client.clone(), call).await?;
            }
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}

async fn post(client: Caller, call: &Value) -> Result<(), BoxError> {
    let url = call["url"].as_str().ok_or("a call has a url")?;
    let body = Full::from(call["arguments"].to_string());
    let request = Request::post(url).header(CONTENT_TYPE, "application/json").body(body)?;
    client.oneshot(request).await?.into_body().collect().await?;
    Ok(())
}
