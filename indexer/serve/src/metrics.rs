//! Figures for Prometheus: of this process (requests, cache, streams), and of the service (lag, work, rows), which every process
//! would tell alike.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::{Label, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};
use schema::Timestamp;
use tokio::time::Instant;

use crate::{ApiError, Service};

const REQUESTS: &str = "provenance_http_requests_total";
const DURATION: &str = "provenance_http_request_duration_seconds";
/// Upper bounds of the histogram, in seconds: the promise is a 99th percentile below a hundredth.
const BOUNDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// The text format, version 0.0.4.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The figures of this process.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let matcher = Matcher::Full(DURATION.to_owned());
        let recorder = PrometheusBuilder::new().set_buckets_for_metric(matcher, &BOUNDS)?.build_recorder();
        Ok(Self { recorder })
    }

    /// Takes over what was counted since the last time; without it samples would pile up where nobody asks for them.
    pub(crate) fn upkeep(&self) {
        self.recorder.handle().run_upkeep();
    }
}

/// The router of the other listener: figures, and nothing else.
pub(crate) fn router(service: &Arc<Service>) -> Router {
    Router::new()
        .route("/metrics", get(all))
        .route("/metrics/instance", get(instance))
        .route("/metrics/service", get(of_service))
        .with_state(Arc::clone(service))
}

/// Counts a request by the template of its route, never by its path: paths are made up by whoever asks.
pub(crate) async fn measure(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = method(request.method());
    let began = Instant::now();
    let response = next.run(request).await;
    let (seconds, status) = (began.elapsed().as_secs_f64(), response.status().as_u16().to_string());
    let labels = vec![Label::new("route", route), Label::from_static_parts("method", method)];
    with_local_recorder(&service.metrics.recorder, || {
        histogram!(DURATION, labels.clone()).record(seconds);
        let labels: Vec<_> = labels.into_iter().chain([Label::new("status", status)]).collect();
        counter!(REQUESTS, labels).increment(1);
    });
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

async fn all(State(service): State<Arc<Service>>) -> Response {
    match service.figures().await {
        Ok(figures) => text(service.own_figures() + &figures),
        // The figures of the process are wanted most when the database is away.
        Err(_) => text(service.own_figures() + "provenance_database_up 0\n"),
    }
}

async fn instance(State(service): State<Arc<Service>>) -> Response {
    text(service.own_figures())
}

async fn of_service(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    Ok(text(service.figures().await?))
}

fn text(figures: String) -> Response {
    ([(header::CONTENT_TYPE, TEXT)], figures).into_response()
}

impl Service {
    fn own_figures(&self) -> String {
        let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let (entries, bytes) = self.kept.size();
        with_local_recorder(&self.metrics.recorder, || {
            gauge!("provenance_cache_entries").set(number(entries));
            gauge!("provenance_cache_bytes").set(number(usize::try_from(bytes).unwrap_or(usize::MAX)));
            counter!("provenance_cache_hits_total").absolute(self.kept.hits.load(Ordering::Relaxed));
            counter!("provenance_cache_misses_total").absolute(self.kept.misses.load(Ordering::Relaxed));
            gauge!("provenance_streams_open").set(number(self.options.max_streams - self.streams.available_permits()));
            gauge!("provenance_answers_under_way")
                .set(number(self.options.max_answers - self.answers.available_permits()));
        });
        self.recorder_text()
    }

    fn recorder_text(&self) -> String {
        self.metrics.recorder.handle().render()
    }

    /// The figures of the service, made anew from the memory: what is gone from there is gone from here.
    async fn figures(&self) -> Result<String, ApiError> {
        let moment = self.moment().await?;
        let now = self.now();
        let (work, rows) = (self.store.counts().await?, self.store.row_counts().await?);
        let last = self.store.last_number().await?;
        let webhooks = self.store.webhooks().await?;
        let disabled = webhooks.iter().filter(|webhook| webhook.progress.disabled.is_some()).count();
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            gauge!("provenance_database_up").set(1.0);
            gauge!("provenance_answers_stale").set(f64::from(u8::from(moment.standing.stale)));
            for source in &moment.known.sources {
                let address = crate::standing::without_password(&source.address);
                let since = source.behind_since.or(source.last_success_at);
                if let Some(since) = since {
                    gauge!("provenance_index_lag_seconds", "index" => address.clone()).set(seconds(since, now));
                }
                let trouble = source.trouble(now).is_some();
                gauge!("provenance_index_trouble", "index" => address.clone()).set(f64::from(u8::from(trouble)));
                if let Some(drift) = source.drift {
                    gauge!("provenance_index_drift", "index" => address).set(whole(drift));
                }
            }
            if let Some(at) = moment.known.advisory_db_checked_at {
                gauge!("provenance_advisory_db_age_seconds").set(seconds(at, now));
            }
            for count in work {
                let step = count.step.as_str();
                gauge!("provenance_work_waiting", "step" => step).set(whole(count.waiting));
                gauge!("provenance_work_retrying", "step" => step).set(whole(count.retrying));
                gauge!("provenance_work_given_up", "step" => step).set(whole(count.dead));
            }
            for (verdict, state, n) in rows {
                gauge!("provenance_rows", "verdict" => verdict, "advisory_state" => state).set(whole(n));
            }
            gauge!("provenance_webhooks").set(whole(webhooks.len() as u64));
            gauge!("provenance_webhooks_disabled").set(whole(disabled as u64));
            gauge!("provenance_last_event").set(whole(last.unsigned_abs()));
        });
        Ok(recorder.handle().render())
    }
}

fn seconds(since: Timestamp, now: Timestamp) -> f64 {
    let micros = now.as_micros().saturating_sub(since.as_micros()).max(0);
    Duration::from_micros(micros.unsigned_abs()).as_secs_f64()
}

/// Exact up to 2^53, which no count of ours reaches.
fn whole(n: u64) -> f64 {
    let high = u32::try_from(n >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(n & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}
