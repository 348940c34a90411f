//! Around every handler: an id for the request, refusals in the vendor's form, panics as a 500.

use super::drain::drain;
use crate::Platform;
use crate::refusal::Refusal;
use crate::service::attend;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// `router` inside its envelope.
pub(super) fn around(router: Router<Platform>, app: &Platform) -> Router {
    router
        .fallback(async || Refusal::not_found("Resource not found"))
        .method_not_allowed_fallback(async || Refusal::not_allowed("Method not allowed"))
        .layer(from_fn_with_state(app.clone(), attend))
        .layer(from_fn_with_state(app.clone(), envelope))
        .layer(from_fn_with_state(app.clone(), drain))
        .with_state(app.clone())
}

async fn envelope(State(app): State<Platform>, request: Request, next: Next) -> Response {
    let id = app.ids().request();
    let mut work = pin!(next.run(request));
    let answer = std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(response)) => Poll::Ready(response),
        Err(_) => Poll::Ready(Refusal::internal("a handler panicked").into_response()),
    });
    let mut response = answer.await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let mut told = serde_json::json!({ "error": refusal.message, "request_id": id });
        if let Some(name) = refusal.name {
            // Where AWS's own clients look for them.
            told["code"] = name.into();
            told["message"] = told["error"].clone();
            response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(name));
        }
        *response.body_mut() = Body::from(told.to_string());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.remove(header::CONTENT_LENGTH);
        if let Some(seconds) = refusal.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if refusal.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ManagementJWT\""));
        }
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-men-requestid", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Tx;
    use crate::{Settings, args};
    use fleetproof_world::{Runtime, World};
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    use utoipa_axum::router::OpenApiRouter;
    use utoipa_axum::routes;

    /// Changes something and panics before it is made so.
    #[utoipa::path(get, path = "/panics", responses((status = 200, description = "Never.")))]
    async fn panics(State(app): State<Platform>) -> StatusCode {
        let mut tx = app.begin().await.unwrap();
        tx.execute("insert into migrations (step) values ($1)", args![-1]).await.unwrap();
        panic!("on purpose")
    }

    #[test]
    fn a_panic_is_a_500_that_changes_nothing() {
        Runtime::virtual_time().unwrap().block_on(async {
            let world = World::simulated(1);
            let settings = Settings::free(world, None);
            let app = Platform::open(settings).await.unwrap();
            let router = around(OpenApiRouter::new().routes(routes!(panics)).split_for_parts().0, &app);
            let request = Request::get("/panics").body(Body::empty()).unwrap();
            let answer = router.oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let told = answer.into_body().collect().await.unwrap().to_bytes();
            assert!(told.starts_with(b"{\"error\":\"internal error\",\"request_id\":\""), "{told:?}");
            let mut tx = app.begin().await.unwrap();
            assert_eq!(tx.number("select count(*) as n from migrations where step < 0", &[]).await.unwrap(), 0);
        });
    }
}
