//! HTTP/2 on both sides of the program: a scripted target and a client, frame by frame where a test needs it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::wait::{PATIENCE, until};

/// A whole request or answer.
#[derive(Clone, Debug)]
pub struct Whole<P> {
    /// Head without body.
    pub head: P,
    /// All data frames together.
    pub body: Bytes,
    /// The trailer section.
    pub trailers: Option<HeaderMap>,
}

/// A whole answer.
pub type Answer = Whole<http::response::Parts>;
/// A whole request.
pub type Asked = Whole<http::request::Parts>;

impl Answer {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// A header field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads a body to its end.
pub async fn read(body: &mut RecvStream) -> Result<(Bytes, Option<HeaderMap>), h2::Error> {
    let mut whole = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok((whole.freeze(), body.trailers().await?))
}

/// One request at a scripted target.
#[derive(Debug)]
pub struct Exchange {
    /// Its head.
    pub head: http::request::Parts,
    /// Its body.
    pub body: RecvStream,
    /// Where the answer goes.
    pub respond: SendResponse<Bytes>,
}

impl Exchange {
    /// Answers with this head, body and trailers.
    pub fn answer(
        &mut self,
        head: Response<()>,
        body: impl Into<Bytes>,
        trailers: Option<HeaderMap>,
    ) -> Result<(), h2::Error> {
        let mut stream = self.respond.send_response(head, false)?;
        stream.send_data(body.into(), trailers.is_none())?;
        trailers.map_or(Ok(()), |trailers| stream.send_trailers(trailers))
    }
}

/// A scripted target that speaks HTTP/2, in clear text or over TLS.
#[derive(Debug)]
pub struct Http2Origin {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
    _stop: oneshot::Sender<()>,
}

impl Http2Origin {
    /// A target in clear text that lets `serve` answer each request.
    pub fn start(serve: impl AsyncFn(Exchange) -> Result<(), h2::Error> + Send + 'static) -> Self {
        Self::with_tls(None, serve)
    }

    /// A target that echoes bodies and answers with a trailer `seen: yes`.
    pub fn echo() -> Self {
        Self::start(async |mut exchange| {
            let (body, _) = read(&mut exchange.body).await?;
            let trailers = HeaderMap::from_iter([("seen".parse().expect("a name"), "yes".parse().expect("a value"))]);
            exchange.answer(Response::new(()), body, Some(trailers))
        })
    }

    /// The same over TLS.
    pub fn with_tls(
        tls: Option<Arc<ServerConfig>>,
        serve: impl AsyncFn(Exchange) -> Result<(), h2::Error> + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let address = listener.local_addr().expect("a listener has an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let seen = Arc::clone(&heads);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let serve = std::rc::Rc::new(serve);
            let accept = async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                loop {
                    let Ok((stream, _)) = listener.accept().await else { return };
                    stream.set_nodelay(true).expect("TCP_NODELAY");
                    let (tls, seen, serve) = (tls.clone(), Arc::clone(&seen), std::rc::Rc::clone(&serve));
                    tokio::task::spawn_local(async move {
                        // A connection that breaks off is an ordinary end: what it means is for the client to say.
                        drop(match tls {
                            None => connection(stream, seen, serve).await,
                            Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
                                Ok(stream) => connection(stream, seen, serve).await,
                                Err(_) => Ok(()),
                            },
                        });
                    });
                }
            };
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, heads, _stop: stop }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<http::request::Parts> {
        self.heads.lock().unwrap().clone()
    }

    /// Waits until it has got this many requests.
    pub fn until_requests(&self, count: usize) -> Vec<http::request::Parts> {
        until(&format!("the target gets {count} requests"), || Some(self.heads()).filter(|heads| heads.len() >= count))
    }
}

async fn connection<S, F>(
    stream: S,
    seen: Arc<Mutex<Vec<http::request::Parts>>>,
    serve: std::rc::Rc<F>,
) -> Result<(), h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: AsyncFn(Exchange) -> Result<(), h2::Error> + 'static,
{
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        let (head, body) = request.into_parts();
        seen.lock().unwrap().push(head.clone());
        let serve = std::rc::Rc::clone(&serve);
        tokio::task::spawn_local(async move { drop(serve(Exchange { head, body, respond }).await) });
    }
    Ok(())
}

/// One HTTP/2 connection to the program.
#[derive(Debug)]
pub struct Http2Client {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    ended: Arc<Mutex<Option<Result<(), String>>>>,
}

impl Http2Client {
    /// Connects in clear text, with prior knowledge.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(async move { TcpStream::connect(address).await })
    }

    /// Connects over TLS, naming `server`; the configuration has to offer `h2`.
    pub fn connect_tls(address: SocketAddr, server: &str, config: Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from(server.to_owned()).expect("a server name");
        Self::over(async move { TlsConnector::from(config).connect(name, TcpStream::connect(address).await?).await })
    }

    fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(connect: impl Future<Output = io::Result<S>>) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let ended = Arc::new(Mutex::new(None));
        let end = Arc::clone(&ended);
        let requests = runtime.block_on(async {
            let stream = connect.await.expect("a connection");
            let (requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
            tokio::spawn(
                async move { *end.lock().unwrap() = Some(connection.await.map_err(|error| error.to_string())) },
            );
            requests
        });
        Self { runtime, requests, ended }
    }

    /// Runs a future on the client's runtime, for at most [`PATIENCE`].
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("an end of the exchange") })
    }

    /// Opens a stream; without a body unless `more`.
    pub fn open(
        &self,
        request: Request<()>,
        more: bool,
    ) -> Result<(h2::client::ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.run(async {
            let mut ready = self.requests.clone().ready().await?;
            ready.send_request(request, !more)
        })
    }

    /// A whole exchange.
    pub fn ask(&self, request: Request<Bytes>) -> Result<Answer, h2::Error> {
        let (head, body) = request.into_parts();
        let (answer, mut stream) = self.open(Request::from_parts(head, ()), !body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        self.answer(answer)
    }

    /// Waits for the answer of a stream.
    pub fn answer(&self, answer: h2::client::ResponseFuture) -> Result<Answer, h2::Error> {
        self.run(async {
            let (head, mut body) = answer.await?.into_parts();
            let (body, trailers) = read(&mut body).await?;
            Ok(Whole { head, body, trailers })
        })
    }

    /// A GET of this path for the host `test`.
    pub fn get(&self, path: &str) -> Answer {
        self.ask(get(path)).expect("an answer")
    }

    /// Waits until the other side has ended the connection: in order, or with an error.
    pub fn ended(&self) -> Result<(), String> {
        self.run(async {
            loop {
                if let Some(end) = self.ended.lock().unwrap().clone() {
                    return end;
                }
                tokio::task::yield_now().await;
            }
        })
    }
}

/// A GET of this path for the host `test`.
pub fn get(path: &str) -> Request<Bytes> {
    Request::get(format!("http://test{path}")).body(Bytes::new()).expect("a request")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::certificates::Certificates;

    #[test]
    fn client_and_target_understand_each_other() {
        let origin = Http2Origin::echo();
        let client = Http2Client::connect((Ipv4Addr::LOCALHOST, origin.port()).into());
        let answer = client.ask(Request::post("http://test/path").body(Bytes::from("body")).unwrap()).unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "body"));
        assert_eq!(answer.trailers.unwrap()["seen"], "yes");
        assert_eq!(origin.heads()[0].uri.path(), "/path");
    }

    #[test]
    fn and_over_tls() {
        let certificates = Certificates::new(&["test"]);
        let origin = Http2Origin::with_tls(Some(certificates.server(&["h2"])), async |mut exchange| {
            exchange.answer(Response::new(()), "inside", None)
        });
        let client =
            Http2Client::connect_tls((Ipv4Addr::LOCALHOST, origin.port()).into(), "test", certificates.client(&["h2"]));
        assert_eq!(client.get("/").text(), "inside");
        drop(origin);
        client.ended().unwrap_or_default();
    }
}
