#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! HTTP: what goes over the stream, and what a broken stream looks like.

use bytes::Bytes;
use fleetproof_wire::http::{Connection, HttpError, Multipart, Request, Response, exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The far end: for each answer reads one request (up to what its length says), then writes it.
async fn far_end(mut stream: DuplexStream, answers: Vec<&'static str>) -> Vec<String> {
    let mut requests = Vec::new();
    for answer in answers {
        let mut request = String::new();
        let mut buffer = [0; 4096];
        loop {
            let n = stream.read(&mut buffer).await.unwrap();
            request.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
            let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break;
            }
        }
        requests.push(request);
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    requests
}

#[tokio::test]
async fn one_request_goes_out_as_written() {
    let (near, far) = tokio::io::duplex(64);
    let request = Request::new("PUT", "/status?x=1").bearer("token").body("application/json", "{}");
    let answer = "HTTP/1.1 204 No Content\r\nX-Total-Count: 3\r\n\r\n";
    let (response, requests) = tokio::join!(exchange(near, "platform", request), far_end(far, vec![answer]));
    let response = response.unwrap();
    assert_eq!((response.status, response.header("x-TOTAL-count")), (204, Some("3")));
    assert!(response.is_success() && response.body.is_empty());
    let expected = "PUT /status?x=1 HTTP/1.1\r\nAuthorization: Bearer token\r\nContent-Type: application/json\r\n\
                    Host: platform\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(requests, [expected]);
}

#[tokio::test]
async fn a_kept_connection_serves_several_requests() {
    let (near, far) = tokio::io::duplex(64);
    let one = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    let two = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
    let near = async {
        let mut connection = Connection::open(near).await.unwrap();
        let first = connection.send("p", Request::new("GET", "/1")).await.unwrap();
        assert!(connection.is_open());
        let second = connection.send("p", Request::new("GET", "/2").header("Host", "other")).await.unwrap();
        (first.text(), second.status, second.text())
    };
    let (answers, requests) = tokio::join!(near, far_end(far, vec![one, two]));
    assert_eq!(answers, ("abcdefg".into(), 404, "no".into()));
    assert!(requests[1].contains("Host: other\r\n") && !requests[1].contains("Host: p\r\n"));
}

#[tokio::test]
async fn what_came_before_a_connection_broke_is_handed_out() {
    let (near, far) = tokio::io::duplex(64);
    let near = async {
        let mut connection = Connection::open(near).await.unwrap();
        let head = connection.begin("p", Request::new("GET", "/")).await.unwrap();
        let mut got = Vec::new();
        let error = loop {
            match connection.chunk().await {
                Ok(chunk) => got.extend_from_slice(&chunk.unwrap()),
                Err(error) => break error,
            }
        };
        (head.status, String::from_utf8(got).unwrap(), error, connection.is_open())
    };
    let far = far_end(far, vec!["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"]);
    let ((status, got, error, open), _) = tokio::join!(near, far);
    assert_eq!((status, got.as_str(), open), (200, "12345", false));
    assert!(matches!(error, HttpError::Broken(_)), "{error}");
}

#[tokio::test]
async fn an_end_without_an_answer_is_an_error() {
    let (near, far) = tokio::io::duplex(64);
    drop(far);
    assert!(matches!(exchange(near, "p", Request::new("GET", "/")).await, Err(HttpError::Broken(_))));
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_before_anything_is_sent() {
    for request in
        [Request::new("GE T", "/"), Request::new("GET", "/a b"), Request::new("GET", "/").header("a", "b\nc")]
    {
        let (near, mut far) = tokio::io::duplex(64);
        assert!(matches!(exchange(near, "p", request).await, Err(HttpError::Unspeakable(_))));
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    }
}

#[test]
fn a_form_has_its_parts_in_the_order_given() {
    let form = || {
        let form = Multipart::new().text("size", "3");
        form.file("artifact", "a\".mender", "application/octet-stream", Bytes::from_static(b"abc")).finish()
    };
    let (content_type, body) = form();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"size\"\r\n\r\n3\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"artifact\"; filename=\"a%22.mender\"\r\n\
         Content-Type: application/octet-stream\r\n\r\nabc\r\n--{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8(body.to_vec()).unwrap(), expected);
    assert_eq!(form(), (content_type, body), "the same bytes every time");
}

#[test]
fn a_platform_that_reckons_with_time_says_so() {
    let says = |value: &str| {
        let headers = vec![("server-timing".to_owned(), value.to_owned())];
        Response { headers, ..Response::default() }.modelled()
    };
    assert_eq!(says("modelled;dur=4.150"), Some(4_150));
    assert_eq!(says("db;dur=53, modelled;dur=0.9"), Some(900));
    assert_eq!(says("modelled;dur=12"), Some(12_000));
    for other in [
        "",
        "db;dur=53",
        "modelled",
        "modelled;dur=",
        "modelled;dur=-1",
        "modelled;dur=1.x",
        "modelled;dur=99999999999999999999",
    ] {
        assert_eq!(says(other), None, "{other}");
    }
    assert_eq!(Response::default().modelled(), None);
}
