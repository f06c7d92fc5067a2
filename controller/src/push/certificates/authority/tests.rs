//! Two years of rotation by a clock that is moved.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::{AUTHORITIES, AUTHORITY_KEY, Authority, CERTIFICATE, DAY, Data, KEY, due};

const NAME: &str = "sluicegate-controller.gate.svc";

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// Whether a proxy that trusts what `bundle` holds takes the certificate that `data` holds.
fn is_trusted(bundle: &Data, data: &Data, now: SystemTime) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle[AUTHORITIES].0).map(Result::unwrap));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let certificate = CertificateDer::from_pem_slice(&data[CERTIFICATE].0).unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let name = ServerName::try_from(NAME).unwrap();
    verifier.verify_server_cert(&certificate, &[], &name, &[], now).is_ok()
}

#[test]
fn a_good_secret_is_left_alone() {
    let made = due(&Data::new(), NAME, start()).unwrap().unwrap();
    assert!(is_trusted(&made, &made, start()));
    for days in 0..59 {
        assert_eq!(due(&made, NAME, start() + DAY * days).unwrap(), None, "after {days} days");
    }
    assert!(due(&made, NAME, start() + DAY * 60).unwrap().is_some());
}

#[test]
fn rotation_is_never_noticed_by_a_proxy_whose_bundle_is_a_day_old() {
    let mut data = due(&Data::new(), NAME, start()).unwrap().unwrap();
    let (mut day_before, mut certificates, mut authorities, mut together) = (data.clone(), 1, 1, 0);
    for hours in (6..24 * 730).step_by(6) {
        let now = start() + Duration::from_hours(hours);
        let last = data.clone();
        if let Some(next) = due(&data, NAME, now).unwrap() {
            certificates += usize::from(next[CERTIFICATE] != data[CERTIFICATE]);
            authorities += usize::from(next[AUTHORITY_KEY] != data[AUTHORITY_KEY]);
            data = next;
            assert_eq!(due(&data, NAME, now).unwrap(), None, "one step is enough");
        }
        together = together.max(Authority::of(&data[AUTHORITIES].0).count());
        assert!(is_trusted(&data, &data, now), "after {hours} hours");
        assert!(is_trusted(&day_before, &data, now), "after {hours} hours, with yesterday's bundle");
        if hours % 24 == 0 {
            day_before = last;
        }
    }
    assert_eq!((certificates, authorities, together), (13, 3, 2));
}

#[test]
fn what_is_damaged_or_for_another_name_is_made_anew() {
    let made = due(&Data::new(), NAME, start()).unwrap().unwrap();
    let renamed = due(&made, "other.gate.svc", start()).unwrap().unwrap();
    assert_eq!(renamed[AUTHORITIES], made[AUTHORITIES], "the authority stays");
    assert_ne!(renamed[CERTIFICATE], made[CERTIFICATE]);
    for key in [AUTHORITIES, AUTHORITY_KEY, CERTIFICATE, KEY] {
        for damaged in [None, Some(b"nonsense".to_vec()), Some(made[CERTIFICATE].0.clone())] {
            let mut data = made.clone();
            data.remove(key);
            data.extend(damaged.map(|damaged| (key.to_owned(), k8s_openapi::ByteString(damaged))));
            if data == made {
                continue;
            }
            let mended = due(&data, NAME, start()).unwrap().unwrap();
            assert!(is_trusted(&mended, &mended, start()), "{key}");
            assert_eq!(due(&mended, NAME, start()).unwrap(), None, "{key}");
        }
    }
}

#[test]
fn after_years_without_a_controller_everything_is_new() {
    let made = due(&Data::new(), NAME, start()).unwrap().unwrap();
    let later = start() + DAY * 800;
    let next = due(&made, NAME, later).unwrap().unwrap();
    assert!(is_trusted(&next, &next, later));
    assert_eq!(Authority::of(&next[AUTHORITIES].0).count(), 1);
}
