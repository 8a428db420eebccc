//! `GET /v1/stream`: decisions as they are made, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use crate::admin::Shared;
use crate::admin::call::Ending;
use crate::admin::input::Params;
use crate::admin::problem::Problem;
use crate::record::decisions::DecisionLine;

/// Streams open at once.
pub const STREAMS_MAX: usize = 32;
/// After so long without an event a comment is sent, so that nobody in between closes the connection.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Room for streams.
#[derive(Debug)]
pub struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Streams(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

/// Which decisions are streamed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Terms that must all hold, such as `code!=ok route=orders path=/v1/*`.
    filter: Option<String>,
}

/// Streams decisions as they are made.
///
/// Server-sent events of type `decision`, whose id is the decision's number; with `Last-Event-ID` those since come
/// first, as far as they are kept. A reader that is too slow gets an event `lagged` with how many it `missed`.
#[utoipa::path(
    get, path = "/v1/stream", tag = "decisions",
    params(StreamQuery, ("Last-Event-ID" = Option<u64>, Header, description = "id of the last event seen")),
    responses((status = 200, body = String, content_type = "text/event-stream",
        example = json!("id: 17\nevent: decision\ndata: {\"status\":429,\"code\":\"rate_limited\"}\n\n")))
)]
pub async fn stream(
    State(services): State<Shared>,
    Params(query): Params<StreamQuery>,
    ending: Option<Extension<Ending>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = Filter::parse(query.filter.as_deref().unwrap_or_default())?;
    let since = match headers.get("last-event-id") {
        None => None,
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|v| v.trim().parse::<u64>().ok())
                .ok_or_else(|| Problem::parameter("Last-Event-ID", "expected the id of an event, a number"))?,
        ),
    };
    let Ok(permit) = Arc::clone(&services.streams.0).try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_streams",
            format!("{STREAMS_MAX} streams are open, the most there may be. Close one."),
        )
        .header(header::RETRY_AFTER, HeaderValue::from_static("5")));
    };
    // Subscribed before the past is read, so that nothing falls between the two.
    let receiver = services.decisions.subscribe();
    let past = match since {
        Some(since) => services.decisions.recent(since, usize::MAX, |_| true).into(),
        None => VecDeque::new(),
    };
    let ending = ending.map(|Extension(Ending(token))| token).unwrap_or_default();
    let reader = Reader { ending, past, receiver, filter, last: since, keep_alive: KEEP_ALIVE, _permit: Some(permit) };
    let frames = futures_util::stream::unfold(reader, |mut reader| async move {
        let text = reader.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), reader))
    });
    let mut response = Body::from_stream(frames).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

struct Reader {
    ending: CancellationToken,
    past: VecDeque<DecisionLine>,
    receiver: Receiver<DecisionLine>,
    filter: Filter,
    last: Option<u64>,
    keep_alive: Duration,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Reader {
    /// The next piece of the stream; `None` when there will be no more decisions.
    async fn next(&mut self) -> Option<String> {
        while let Some(decision) = self.past.pop_front() {
            if let Some(event) = self.event(&decision) {
                return Some(event);
            }
        }
        let quiet = tokio::time::sleep(self.keep_alive);
        tokio::pin!(quiet);
        loop {
            tokio::select! {
                received = self.receiver.recv() => match received {
                    Ok(decision) => {
                        if let Some(event) = self.event(&decision) {
                            return Some(event);
                        }
                    }
                    Err(RecvError::Lagged(missed)) => return Some(lagged(missed)),
                    Err(RecvError::Closed) => return None,
                },
                () = self.ending.cancelled() => return None,
                () = &mut quiet => return Some(": still here\n\n".to_owned()),
            }
        }
    }

    fn event(&mut self, decision: &DecisionLine) -> Option<String> {
        if self.last.is_some_and(|last| decision.seq <= last) {
            return None;
        }
        self.last = Some(decision.seq);
        // JSON text of ours has no line ends; one that had would break the frame.
        let one_line = !decision.json.contains(['\n', '\r']);
        (one_line && self.filter.passes(&decision.json))
            .then(|| format!("id: {}\nevent: decision\ndata: {}\n\n", decision.seq, decision.json))
    }
}

fn lagged(missed: u64) -> String {
    format!("event: lagged\ndata: {{\"missed\":{missed}}}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decisions::Decisions;

    #[tokio::test]
    async fn a_quiet_stream_is_kept_open_and_ends_with_its_source() {
        let decisions = Decisions::default();
        let (past, filter, keep_alive) = (VecDeque::new(), Filter::default(), Duration::from_millis(1));
        let mut reader = Reader {
            ending: CancellationToken::new(),
            past,
            receiver: decisions.subscribe(),
            filter,
            last: None,
            keep_alive,
            _permit: None,
        };
        assert_eq!(reader.next().await.as_deref(), Some(": still here\n\n"));
        drop(decisions);
        assert_eq!(reader.next().await, None);
    }
}
