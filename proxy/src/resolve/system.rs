//! Lookups as the system is configured.
//!
//! The hosts file is asked first and for both kinds of address at once; the library would ask it for each kind and send
//! the other one to the name servers, which for a name that is only in the file means to wait for nothing. The file is
//! small and read each time, so that an edit counts.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, ResolverBuilder, TokioResolver};

use super::{Found, Outcome, Unfound};

/// How long what the hosts file says counts.
const HOSTS_TTL: Duration = Duration::from_secs(10);
/// How long a name is not there when the name server does not say.
const NEGATIVE_TTL: Duration = Duration::from_secs(10);
/// How long one question to one name server may take, and how often it is asked again.
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;

/// The system's name servers, or why there are none.
pub(super) struct SystemLookup(Result<TokioResolver, String>);

impl SystemLookup {
    /// Reads `resolv.conf`. Without one the hosts file still counts.
    pub(super) fn new() -> Self {
        Self::build(TokioResolver::builder_tokio())
    }

    /// Asks the given name servers only.
    #[cfg(test)]
    pub(super) fn with_config(config: hickory_resolver::config::ResolverConfig) -> Self {
        Self::build(Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())))
    }

    fn build(builder: Result<ResolverBuilder<TokioRuntimeProvider>, NetError>) -> Self {
        let resolver = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            options.use_hosts_file = ResolveHosts::Never;
            // What is known is kept in one place, by our own rules.
            options.cache_size = 0;
            options.timeout = options.timeout.min(TIMEOUT);
            options.attempts = options.attempts.min(ATTEMPTS);
            builder.build()
        });
        Self(resolver.map_err(|error| error.to_string()))
    }

    pub(super) async fn lookup(&self, host: &str) -> Outcome {
        // An unreadable hosts file is as good as an empty one.
        if let Some(addresses) = Hosts::from_system().ok().and_then(|hosts| in_hosts(&hosts, host)) {
            return Ok(Found { addresses, ttl: HOSTS_TTL });
        }
        let resolver = self.0.as_ref().map_err(|error| Unfound::Failed(error.clone()))?;
        let found = resolver.lookup_ip(host).await.map_err(|error| unfound(&error))?;
        let ttl = found.valid_until().saturating_duration_since(Instant::now());
        Ok(Found { addresses: found.iter().collect(), ttl })
    }
}

/// The addresses of a name in the hosts file.
fn in_hosts(hosts: &Hosts, host: &str) -> Option<Vec<IpAddr>> {
    let name = Name::from_utf8(host.to_ascii_lowercase()).ok()?;
    let mut addresses = Vec::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        let found = hosts.lookup_static_host(&Query::query(name.clone(), kind));
        addresses.extend(found.iter().flat_map(Lookup::answers).filter_map(|record| record.data.ip_addr()));
    }
    Some(addresses).filter(|addresses| !addresses.is_empty())
}

fn unfound(error: &NetError) -> Unfound {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none))
            if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
            Unfound::NoSuchName(ttl.unwrap_or(NEGATIVE_TTL))
        }
        other => Unfound::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::net::{Ipv4Addr, Ipv6Addr};

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::proto::op::Message;
    use hickory_resolver::proto::rr::rdata::{A, AAAA};
    use hickory_resolver::proto::rr::{RData, Record};
    use hickory_resolver::proto::serialize::binary::{BinDecodable, BinEncodable};
    use tokio::net::UdpSocket;

    use super::*;

    /// A name server that knows one name; its port.
    async fn name_server() -> u16 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_bytes(&buffer[..length]).unwrap();
                let answer = answer_to(&question).to_bytes().unwrap();
                socket.send_to(&answer, client).await.unwrap();
            }
        });
        port
    }

    fn answer_to(question: &Message) -> Message {
        let query = question.queries[0].clone();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        let (name, kind) = (query.name().clone(), query.query_type());
        match name.to_string().as_str() {
            "two.test." => {
                let data = match kind {
                    RecordType::A => RData::A(A(Ipv4Addr::new(192, 0, 2, 7))),
                    _ => RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)),
                };
                answer.add_answer(Record::from_rdata(name, 120, data));
            }
            "broken.test." => answer.metadata.response_code = ResponseCode::ServFail,
            _ => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        answer.add_query(query);
        answer
    }

    async fn lookup(host: &str) -> Outcome {
        let mut connection = ConnectionConfig::udp();
        connection.port = name_server().await;
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        SystemLookup::with_config(config).lookup(host).await
    }

    #[tokio::test]
    async fn both_kinds_of_address_come_with_their_ttl() {
        let found = lookup("two.test").await.unwrap();
        assert_eq!(found.addresses, [IpAddr::from([192, 0, 2, 7]), Ipv6Addr::LOCALHOST.into()]);
        assert!(found.ttl > Duration::from_secs(100) && found.ttl <= Duration::from_mins(2), "{:?}", found.ttl);
    }

    #[tokio::test]
    async fn no_such_name_is_not_the_same_as_no_answer() {
        assert_eq!(lookup("none.test").await, Err(Unfound::NoSuchName(NEGATIVE_TTL)));
        assert!(matches!(lookup("broken.test").await, Err(Unfound::Failed(_))));
    }

    #[test]
    fn the_hosts_file_gives_both_kinds() {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf("192.0.2.1 Db db.local\n2001:db8::1 db\n# 192.0.2.9 db\n".as_bytes()).unwrap();
        let (v4, v6) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert_eq!(in_hosts(&hosts, "DB"), Some(vec![v4, v6]));
        assert_eq!(in_hosts(&hosts, "db.local"), Some(vec![v4]));
        assert_eq!(in_hosts(&hosts, "other"), None);
    }
}
