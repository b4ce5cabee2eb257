//! The HTTP side: one thread, one current-thread runtime. It reads what the others keep, and changes nothing.
//!
//! `/metrics` for Prometheus, `/` for both Prometheus and people, `/events` for pages that are open, `/healthz`.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{Stream, unfold};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use slog::{Logger, debug, warn};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::{sleep, timeout};
use tower_http::compression::{CompressionLayer, CompressionLevel};

use crate::common::clock::{self, Millis};
use crate::common::limits::{
    ACCEPT_PAUSE_MS, HTTP_CONNECTIONS_MAX, HTTP_ENDING_MS, HTTP_HEAD_MAX_MS, PAGE_MS, PAGE_UPDATES_MAX,
    SCRAPE_SHARED_MS,
};
use crate::common::net::Listener;

use super::accept::{self, Wanted};
use super::exposition::{Exposition, Format};
use super::own;
use super::page::{self, Picture};
use super::shared::Shared;

/// What this side is made of.
pub struct Http {
    /// What it shows.
    pub shared: Arc<Shared>,
    /// Where its log goes.
    pub log: Logger,
    /// Turns true when collect ends.
    pub ended: watch::Receiver<bool>,
}

/// A text of all metrics, and when it was written.
type Scrape = (Option<Millis>, Bytes);

/// What handlers share.
#[derive(Clone)]
struct Site {
    shared: Arc<Shared>,
    updates: broadcast::Sender<Arc<Update>>,
    ended: watch::Receiver<bool>,
    /// The page as those who look at it have it, while there are any.
    drawn: Arc<Mutex<Option<Picture>>>,
    /// The last of each format.
    scrapes: Arc<Mutex<[Scrape; 2]>>,
}

/// What pages that are open are told.
struct Update {
    name: &'static str,
    data: String,
}

impl Update {
    fn event(&self) -> Event {
        Event::default().event(self.name).data(&self.data)
    }
}

impl Http {
    /// What the thread does: it serves until collect ends.
    ///
    /// # Errors
    /// When the runtime can't be made.
    pub fn server(self, listener: Listener) -> io::Result<impl FnOnce() + Send + 'static> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = listener.into_std()?;
        Ok(move || {
            let failed = self.log.clone();
            if let Err(error) = runtime.block_on(self.serve(listener)) {
                warn!(failed, "http: {error}");
            }
        })
    }

    async fn serve(self, listener: std::net::TcpListener) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let (updates, _) = broadcast::channel(PAGE_UPDATES_MAX);
        let site = Site {
            shared: self.shared,
            updates,
            ended: self.ended.clone(),
            drawn: Arc::default(),
            scrapes: Arc::default(),
        };
        tokio::spawn(site.clone().paint());
        let service = TowerToHyperService::new(site.router());
        let (room, graceful) = (Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX)), GracefulShutdown::new());
        let mut ended = self.ended;
        loop {
            let next = async {
                // The semaphore is never closed.
                let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
                listener.accept().await.map(|(stream, _)| (stream, place))
            };
            let accepted = tokio::select! {
                accepted = next => accepted,
                _ = ended.changed() => break,
            };
            match accepted {
                Ok((stream, place)) => {
                    let connection = graceful.watch(connection(stream, service.clone()));
                    let log = self.log.clone();
                    tokio::spawn(async move {
                        if let Err(error) = connection.await {
                            debug!(log, "http: {error}");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    debug!(self.log, "http: accept: {error}");
                    sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            }
        }
        // Who doesn't take the answer by then doesn't get it.
        let _ = timeout(Duration::from_millis(HTTP_ENDING_MS), graceful.shutdown()).await;
        Ok(())
    }
}

type Connection = hyper::server::conn::http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, service: TowerToHyperService<Router>) -> Connection {
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HTTP_HEAD_MAX_MS))
        .serve_connection(TokioIo::new(stream), service)
}

impl Site {
    fn router(self) -> Router {
        let asset = |kind: &'static str, text: &'static str| {
            get(move || async move { ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=60")], text) })
        };
        Router::new()
            .route("/", get(root))
            .route("/metrics", get(metrics))
            .route("/events", get(events))
            .route("/healthz", get(health))
            .route("/page.css", asset("text/css; charset=utf-8", page::STYLE))
            .route("/page.js", asset("text/javascript; charset=utf-8", page::SCRIPT))
            .route("/icon.svg", asset("image/svg+xml", page::ICON))
            .fallback(|| async { (StatusCode::NOT_FOUND, "there is /, /metrics and /healthz\n") })
            .layer(CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest))
            .with_state(self)
    }

    /// Draws the page anew for those who look at it, over and over.
    async fn paint(self) {
        loop {
            sleep(Duration::from_millis(PAGE_MS)).await;
            let mut drawn = lock(&self.drawn);
            if self.updates.receiver_count() == 0 {
                *drawn = None;
                continue;
            }
            let picture = page::draw(&self.shared, clock::now());
            let update = match drawn.as_ref().map(|before| picture.changes(before)) {
                None | Some(None) => Some(Update { name: "whole", data: picture.whole() }),
                Some(Some(changes)) if changes == "{}" => None,
                Some(Some(changes)) => Some(Update { name: "parts", data: changes }),
            };
            *drawn = Some(picture);
            if let Some(update) = update {
                // Nobody may be left to take it.
                let _ = self.updates.send(Arc::new(update));
            }
        }
    }

    /// All metrics; those who come shortly after another get the same.
    fn scrape(&self, format: Format) -> Bytes {
        let now = clock::now();
        let mut scrapes = lock(&self.scrapes);
        let (at, text) = &mut scrapes[usize::from(format == Format::OpenMetrics)];
        if at.is_none_or(|at| now.since(at) >= SCRAPE_SHARED_MS) {
            let mut out = Exposition::new(format);
            let book = self.shared.book();
            out.book(&book);
            own::expose(&mut out, &book, self.shared.started_wall);
            drop(book);
            (*at, *text) = (Some(now), out.end().into());
        }
        text.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accepts(headers: &HeaderMap) -> String {
    let all = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    all.collect::<Vec<_>>().join(",")
}

async fn root(State(site): State<Site>, headers: HeaderMap) -> Response {
    match accept::wanted(&accepts(&headers)) {
        Wanted::Page => {
            let safe = [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (VARY, "accept"),
                (CACHE_CONTROL, "no-store"),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (REFERRER_POLICY, "no-referrer"),
                (
                    CONTENT_SECURITY_POLICY,
                    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                ),
            ];
            (safe, page::document(&page::draw(&site.shared, clock::now()))).into_response()
        }
        Wanted::Metrics(format) => expose(&site, format),
    }
}

async fn metrics(State(site): State<Site>, headers: HeaderMap) -> Response {
    expose(&site, accept::format(&accepts(&headers)))
}

fn expose(site: &Site, format: Format) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (VARY, HeaderValue::from_static("accept")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, site.scrape(format)).into_response()
}

async fn health(State(site): State<Site>) -> Response {
    if site.shared.book().stalled {
        return (StatusCode::SERVICE_UNAVAILABLE, "the store has no room: counters stand still\n").into_response();
    }
    "ok\n".into_response()
}

/// Updates, from a whole page on; one who is too slow to take them begins anew.
async fn events(State(site): State<Site>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = site.updates.subscribe();
    let picture = page::draw(&site.shared, clock::now());
    let whole = Update { name: "whole", data: picture.whole() };
    // Further updates begin where the first who looks begins; who comes later may be told something twice.
    lock(&site.drawn).get_or_insert(picture);
    let begin = (receiver, Some(whole), site.ended);
    let stream = unfold(begin, |(mut receiver, first, mut ended)| async move {
        if let Some(first) = first {
            return Some((Ok(first.event()), (receiver, None, ended)));
        }
        let update = tokio::select! {
            update = receiver.recv() => update.ok()?,
            _ = ended.changed() => return None,
        };
        Some((Ok(update.event()), (receiver, None, ended)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
