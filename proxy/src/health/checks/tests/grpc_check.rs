//! gRPC checks, against an HTTP/2 server that answers calls by hand.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

/// What the server answers every call with.
#[derive(Clone)]
struct Says {
    status: u16,
    head: &'static [(&'static str, &'static str)],
    message: &'static [u8],
    trailers: &'static [(&'static str, &'static str)],
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];
const OK: &[(&str, &str)] = &[("grpc-status", "0")];

/// The calls that came: method, path, content type, `te` and message.
type Calls = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

async fn serve(says: Says) -> (SocketAddr, Calls) {
    let (listener, address) = listen().await;
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (says, seen) = (says.clone(), Arc::clone(&seen));
            let answer = service_fn(move |request: Request<Incoming>| answer(request, says.clone(), Arc::clone(&seen)));
            tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer));
        }
    });
    (address, calls)
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

async fn answer(
    request: Request<Incoming>,
    says: Says,
    seen: Calls,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = std::convert::Infallible>>, hyper::Error> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let head = format!("{} {} {:?} {:?}", request.method(), request.uri(), header("content-type"), header("te"));
    assert_eq!((header("authorization"), header("x-of-the-target")), (None, None));
    let message = request.into_body().collect().await?.to_bytes().to_vec();
    seen.lock().unwrap().push((head, message));
    let trailers = headers(says.trailers);
    let body = Full::new(Bytes::from_static(says.message)).with_trailers(async move { Some(Ok(trailers)) });
    let mut answer = Response::new(body);
    *answer.status_mut() = http::StatusCode::from_u16(says.status).unwrap();
    *answer.headers_mut() = headers(says.head);
    Ok(answer)
}

fn probe(service: &str) -> Value {
    json!({ "GRPC": { "service": service } })
}

#[tokio::test]
async fn a_service_is_asked_by_its_name_whether_it_serves() {
    let (address, calls) =
        serve(Says { status: 200, head: GRPC, message: b"\0\0\0\0\x02\x08\x01", trailers: OK }).await;
    // Both that speak HTTP/2 in clear text.
    for protocol in ["H2C", "HTTP"] {
        let mut checker = checker(subject(address, protocol, probe("a.B")));
        for _ in 0..2 {
            checker.check().await.unwrap();
        }
    }
    let calls = calls.lock().unwrap();
    let head =
        format!(r#"POST http://{address}/grpc.health.v1.Health/Check Some("application/grpc") Some("trailers")"#);
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| *call == (head.clone(), b"\0\0\0\0\x05\x0a\x03a.B".to_vec())), "{calls:?}");
}

#[tokio::test]
async fn only_serving_means_health() {
    let ok = Says { status: 200, head: GRPC, message: b"\0\0\0\0\x02\x08\x02", trailers: OK };
    let wrong = CheckResult::WrongAnswer;
    for (says, result, why) in [
        (ok.clone(), wrong, "it says NOT_SERVING"),
        (Says { message: b"\0\0\0\0\0", ..ok.clone() }, wrong, "it says UNKNOWN"),
        (Says { message: b"\0\0\0\0\x02\x08\x03", ..ok.clone() }, wrong, "it says SERVICE_UNKNOWN"),
        (
            Says { message: b"", trailers: &[("grpc-status", "12")], ..ok.clone() },
            wrong,
            "it answered with the gRPC status 12",
        ),
        (
            Says { message: b"", trailers: &[], head: &[("grpc-status", "5")], ..ok.clone() },
            wrong,
            "it answered with the gRPC status 5",
        ),
        (Says { status: 404, ..ok.clone() }, wrong, "it answered 404 Not Found"),
        (Says { trailers: &[], ..ok.clone() }, CheckResult::Broken, "its answer is not one of grpc.health.v1.Health"),
        (
            Says { message: b"<html>", ..ok.clone() },
            CheckResult::Broken,
            "its answer is not one of grpc.health.v1.Health",
        ),
        (Says { message: &[0; 4096], ..ok }, CheckResult::Broken, "its answer is not one of grpc.health.v1.Health"),
    ] {
        let (address, _) = serve(says).await;
        assert_eq!(once(subject(address, "H2C", probe(""))).await, (result, why.to_owned()));
    }
}

#[tokio::test]
async fn a_server_without_http2_does_not_serve_grpc() {
    let server = Server::start(|_| Some(answered("200 OK", ""))).await;
    assert_eq!(once(subject(server.address, "H2C", probe(""))).await.0, CheckResult::Broken);
}

#[tokio::test]
async fn http_checks_speak_http2_where_the_target_does() {
    let (address, calls) = serve(Says { status: 200, head: &[], message: b"good", trailers: &[] }).await;
    let asked = http(&json!({ "host": "health.example", "expectedBody": "good" }));
    let mut checker = checker(subject(address, "H2C", asked));
    for _ in 0..2 {
        checker.check().await.unwrap();
    }
    assert_eq!(calls.lock().unwrap()[1].0, "GET http://health.example/healthz None None");
}
