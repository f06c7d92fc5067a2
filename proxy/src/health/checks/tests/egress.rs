//! Checks go the way that requests go: through the egress proxy.

use sluicegate_table::EgressProxy;
use tokio::io::copy_bidirectional;

use super::*;

/// A forward proxy for tunnels that leads everywhere to `address`, or refuses.
async fn tunnels_to(address: Option<SocketAddr>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let (listener, proxy) = listen().await;
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some(head) = read_head(&mut stream).await else { continue };
            seen.lock().unwrap().push(head.lines().next().unwrap().to_owned());
            let Some(address) = address else {
                stream.write_all(&answered("403 Forbidden", "")).await.unwrap();
                continue;
            };
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut to = TcpStream::connect(address).await.unwrap();
            tokio::spawn(async move { drop(copy_bidirectional(&mut stream, &mut to).await) });
        }
    });
    (proxy, asked)
}

fn through(proxy: SocketAddr, host: &str, protocol: &str, probe: Value) -> Subject {
    let mut subject = subject("127.0.0.1:8080".parse().unwrap(), protocol, probe);
    subject.target = Arc::new(Target { host: host.to_owned(), ..(*subject.target).clone() });
    subject.egress_proxy = Some(EgressProxy { host: proxy.ip().to_string(), port: proxy.port() });
    subject
}

#[tokio::test]
async fn clear_text_names_the_target_in_absolute_form() {
    let proxy = Server::start(|_| Some(answered("200 OK", ""))).await;
    let subject = through(proxy.address, "orders.example", "HTTP", http(&json!({})));
    assert_eq!(once(subject).await.0, CheckResult::Passed);
    let head = &proxy.heads()[0].1;
    assert!(head.starts_with("GET http://orders.example:8080/healthz HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: orders.example:8080\r\n"), "{head}");
}

#[tokio::test]
async fn everything_else_goes_through_a_tunnel() {
    let server = Server::start(|_| Some(answered("200 OK", ""))).await;
    let (proxy, asked) = tunnels_to(Some(server.address)).await;
    assert_eq!(once(through(proxy, "orders.example", "HTTP", json!("TCP"))).await.0, CheckResult::Passed);
    // One of several addresses: only a tunnel leads to that very one.
    let mut subject = through(proxy, "orders.example", "HTTP", http(&json!({})));
    subject.address = Some("10.0.0.7:8080".parse().unwrap());
    assert_eq!(once(subject).await.0, CheckResult::Passed);
    assert_eq!(*asked.lock().unwrap(), ["CONNECT orders.example:8080 HTTP/1.1", "CONNECT 10.0.0.7:8080 HTTP/1.1"]);
    assert!(server.heads()[0].1.starts_with("GET /healthz HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_tunnel_that_is_refused_fails_the_check() {
    let (proxy, _) = tunnels_to(None).await;
    let (result, why) = once(through(proxy, "orders.example", "HTTP", json!("TCP"))).await;
    assert_eq!((result, why.as_str()), (CheckResult::NotConnected, "the egress proxy answered 403 Forbidden"));
}
