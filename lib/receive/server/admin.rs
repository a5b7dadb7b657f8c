//! The admin listener: health, readiness, metrics, usage, coverage, a status page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::receive::server::certificate::CertificateExchange;
use crate::receive::server::connections::Connections;
use crate::receive::server::metrics::{self, MomentFigures};
use crate::receive::server::receiver::Receiver;
use crate::receive::server::refusal::{self, WholeResponse};
use crate::receive::server::status_page;
use crate::receive::server::store_view::StoreView;

/// The most connections to the admin listener.
const CONNECTIONS: usize = 32;

const HEAD_TIME: Duration = Duration::from_secs(10);

/// The parts that the admin listener reports on.
pub(crate) struct Admin {
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) certificate: Option<Arc<CertificateExchange>>,
    pub(crate) store: Arc<dyn StoreView>,
}

/// Answers operators while the server runs.
pub(crate) async fn serve(listener: TcpListener, admin: Arc<Admin>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let admin = Arc::clone(&admin);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let admin = Arc::clone(&admin);
                async move { Ok::<_, Infallible>(answer(admin, &request).await) }
            });
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME);
            // An error, for example a client that leaves early, ends only this connection.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(place);
        });
    }
}

async fn answer(admin: Arc<Admin>, request: &Request<Incoming>) -> WholeResponse {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let body = "{\"error\":\"only GET\"}".to_owned();
        return refusal::json(StatusCode::METHOD_NOT_ALLOWED, body);
    }
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/healthz" => health(&admin),
        "/readyz" => readiness(&admin),
        "/" | "/metrics" | "/v1/usage" | "/v1/coverage" => {
            let asked = spawn_blocking(move || from_store(&admin, &path)).await;
            asked.unwrap_or_else(|_| failed())
        }
        _ => refusal::json(
            StatusCode::NOT_FOUND,
            "{\"error\":\"no such path\"}".to_owned(),
        ),
    }
}

/// The receiver is healthy unless a sync failed.
fn health(admin: &Admin) -> WholeResponse {
    match admin.receiver.condition.is_broken() {
        false => refusal::acknowledged(),
        true => failed(),
    }
}

fn readiness(admin: &Admin) -> WholeResponse {
    match admin.receiver.condition.unready() {
        None => refusal::json(StatusCode::OK, "{\"status\":\"ready\"}".to_owned()),
        Some(why) => {
            let body = serde_json::json!({"status": "not ready", "reason": why});
            refusal::json(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
        }
    }
}

fn from_store(admin: &Admin, path: &str) -> WholeResponse {
    let read = match path {
        "/v1/usage" => admin.store.usage(),
        "/v1/coverage" => admin.store.coverage(),
        _ => return from_counters(admin, path),
    };
    match read {
        Ok(body) => refusal::json(StatusCode::OK, body),
        Err(e) => {
            log::error!("{path}: {e:#}");
            failed()
        }
    }
}

fn from_counters(admin: &Admin, path: &str) -> WholeResponse {
    let receiver = &admin.receiver;
    let (counters, store) = (receiver.counters.now(), admin.store.figures());
    let moment = MomentFigures {
        connections: admin.connections.count(),
        in_flight: receiver.capacity.used(),
        certificate: admin
            .certificate
            .as_ref()
            .map(|exchange| exchange.not_after()),
        free: receiver.condition.free(),
        state: receiver.condition.state(receiver.clock.instant()),
    };
    if path == "/metrics" {
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let text = metrics::text(&counters, &store, &moment);
        return refusal::typed(StatusCode::OK, content_type, text);
    }
    let unready = receiver.condition.unready();
    let now = receiver.clock.now();
    let page = status_page::html(&counters, &store, &moment, unready, now);
    refusal::typed(StatusCode::OK, "text/html; charset=utf-8", page)
}

fn failed() -> WholeResponse {
    let body = "{\"status\":\"failed\"}".to_owned();
    refusal::json(StatusCode::SERVICE_UNAVAILABLE, body)
}
