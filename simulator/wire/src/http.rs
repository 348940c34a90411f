//! A thin HTTP/1.1 client over any stream: hyper's protocol, nobody's dialling.
//!
//! The connection is polled by the task that waits for an answer, so a device that is idle costs no
//! task and a dropped future closes the stream.

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use tokio::io::{AsyncRead, AsyncWrite};

/// How many bytes of a body [`Connection::send`] collects before it gives up.
pub const MAX_BODY: usize = 1 << 30;

/// What is asked. Names of headers are sent as they are written here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `PUT`, or anything a client might not be expected to say.
    pub method: String,
    /// Path and query, e.g. `/api/devices/v1/deployments/device/deployments/next?device_type=x`.
    pub target: String,
    /// In the order they are sent; `Host` and `Content-Length` are added where they are missing.
    pub headers: Vec<(String, String)>,
    /// The whole body; may be empty.
    pub body: Bytes,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self { method: method.to_owned(), target: target.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same with a body of that content type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut request = self.header("Content-Type", content_type);
        request.body = body.into();
        request
    }

    /// The same with `Authorization: Bearer <token>`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order they came; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// The first header of that name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the status is one of 200 to 299.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// How long the platform worked on the request, in µs, where it says that it only reckons with time: the entry
    /// `modelled` of `Server-Timing` (W3C), whose `dur` is in ms.
    #[must_use]
    pub fn modelled(&self) -> Option<u64> {
        let entries = self.header("server-timing")?.split(',');
        let timing = entries.filter_map(|entry| entry.trim().strip_prefix("modelled;dur=")).next()?;
        let (ms, fraction) = timing.split_once('.').unwrap_or((timing, ""));
        let micros: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        ms.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(micros)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The request cannot be written as HTTP/1.1: a method, target or header with illegal bytes.
    Unspeakable(String),
    /// The connection ended or broke before the answer was complete.
    Broken(String),
    /// The answer's body is longer than [`MAX_BODY`].
    TooLarge,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspeakable(why) => write!(f, "the request cannot be sent: {why}"),
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::TooLarge => write!(f, "the answer is longer than {MAX_BODY} bytes"),
        }
    }
}

impl std::error::Error for HttpError {}

fn broken(error: &hyper::Error) -> HttpError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    HttpError::Broken(text)
}

/// One connection, one request, one answer.
///
/// # Errors
/// As [`Connection::send`].
pub async fn exchange<S>(stream: S, host: &str, request: Request) -> Result<Response, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Connection::open(stream).await?.send(host, request).await
}

type Driver = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

/// A connection that is kept for several requests, one after the other.
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Option<Driver>,
    /// The rest of the answer that [`begin`](Self::begin) left unread.
    rest: Option<Incoming>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("open", &self.driver.is_some()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Speaks HTTP/1.1 over `stream` from now on. Nothing is sent yet.
    ///
    /// # Errors
    /// [`HttpError::Broken`] when the stream is.
    pub async fn open<S>(stream: S) -> Result<Self, HttpError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, driver) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        Ok(Self { sender, driver: Some(Box::pin(driver)), rest: None })
    }

    /// Whether another request may be sent: neither end has closed it so far.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Sends one request and waits for the whole answer. `host` becomes the `Host` header unless the
    /// request has one.
    ///
    /// # Errors
    /// [`HttpError::Unspeakable`] before anything was sent; [`HttpError::Broken`] when the connection
    /// ends too early; [`HttpError::TooLarge`].
    pub async fn send(&mut self, host: &str, request: Request) -> Result<Response, HttpError> {
        let mut response = self.begin(host, request).await?;
        let Some(first) = self.chunk().await? else { return Ok(response) };
        response.body = first;
        if let Some(second) = self.chunk().await? {
            let mut whole = BytesMut::from(response.body.as_ref());
            whole.extend_from_slice(&second);
            while let Some(next) = self.chunk().await? {
                if whole.len() + next.len() > MAX_BODY {
                    return Err(HttpError::TooLarge);
                }
                whole.extend_from_slice(&next);
            }
            response.body = whole.freeze();
        }
        Ok(response)
    }

    /// Sends one request and waits for the head of the answer; its body comes by
    /// [`chunk`](Self::chunk). What was left of an earlier answer is dropped, and the connection with
    /// it when it cannot be used again.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn begin(&mut self, host: &str, request: Request) -> Result<Response, HttpError> {
        self.rest = None;
        let request = encode(host, request)?;
        let Self { sender, driver, .. } = self;
        let work = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        let answer = drive(driver, work).await?;
        let (head, body) = answer.into_parts();
        self.rest = Some(body);
        Ok(Response { status: head.status.as_u16(), headers: decode(&head.headers), body: Bytes::new() })
    }

    /// The next piece of the answer that [`begin`](Self::begin) began; `None` at its end.
    ///
    /// # Errors
    /// [`HttpError::Broken`] when the connection ended before the answer did. What came before that
    /// has been handed out: a download can go on from there.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            let Some(body) = &mut self.rest else { return Ok(None) };
            let next = drive(&mut self.driver, async { body.frame().await.transpose() }).await?;
            match next.map(hyper::body::Frame::into_data) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => return Ok(Some(data)),
                Some(Err(_trailers)) => {}
                None => {
                    self.rest = None;
                    return Ok(None);
                }
            }
        }
    }
}

/// Polls the connection beside the work that waits for it, and says what broke it rather than that
/// the work was cancelled.
async fn drive<T>(
    driver: &mut Option<Driver>,
    work: impl Future<Output = Result<T, hyper::Error>>,
) -> Result<T, HttpError> {
    let mut work = pin!(work);
    let mut cause = None;
    if let Some(running) = driver {
        tokio::select! {
            biased;
            done = &mut work => return done.map_err(|error| broken(&error)),
            ended = running => cause = ended.err(),
        }
        *driver = None;
    }
    work.await.map_err(|error| broken(cause.as_ref().unwrap_or(&error)))
}

fn encode(host: &str, request: Request) -> Result<http::Request<Full<Bytes>>, HttpError> {
    let unspeakable = |what: &str, error: &dyn fmt::Display| HttpError::Unspeakable(format!("{what}: {error}"));
    let method = http::Method::from_bytes(request.method.as_bytes()).map_err(|e| unspeakable("method", &e))?;
    let target: http::Uri = request.target.parse().map_err(|e| unspeakable("target", &e))?;
    let mut headers = http::HeaderMap::with_capacity(request.headers.len() + 2);
    for (name, value) in &request.headers {
        let known = http::HeaderName::from_bytes(name.as_bytes()).map_err(|e| unspeakable(name, &e))?;
        headers.append(known, http::HeaderValue::from_bytes(value.as_bytes()).map_err(|e| unspeakable(name, &e))?);
    }
    if !headers.contains_key(http::header::HOST) {
        let host = http::HeaderValue::from_str(host).map_err(|e| unspeakable("host", &e))?;
        headers.insert(http::header::HOST, host);
    }
    let mut encoded = http::Request::new(Full::new(request.body));
    *encoded.method_mut() = method;
    *encoded.uri_mut() = target;
    *encoded.headers_mut() = headers;
    Ok(encoded)
}

fn decode(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// A `multipart/form-data` body, its parts in the order they were added.
///
/// ```
/// let (content_type, body) = fleetproof_wire::http::Multipart::new()
///     .text("size", "3")
///     .file("artifact", "a.mender", "application/octet-stream", bytes::Bytes::from_static(b"abc"))
///     .finish();
/// assert!(content_type.starts_with("multipart/form-data; boundary="));
/// assert!(body.starts_with(b"--"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Multipart {
    parts: Vec<(String, Bytes)>,
}

impl Multipart {
    /// A body without parts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more field of text.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\n", quote(name));
        self.parts.push((head, Bytes::copy_from_slice(value.as_bytes())));
        self
    }

    /// One more file.
    #[must_use]
    pub fn file(mut self, name: &str, file_name: &str, content_type: &str, content: Bytes) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {content_type}\r\n\r\n",
            quote(name),
            quote(file_name)
        );
        self.parts.push((head, content));
        self
    }

    /// The value of the `Content-Type` header, and the body. The boundary comes from the content, so
    /// equal parts give equal bytes.
    #[must_use]
    pub fn finish(self) -> (String, Bytes) {
        let mut hash = Sha256::new();
        for (head, content) in &self.parts {
            hash.update(head);
            hash.update(content);
        }
        let boundary: String = hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let boundary = format!("fleetproof-{boundary}");
        let length: usize =
            self.parts.iter().map(|(head, content)| head.len() + content.len() + boundary.len() + 6).sum();
        let mut body = BytesMut::with_capacity(length + boundary.len() + 6);
        for (head, content) in &self.parts {
            body.extend_from_slice(format!("--{boundary}\r\n{head}").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body.freeze())
    }
}

/// As browsers quote names in a disposition.
fn quote(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
