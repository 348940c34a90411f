//! Bodies that nobody read are read to their end before the answer goes out: a client that is still writing when the
//! connection closes finds it broken, and never learns why it was refused.

use crate::Platform;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// A body of so many bytes was sent with its head, or stands in the connection: nobody is still writing it.
const SMALL: u64 = 8 << 10;

/// How much of a body is read for nothing. Who sends more does so into a closed door.
const MOST: usize = 64 << 20;

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers, and reads what the handler left of the body.
pub(super) async fn drain(State(app): State<Platform>, request: Request, next: Next) -> Response {
    // Who asks first whether to send the body does not send it when refused.
    let is_small = request.body().size_hint().upper().is_some_and(|size| size <= SMALL);
    if is_small || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let kept = Kept(Arc::new(Mutex::new(Some(body))));
    let left = kept.clone();
    let response = next.run(Request::from_parts(parts, Body::new(kept))).await;
    if let Some(body) = left.take() {
        let until = app.clock().now().after(PATIENCE);
        // Whether it came to its end or not: now the answer goes out.
        let _read_for_nothing = app.clock().until(until, read(body)).await;
    }
    response
}

async fn read(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MOST {
            return;
        }
    }
}

/// A body that outlives who was given it. `None` once it was read to its end.
#[derive(Clone)]
struct Kept(Arc<Mutex<Option<Body>>>);

impl Kept {
    fn with<T>(&self, act: impl FnOnce(&mut Option<Body>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self) -> Option<Body> {
        self.with(Option::take)
    }
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.with(|kept| {
            let Some(body) = kept else { return Poll::Ready(None) };
            let frame = Pin::new(body).poll_frame(cx);
            if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
                *kept = None;
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.with(|kept| kept.as_ref().is_none_or(HttpBody::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|kept| kept.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use fleetproof_world::{Runtime, World};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tower::ServiceExt;

    /// So many frames of a thousand bytes, counted when they are taken.
    struct Frames {
        left: usize,
        taken: Arc<AtomicUsize>,
    }

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            self.taken.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1000])))))
        }
    }

    /// What a handler answers that reads the body, or does not, and how many of 100 frames are taken.
    fn taken(reads: bool, header: &str) -> (StatusCode, usize) {
        Runtime::virtual_time().unwrap().block_on(async {
            let world = World::simulated(1);
            let settings = Settings::free(world, None);
            let app = Platform::open(settings).await.unwrap();
            let router = match reads {
                true => Router::new().fallback(async |body: Bytes| (StatusCode::OK, body)),
                false => Router::new().fallback(async || StatusCode::FORBIDDEN),
            };
            let taken = Arc::new(AtomicUsize::new(0));
            let body = Body::new(Frames { left: 100, taken: taken.clone() });
            let request = Request::post("/").header(header, "100-continue").body(body).unwrap();
            let answer = router.layer(from_fn_with_state(app, drain)).oneshot(request).await.unwrap();
            (answer.status(), taken.load(Ordering::Relaxed))
        })
    }

    #[test]
    fn a_body_that_nobody_reads_is_read_unless_it_was_not_sent_yet() {
        assert_eq!(taken(false, "x-other"), (StatusCode::FORBIDDEN, 100));
        assert_eq!(taken(true, "x-other"), (StatusCode::OK, 100));
        assert_eq!(taken(false, "expect"), (StatusCode::FORBIDDEN, 0));
    }
}
