//! Requests without pause, and what came of each, while something else is changed.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::http1::Message;
use crate::wait::until;

/// What to ask, of whom and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who is asked; each by as many clients.
    pub addresses: Vec<SocketAddr>,
    /// Clients for each address.
    pub clients: usize,
    /// The time between two requests of one client; zero: none.
    pub pause: Duration,
    /// The request's method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// Its host.
    pub host: String,
    /// Clients keep their connections, rather than open one for each request.
    pub keep_alive: bool,
}

/// A request and what came of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When it was sent.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
    /// The answer; or that there was none, or half of one.
    pub answer: Result<Reply, String>,
}

/// What is kept of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Why Sluicegate itself answered, where it did.
    pub reason: Option<String>,
    /// Who answered: the name that an echo server gives, else the body.
    pub name: String,
}

impl Asked {
    /// Whether it was answered with 200.
    pub fn is_ok(&self) -> bool {
        matches!(&self.answer, Ok(reply) if reply.status == 200)
    }
}

impl Reply {
    fn of(answer: &Message) -> Self {
        let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let name = json.as_ref().and_then(|json| json["name"].as_str()).map(str::to_owned);
        Self { status: answer.status(), reason: answer.reason(), name: name.unwrap_or_else(|| answer.text()) }
    }
}

impl Plan {
    /// One client each that asks for `/` of this host without a pause, on a new connection each time.
    pub fn of(addresses: &[SocketAddr], host: &str) -> Self {
        Self {
            addresses: addresses.to_vec(),
            clients: 1,
            pause: Duration::ZERO,
            method: "GET",
            path: "/",
            host: host.to_owned(),
            keep_alive: false,
        }
    }

    /// Asks so many times, one after the other.
    pub fn ask(&self, requests: usize) -> Vec<Asked> {
        let mut connection = None;
        let address = self.addresses[0];
        (0..requests).map(|_| self.ask_on(&mut connection, address)).collect()
    }

    fn ask_on(&self, connection: &mut Option<Client>, address: SocketAddr) -> Asked {
        let at = Instant::now();
        let answer = self.answer(connection, address);
        if answer.as_ref().map_or(true, |answer| !self.keep_alive || closes(answer)) {
            *connection = None;
        }
        let answer = answer.map(|answer| Reply::of(&answer)).map_err(|error| error.to_string());
        Asked { at, took: at.elapsed(), answer }
    }

    fn answer(&self, connection: &mut Option<Client>, address: SocketAddr) -> io::Result<Message> {
        let client = match connection {
            Some(client) => client,
            None => connection.insert(Client::try_connect(address)?),
        };
        client.wire.send(self.request())?;
        client.wire.answer(self.method)
    }

    fn request(&self) -> String {
        let close = if self.keep_alive { "" } else { "connection: close\r\n" };
        let body = if self.method == "POST" { "content-length: 4\r\n\r\nbody" } else { "\r\n" };
        format!("{} {} HTTP/1.1\r\nhost: {}\r\n{close}{body}", self.method, self.path, self.host)
    }
}

/// Requests that are being made; they end when this is dropped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Asked>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins to ask.
    pub fn start(plan: &Plan) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let client = |address: &SocketAddr| {
            let (stop, asked, plan, address) = (Arc::clone(&stop), Arc::clone(&asked), plan.clone(), *address);
            thread::spawn(move || ask_without_end(&plan, address, &stop, &asked))
        };
        let each = plan.addresses.iter().flat_map(|address| std::iter::repeat_n(address, plan.clients));
        let clients = each.map(client).collect();
        Self { stop, asked, clients }
    }

    /// What came of the requests so far.
    pub fn so_far(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap()
    }

    /// Waits for so many more requests to end, however.
    pub fn more(&self, count: usize) {
        let wanted = self.so_far().len() + count;
        until("traffic goes on", || (self.so_far().len() >= wanted).then_some(()));
    }

    /// Ends it, and gives what came of the requests.
    pub fn end(mut self) -> Vec<Asked> {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients.drain(..) {
            client.join().expect("a client only asks");
        }
        std::mem::take(&mut *self.so_far())
    }

    /// Ends it a little later, and holds it to not one failed request while `what` was done.
    pub fn end_without_failure(self, what: &str) {
        self.more(20);
        let asked = self.end();
        let failed: Vec<&Asked> = asked.iter().filter(|asked| !asked.is_ok()).collect();
        assert!(failed.is_empty(), "{what}: {} of {} failed, such as {:?}", failed.len(), asked.len(), failed[0]);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Who answered how many of them.
pub fn shares<'a>(asked: impl IntoIterator<Item = &'a Asked>) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for asked in asked {
        if let Ok(reply) = &asked.answer {
            *shares.entry(reply.name.clone()).or_default() += 1;
        }
    }
    shares
}

fn ask_without_end(plan: &Plan, address: SocketAddr, stop: &AtomicBool, all: &Mutex<Vec<Asked>>) {
    let mut connection = None;
    let mut due = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        // Who is late asks at once, but makes up for little of it.
        due = (due + plan.pause).max(Instant::now().checked_sub(10 * plan.pause).unwrap_or(due));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let asked = plan.ask_on(&mut connection, address);
        all.lock().unwrap().push(asked);
    }
}

fn closes(answer: &Message) -> bool {
    answer.fields("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
}
